"""Swing: how much a selection's share moved since last time, among the same units, with both denominators named.

Units decide where the definition has earlier results of them: those that are completely in now and were there then. Where it has
them of areas alone, an area is compared once it is complete: a part of it is not what it was compared with.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from tallyroom.domain.election import PreviousCounts
from tallyroom.results.areas import SHARE_DIGITS, denominator, share
from tallyroom.tabulation.matched import OWN, has_units
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import COUNTERS, Row

_BY_UNITS: Final = "units completely in that were there last time"
_BY_AREA: Final = "the whole area, complete"


def swing_document(
    contest: ContestPlan, area: str, row: Row, matched: Row | None, *, complete: bool
) -> dict[str, Any] | None:
    """Shares then and now of what can be compared, and the difference; None as long as nothing can."""
    previous = contest.contest.previous
    if previous is None:
        return None
    if has_units(contest):
        if matched is None or not matched[0]:
            return None
        then = dict(zip(contest.selections, matched[OWN::2], strict=True))
        now = dict(zip(contest.selections, matched[OWN + 1 :: 2], strict=True))
        known = {name for item in previous.units.values() for name in item.counts}
        return _document(_BY_UNITS, matched[0], (_only(then, known), matched[1]), (now, matched[2]))
    earlier = previous.areas.get(area)
    if earlier is None or not complete:
        return None
    votes = dict(zip(contest.selections, row[COUNTERS + len(contest.measures) :], strict=True))
    return _document(_BY_AREA, None, (earlier.counts, _base(earlier)), (votes, denominator(contest, row)))


def _only(counts: Mapping[str, int], known: set[str]) -> dict[str, int]:
    """Without selections that nobody could vote for last time: that is not the same as no votes."""
    return {name: votes for name, votes in counts.items() if name in known}


def _base(earlier: PreviousCounts) -> int:
    return earlier.base if earlier.base is not None else sum(earlier.counts.values())


def _document(
    of: str, units: int | None, then: tuple[Mapping[str, int], int], now: tuple[Mapping[str, int], int]
) -> dict[str, Any]:
    return {
        "of": of,
        "units": units,
        "then": {"base": then[1], "shares": {name: share(votes, then[1]) for name, votes in then[0].items()}},
        "now": {"base": now[1], "shares": {name: share(votes, now[1]) for name, votes in now[0].items()}},
        "difference": {name: _difference(then, now, name) for name in now[0]},
    }


def _difference(then: tuple[Mapping[str, int], int], now: tuple[Mapping[str, int], int], name: str) -> str | None:
    """Share now less share then, exact and rounded once: not the difference of two rounded shares."""
    if name not in then[0] or not then[1] or not now[1]:
        return None
    exact = Fraction(now[0][name], now[1]) - Fraction(then[0][name], then[1])
    scaled = round(abs(exact) * 10**SHARE_DIGITS)
    sign = "-" if exact < 0 and scaled else "+" if scaled else ""
    whole, rest = divmod(scaled, 10**SHARE_DIGITS)
    return f"{sign}{whole}.{rest:0{SHARE_DIGITS}d}"
