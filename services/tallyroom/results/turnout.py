"""Turnout: the authority's bulletins with their denominators, ballots cast from reports beside them, and whether the two agree.

Bulletins say how many ballots were issued (or cast) by a time; reports say how many were counted. They are never mixed: the last
bulletin is compared with the sum of ballots cast, which is what observers could not do in 2023.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final, TypeVar

from tallyroom.results.areas import Status, share, status
from tallyroom.results.facts import Place
from tallyroom.results.register import Expectation
from tallyroom.results.release import last_domestic_closing
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import Column, Row

OVER: Final = "over_registered"
"""Flag of a figure that is above the register which it is held against."""

Bulletin = Mapping[str, Any]

_Key = tuple[str, int, str]
_Made = TypeVar("_Made")


class Check(StrEnum):
    """What is wrong between the last bulletin of an area and the ballots counted there."""

    CAST_ABOVE_BULLETIN = "cast_above_bulletin"  # more ballots counted than were said to be issued or cast
    CAST_BELOW_BULLETIN = "cast_below_bulletin"  # everything is in, and fewer were counted


class Turnout:
    """Derives the turnout sections of one definition."""

    def __init__(self, plan: Plan, expected: Mapping[str, Mapping[str, Expectation]]) -> None:
        self._plan = plan
        self._expected = expected
        self._closing: dict[Place, datetime | None] = {}
        self._shares: dict[_Key, dict[str, Any]] = {}
        self._ranges: dict[_Key, tuple[int, int] | None] = {}
        self._order = {area: index for index, area in enumerate(plan.areas)}

    def bulletins(self, shown: Iterable[Bulletin]) -> list[dict[str, Any]]:
        """Bulletins with ``share`` of a named register, and ``flags``. The share as published stays as it is, in ``turnout``."""
        return [self._once(self._shares, bulletin, self._with_share) for bulletin in shown]

    def by_area(
        self, shown: Sequence[Bulletin], totals: Mapping[Place, Row], withheld: Container[Place]
    ) -> list[dict[str, Any]]:
        """Each area that bulletins are about: the last of each measure, ballots cast from reports, and checks between them."""
        last: dict[str, dict[str, Bulletin]] = {}
        for bulletin in shown:  # in the order of reported_at: a later one about the same time replaces an earlier one
            area, measure = self._area(bulletin), str(bulletin["measure"])
            known = last.setdefault(area, {}).get(measure)
            if bulletin.get("unit") is None and (known is None or _as_of(bulletin) >= _as_of(known)):
                last[area][measure] = bulletin
        return [
            self._of_area(area, measures, totals, withheld)
            for area, measures in sorted(last.items(), key=lambda item: self._order[item[0]])
            if measures
        ]

    @staticmethod
    def _once(made: "dict[_Key, _Made]", bulletin: Bulletin, make: "Callable[[Bulletin], _Made]") -> "_Made":
        """What follows from a bulletin and the definition alone: made once, since revisions are many."""
        key = (bulletin["id"], bulletin.get("version", 1), bulletin["reported_at"])
        if key not in made:
            made[key] = make(bulletin)
        return made[key]

    def _of_area(
        self, area: str, measures: Mapping[str, Bulletin], totals: Mapping[Place, Row], withheld: Container[Place]
    ) -> dict[str, Any]:
        contests = [
            contest
            for contest in self._plan.contests.values()
            if area in contest.contest.areas and contest.cast_at is not None and (contest.id, area) not in withheld
        ]
        reports = [self._reported(contest, area, totals.get((contest.id, area))) for contest in contests]
        checks = [
            self._check(contest, area, bulletin, totals.get((contest.id, area)))
            for contest in contests
            for bulletin in measures.values()
            if bulletin.get("contest") in (None, contest.id)
        ]
        shown = ("id", "as_of", "ballots", "turnout", "registered")
        return {
            "area": area,
            "level": self._plan.areas[area].level,
            "bulletins": {
                measure: {name: bulletin.get(name) for name in shown} for measure, bulletin in sorted(measures.items())
            },
            "reports": reports,
            "checks": [check for check in checks if check is not None],
        }

    def _with_share(self, bulletin: Bulletin) -> dict[str, Any]:
        value, of = self._register(bulletin)
        ballots = bulletin.get("ballots")
        over = ballots is not None and value is not None and ballots > value
        return {
            **bulletin,
            "share": share(ballots, value) if ballots is not None and value is not None else None,
            "share_denominator": {"of": of, "value": value},
            "flags": [OVER] if over else [],
        }

    def _register(self, bulletin: Bulletin) -> tuple[int | None, str]:
        """The register that a bulletin refers to: as published with it, else as the definition has it of the place."""
        if bulletin.get("registered") is not None:
            return bulletin["registered"], "registered as published"
        unit = self._plan.units.get(bulletin.get("unit") or "")
        if unit is not None:
            return unit.registered, "registered as defined"
        area = self._area(bulletin)
        own = self._plan.areas[area].registered if area in self._plan.areas else None
        if own is not None:
            return own, "registered as defined"
        found = [expected[area].registered for expected in self._expected.values() if area in expected]
        return (found[0] or None if found else None), "registered as defined"

    def _area(self, bulletin: Bulletin) -> str:
        """Where a bulletin is about; without area: the root of its contest, or of the first one."""
        if bulletin.get("area") is not None:
            return str(bulletin["area"])
        contest = bulletin.get("contest") or next(iter(self._plan.contests))
        return self._plan.contests[contest].root

    def _reported(self, contest: ContestPlan, area: str, row: Row | None) -> dict[str, Any]:
        """Turnout from reports: ballots cast by the register of the units in the totals."""
        row = row or (0,) * contest.width
        cast, expected = _cast(contest, row), self._expected[contest.id][area]
        register = row[Column.REGISTERED_COMPLETE] + row[Column.REGISTERED_PARTIAL]
        return {
            "contest": contest.id,
            "measure": contest.contest.accounting.cast,
            "ballots_cast": cast,
            "turnout_reported": share(cast, register),
            "turnout_denominator": {"of": "registered voters of the units in the totals", "value": register},
            "units_reported": row[Column.COMPLETE],
            "units_expected": expected.units,
            "units_without_register": row[Column.WITHOUT_REGISTER],
            "flags": [OVER] if cast > register else [],
        }

    def _check(self, contest: ContestPlan, area: str, bulletin: Bulletin, row: Row | None) -> dict[str, Any] | None:
        """The last bulletin against the sum of ballots cast; None while polls were open, or without a figure to compare."""
        declared = self._once(self._ranges, bulletin, self._declared)
        closing = self._closed(contest, area)
        if declared is None or row is None or (closing is not None and _as_of(bulletin) < closing):
            return None
        low, high = declared
        cast = _cast(contest, row)
        complete = status(row, self._expected[contest.id][area].units) is Status.UNOFFICIAL_COMPLETE
        code = None
        if cast > high:
            code = Check.CAST_ABOVE_BULLETIN
        elif complete and cast < low:
            code = Check.CAST_BELOW_BULLETIN
        return {
            "code": code,
            "contest": contest.id,
            "measure": bulletin["measure"],
            "bulletin": bulletin["id"],
            "declared": {"least": low, "most": high},
            "counted": cast,
            "difference": cast - high if cast > high else cast - low if cast < low else 0,
            "complete": complete,
        }

    def _declared(self, bulletin: Bulletin) -> tuple[int, int] | None:
        """Least and most ballots that a bulletin can mean: a share of four digits leaves a range."""
        if bulletin.get("ballots") is not None:
            return bulletin["ballots"], bulletin["ballots"]
        register, text = self._register(bulletin)[0], bulletin.get("turnout")
        if register is None or text is None:
            return None
        half = Fraction(1, 2 * 10 ** len(text.partition(".")[2]))
        return max(0, ceil((Fraction(text) - half) * register)), floor((Fraction(text) + half) * register)

    def _closed(self, contest: ContestPlan, area: str) -> datetime | None:
        """When the last domestic poll in the area closed; None if none says so."""
        place = (contest.id, area)
        if place not in self._closing:
            self._closing[place] = last_domestic_closing(self._plan, contest, area)
        return self._closing[place]


def _as_of(bulletin: Bulletin) -> datetime:
    return datetime.fromisoformat(bulletin["as_of"]).astimezone(UTC)


def _cast(contest: ContestPlan, row: Row) -> int:
    return row[contest.column(contest.contest.accounting.cast or "")]
