"""A projection of the vote that is still out, with an interval. It decides nothing, and stands apart from every count.

Stratified by area (Cochran, Sampling Techniques, 1977, chapter 5; for counts that come in no random order Pavia-Miralles,
"Forecasts from Nonrandom Samples: The Election Night Case", JASA 100, 2005): what is out of an area is expected to vote as what
is in, drawn towards the whole where little is in, and as last time plus the swing where there is an earlier result. Only area
cells are read: how units differ within an area is not in them, so the spread between areas stands for it. docs/projection.md has
the formulas, what is assumed, and how often the interval held on recorded nights.

Estimates are floating point: they are no counts. The operations are fixed, so that equal totals give equal documents.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log, sqrt
from operator import mul
from typing import Any, Final

from tallyroom.results.areas import denominator
from tallyroom.results.register import Expectation
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import Column, Row, minus

COVERAGE: Final = "0.90"
"""Share of nights and stops at which the interval is meant to hold the end; what was measured is in docs/projection.md."""
Z: Final = 1.645
STUDENT: Final = 1.3
"""Widens by 1 + 1.3/(areas - 1), which is Student's t to two digits: a spread learnt from few areas is often too small."""
MOST_STRATA: Final = 64
"""Areas that are looked at: the deepest level of the tree with no more of them, which keeps a projection under a millisecond."""
LEAST_AREAS: Final = 4
"""Areas with counts from which a spread is learnt; with fewer there is no projection."""
LEAST_UNITS: Final = 20
LEAST_COUNTED: Final = 0.02
EFFECTIVE: Final = 0.2
"""Units of unlike size count for less: sum(w)^2 / sum(w^2) by number of units was 0.15 to 0.96 on recorded nights."""
LATE: Final = 0.45
"""How far what is out may differ from what is in everywhere at once (large towns last), in spreads between areas."""
SIZE: Final = 0.8
"""The same for every e-fold by which units that are out are larger or smaller than those that are in."""
WIDEST: Final = 2.0
"""Most e-folds of size that are looked at."""
RIDGE: Final = 0.2
"""Draws the slope of shares on sizes towards none: an area counts as if its size said this much less."""
WITHIN: Final = 0.2
"""Most spread of units within an area, in sqrt(p(1 - p)): 0.04 to 0.21 on recorded nights, while areas may differ much more."""
FLOOR: Final = 0.03
"""Least spread between areas, in sqrt(p(1 - p))."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """What is in of an area and what is out. ``weight``: votes expected from what is out; ``units``: of each, by number."""

    votes: tuple[int, ...]
    base: int
    units_in: int
    units_out: int
    voters_in: int
    voters_out: int
    before: tuple[float, ...]  # earlier shares; zeros where there is no earlier result


class Projector:
    """Projects one contest; keeps what its definition says once and for all."""

    def __init__(self, contest: ContestPlan, expected: Mapping[str, Expectation]) -> None:
        self._contest = contest
        self._expected = expected
        self._cut = tuple(_cut(contest))
        self._columns = tuple(contest.column(name) for name in contest.summed)
        self._before = self._earlier()

    def project(self, row_of: Callable[[str], Row]) -> dict[str, Any] | None:
        """The contest's projection from its area cells (``row_of``: by area, zeros where nothing is in).

        None where too little is in, where there are too few areas to learn a spread from, and where nothing is out.
        """
        if len(self._cut) < LEAST_AREAS:
            return None
        found = [self._stratum(area, less, row_of) for area, less in self._cut]
        counted = [stratum for stratum in found if stratum.base]
        if len(counted) < LEAST_AREAS or sum(stratum.units_in for stratum in counted) < LEAST_UNITS:
            return None
        strata = counted + [stratum for stratum in found if not stratum.base]
        frame = _frame(strata, _votes_out(strata, counted))
        if frame.base < LEAST_COUNTED * frame.whole or not any(frame.out):
            return None
        columns = zip(
            zip(*(one.votes for one in counted), strict=True),
            zip(*(s.before for s in strata), strict=True),
            strict=True,
        )
        each = [_selection(list(votes), list(before), frame) for votes, before in columns]
        return {
            "method": "stratified-by-area",
            "interval": COVERAGE,
            "areas": len(counted),
            "votes_expected": round(frame.whole),
            "counted": _text(frame.base / frame.whole),
            "selections": {
                name: {"share": _text(share), "lower": _text(share - half), "upper": _text(share + half)}
                for name, (share, half) in zip(self._contest.summed, each, strict=True)
            },
        }

    def _stratum(self, area: str, less: tuple[str, ...], row_of: Callable[[str], Row]) -> Stratum:
        """The area's cell, without those of the areas below it that are looked at by themselves."""
        row, expected = row_of(area), self._expected[area]
        units, registered = expected.units, expected.registered
        for child in less:
            row = minus(row, row_of(child))
            units -= self._expected[child].units
            registered -= self._expected[child].registered
        apart = row[Column.ANNULLED] + row[Column.NOT_OPENED] + row[Column.CANCELLED]
        units_in = row[Column.COMPLETE] + row[Column.PARTIAL]
        heard = row[Column.REGISTERED_COMPLETE] + row[Column.REGISTERED_PARTIAL]
        unheard = registered + row[Column.REGISTERED_CHANGE] - heard - row[Column.REGISTERED_APART]
        return Stratum(
            votes=tuple(row[column] for column in self._columns),
            base=denominator(self._contest, row),
            units_in=units_in,
            units_out=max(0, units - row[Column.COMPLETE] - apart),
            voters_in=heard,
            voters_out=max(0, unheard) + row[Column.PARTIAL_ROOM],
            before=self._before[area],
        )

    def _earlier(self) -> dict[str, tuple[float, ...]]:
        """Shares of the selections last time by area; zeros for all unless every area has an earlier result."""
        previous = self._contest.contest.previous
        areas = {area: previous.areas.get(area) for area, _ in self._cut} if previous is not None else {}
        made: dict[str, tuple[float, ...]] = {}
        for area, _ in self._cut:
            counts = areas.get(area)
            base = 0 if counts is None else counts.base or sum(counts.counts.values())
            if counts is None or not base:
                return {area: (0.0,) * len(self._columns) for area, _ in self._cut}
            made[area] = tuple(counts.counts.get(name, 0) / base for name in self._contest.summed)
        return made


def _cut(contest: ContestPlan) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The deepest level with no more than `MOST_STRATA` areas: (area, areas below it that stand by themselves).

    Units that hang on an area above the level are a stratum of their own.
    """
    level, above = [contest.root], list[str]()
    while inner := [area for area in level if contest.children.get(area)]:
        deeper = [child for area in level for child in contest.children.get(area, (area,))]
        if len(deeper) + len(above) + len(inner) > MOST_STRATA:
            break
        above += inner
        level = deeper
    yield from ((area, ()) for area in level)
    own = set(contest.contest.units.values())
    yield from ((area, contest.children[area]) for area in above if area in own)


def _votes_out(strata: list[Stratum], counted: list[Stratum]) -> list[float]:
    """Votes expected from what is out of each area: its voters at the turnout of what is in, drawn towards that of the whole by
    two units' worth. Without a register, as many votes a unit as those that are in.
    """
    base = sum(one.base for one in counted)
    voters = sum(one.voters_in for one in counted)
    units = max(1, sum(one.units_in for one in counted))
    made = []
    for one in strata:
        if one.voters_out and voters:
            turnout = (one.base + 2 * base / units) / (one.voters_in + 2 * voters / units)
            made.append(one.voters_out * turnout)
        else:
            made.append(one.units_out * (one.base + 2 * base / units) / (one.units_in + 2))
    return made


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all selections share, area by area: those with counts first.

    ``sizes``: logarithm of voters a unit, less the mean, of what is in; ``further``: of what is out, less that of what is in.
    ``ahead``: mean of ``further`` over the votes that are out. ``alone``: sum over areas of weight^2 by effective units out.
    """

    bases: list[int]
    effective: list[float]
    out: list[float]
    sizes: list[float]
    further: list[float]
    squares: float
    ahead: float
    alone: float
    base: int
    whole: float


def _frame(strata: list[Stratum], out: list[float]) -> _Frame:
    counted = [stratum for stratum in strata if stratum.base]
    logs = [_log(stratum.voters_in, stratum.units_in) for stratum in counted]
    mean = sum(logs) / len(logs)
    sizes = [one - mean for one in logs]
    further = [
        _further(stratum, mean + here) for stratum, here in zip(strata, _padded(sizes, len(strata)), strict=True)
    ]
    base, weight = sum(stratum.base for stratum in counted), sum(out)
    return _Frame(
        bases=[stratum.base for stratum in counted],
        effective=[EFFECTIVE * stratum.units_in for stratum in strata],
        out=out,
        sizes=sizes,
        further=further,
        squares=sum(one * one for one in sizes),
        ahead=sum(map(mul, further, out)) / weight if weight else 0.0,
        alone=sum(w * w / max(1.0, EFFECTIVE * one.units_out) for w, one in zip(out, strata, strict=True)),
        base=base,
        whole=base + weight,
    )


def _further(stratum: Stratum, inside: float) -> float:
    """E-folds by which units that are out are larger than those that are in; 0 where it is not known."""
    if not stratum.units_out or not stratum.voters_out:
        return 0.0
    return max(-WIDEST, min(WIDEST, _log(stratum.voters_out, stratum.units_out) - inside))


def _log(voters: int, units: int) -> float:
    return log(max(1, voters) / max(1, units))


def _padded(values: list[float], length: int) -> list[float]:
    return values + [0.0] * (length - len(values))


def _selection(votes: list[int], before: list[float], frame: _Frame) -> tuple[float, float]:
    """The projected share of one selection and half of its interval. ``votes``: by area with counts; ``before``: by area."""
    number, total = len(votes), sum(votes)
    moved = [v / b - earlier for v, b, earlier in zip(votes, frame.bases, before, strict=False)]
    mean = sum(map(mul, moved, frame.bases)) / frame.base
    apart = [one - mean for one in moved]
    slope = sum(map(mul, apart, frame.sizes)) / (frame.squares + RIDGE * number)
    share = total / frame.base
    scale = max(0.0, share * (1 - share))
    between = max(sum(map(mul, apart, apart)) / (number - 1), FLOOR * FLOOR * scale)
    if not between:
        return share, 0.0
    within = min(between, WITHIN * WITHIN * scale) or between
    ratio, variance, drawn, added = within / between, 0.0, 0.0, 0.0
    apart = _padded(apart, len(frame.out))
    for own, earlier, weight, effective, further in zip(
        apart, before, frame.out, frame.effective, frame.further, strict=True
    ):
        if not weight:
            continue
        lost = ratio / (effective + ratio)
        there = earlier + mean + (1 - lost) * own + slope * further
        added += weight * (there if 0.0 <= there <= 1.0 else float(there > 1.0))
        variance += weight * weight * lost
        drawn += weight * lost
    common = drawn * drawn / number  # the mean that all are drawn towards is uncertain itself
    late = (LATE * LATE + SIZE * SIZE * frame.ahead * frame.ahead) * (frame.whole - frame.base) ** 2
    squares = between * (variance + common) + within * (frame.alone + late)
    few = 1 + STUDENT / (number - 1)
    return (total + added) / frame.whole, Z * few * sqrt(squares) / frame.whole


def _text(value: float) -> str:
    """Four digits, between 0 and 1: an estimate has no more."""
    return f"{min(1.0, max(0.0, value)):.4f}"
