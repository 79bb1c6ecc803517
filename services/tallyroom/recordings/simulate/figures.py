"""Whole numbers that add up: exact apportioning of totals, in one and in two dimensions.

Integers only, no floats and no functions of the platform's mathematics library: equal input gives equal output on every
machine and Python release, so that the committed recording can be compared with the generator by its hash.
"""

from collections.abc import Sequence
from typing import Final

_SCALE: Final = 10**9
_ROUNDS: Final = (
    12  # of proportional fitting: rows and columns of the built-in night then agree to a few votes in a thousand
)


def apportion(total: int, weights: Sequence[int], caps: Sequence[int] | None = None) -> list[int]:
    """``total`` in whole parts in proportion to ``weights`` by largest remainder, no part above its cap.

    Raises ValueError if the caps leave no room, or if there is something to give out and no weight.
    """
    if caps is None:
        return _largest_remainder(total, weights)
    if sum(caps) < total:
        raise ValueError(f"{total} does not fit below caps that sum to {sum(caps)}")
    parts = [0] * len(weights)
    free, left = list(range(len(weights))), total
    while free:
        given = dict(zip(free, _largest_remainder(left, [weights[i] for i in free]), strict=True))
        over = [i for i in free if given[i] > caps[i]]
        for i in over or free:
            parts[i] = min(given[i], caps[i])
        free = [i for i in free if i not in set(over)] if over else []
        left -= sum(parts[i] for i in over)
    return parts


def fit(rows: Sequence[int], columns: Sequence[int], weights: Sequence[Sequence[int]]) -> list[list[int]]:
    """A table of whole numbers >= 0 with exactly these row and column sums, near ``weights`` scaled to them.

    Iterative proportional fitting, then each row apportioned to its sum, then single votes moved within rows until the
    columns fit too. Raises ValueError if rows and columns do not sum to the same.
    """
    if sum(rows) != sum(columns):
        raise ValueError(f"rows sum to {sum(rows)}, columns to {sum(columns)}")
    scaled = [[weight * _SCALE for weight in line] for line in weights]
    for _ in range(_ROUNDS):
        for row, line in zip(rows, scaled, strict=True):
            whole = sum(line) or 1
            line[:] = [cell * row * _SCALE // whole for cell in line]
        for p, column in enumerate(columns):
            whole = sum(line[p] for line in scaled) or 1
            for line in scaled:
                line[p] = line[p] * column * _SCALE // whole
    table = [
        _largest_remainder(row, line) if row else [0] * len(columns) for row, line in zip(rows, scaled, strict=True)
    ]
    _level(table, columns)
    return table


def _largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    whole = sum(weights)
    if whole == 0:
        if total:
            raise ValueError(f"{total} cannot be apportioned: all weights are 0")
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in rest[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _level(table: list[list[int]], columns: Sequence[int]) -> None:
    """Move votes within rows from columns that hold too many to those that hold too few, largest rows first."""
    excess = [sum(line[p] for line in table) - column for p, column in enumerate(columns)]
    order = sorted(range(len(table)), key=lambda r: (-sum(table[r]), r))
    while any(excess):
        for r in order:
            source = max(range(len(columns)), key=lambda p: (excess[p], -p))
            target = min(range(len(columns)), key=lambda p: (excess[p], p))
            if excess[source] <= 0:
                return
            if table[r][source] > 0:
                table[r][source] -= 1
                table[r][target] += 1
                excess[source] -= 1
                excess[target] += 1
