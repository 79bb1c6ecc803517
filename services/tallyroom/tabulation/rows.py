"""The row: what a unit contributes and what an area's cell sums, as one tuple of integers of a contest-wide shape.

A row is ``COUNTERS`` + the contest's measures + its selections, in that order: a selection added in mid-night appends a column,
so that rows written before it stay readable (`widened`). Rows of the same contest are summed column by column.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from operator import itemgetter
from typing import Final

Row = tuple[int, ...]


class Column(IntEnum):
    """The counters every row starts with."""

    COMPLETE = 0  # units whose counts are in and complete
    PARTIAL = 1  # units whose counts are in the totals, but not all of their parts
    HELD = 2
    ANNULLED = 3
    NOT_OPENED = 4
    CANCELLED = 5
    REGISTERED_COMPLETE = 6  # registered voters behind each of the groups above
    REGISTERED_PARTIAL = 7
    REGISTERED_HELD = 8
    REGISTERED_APART = 9  # annulled, not opened, cancelled
    REGISTERED_CHANGE = 10  # reported register minus the defined one
    PARTIAL_ROOM = 11  # sum over partial units of max(0, registered - ballots in): what they may still bring
    WITHOUT_REGISTER = 12  # units in the totals whose register nobody knows
    CAST_HELD = 13  # ballots on held reports, in no total
    CAST_ANNULLED = 14  # ballots on annulled reports, in no total
    SETTLED_WITHOUT_ROLL = 15  # units without a defined roll that are complete, annulled, not opened or cancelled


COUNTERS: Final = len(Column)
_NO_COUNTERS: Final = (0,) * COUNTERS


def counters(**values: int) -> Row:
    """Counters with these columns set, e.g. ``counters(complete=1)``; the others are 0."""
    row = list(_NO_COUNTERS)
    for name, value in values.items():
        row[Column[name.upper()]] = value
    return tuple(row)


def complete(registered: int | None) -> Row:
    """Counters of a unit that is counted with all its parts and reports no register; the definition gives it this one."""
    unknown = 1 if registered is None else 0
    return (1, 0, 0, 0, 0, 0, registered or 0, 0, 0, 0, 0, 0, unknown, 0, 0, unknown)


def widened(row: Row, width: int) -> Row:
    """The row with zeros for columns added since it was written."""
    return row + (0,) * (width - len(row)) if len(row) < width else row


def total(rows: Iterable[Row], width: int) -> Row:
    """Column sums; all zero for no rows."""
    summed = tuple(map(sum, zip(*rows, strict=True)))
    return summed or (0,) * width


def plus(left: Row, right: Row) -> Row:
    """Column by column left + right."""
    return tuple(map(int.__add__, left, right))


def minus(left: Row, right: Row) -> Row:
    """Column by column left - right."""
    return tuple(map(int.__sub__, left, right))


def picked(positions: Sequence[int]) -> Callable[[Row], Row]:
    """A function that takes the values at these positions; neighbours are sliced, which is several times as fast."""
    if not positions:
        return lambda row: ()
    first, last = positions[0], positions[-1] + 1
    if tuple(positions) == tuple(range(first, last)):
        return lambda row: row[first:last]
    return itemgetter(*positions)
