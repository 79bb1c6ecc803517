"""The documents of a revision, derived again only where totals changed.

Names: ``election``, ``definition``, ``contest:CONTEST``, ``areas:CONTEST:PARENT`` (the children of an area;
PARENT empty: the root).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tallyroom.results.areas import Status, area_document, leading, status
from tallyroom.results.register import Expectation, expectations
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import Row

Place = tuple[str, str]
"""(contest, area)."""


def areas_name(contest: str, parent: str | None) -> str:
    """Name of the document that holds the children of an area."""
    return f"areas:{contest}:{parent or ''}"


def contest_name(contest: str) -> str:
    """Name of the document of a contest without its areas."""
    return f"contest:{contest}"


class Deriver:
    """Turns totals into documents. Keeps what a definition says once and for all; holds no totals of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._expected: dict[str, dict[str, Expectation]] = {
            name: expectations(plan, contest) for name, contest in plan.contests.items()
        }

    def all_places(self) -> list[Place]:
        """Every (contest, area) of the definition."""
        return [(name, area) for name, contest in self.plan.contests.items() for area in contest.contest.areas]

    def documents(
        self,
        changed: Iterable[Place],
        totals: Mapping[Place, Row],
        corrections: Mapping[str, list[dict[str, Any]]],
        now: datetime | None,
        *,
        release: bool = False,
    ) -> dict[str, Any]:
        """The documents that hold these places, and their contests'. ``now`` is election time, None if it is not known.

        ``release``: show what is under embargo too, for output that is not published.
        """
        groups: dict[str, tuple[ContestPlan, str | None]] = {}
        contests: dict[str, ContestPlan] = {}
        for contest_id, area in changed:
            contest = self.plan.contests[contest_id]
            contests[contest_id] = contest
            parent = contest.contest.areas[area]
            groups[areas_name(contest_id, parent)] = (contest, parent)
        made: dict[str, Any] = {}
        for contest_id, contest in contests.items():
            embargo = not release and self.embargoed(contest, now)
            made[contest_name(contest_id)] = self._contest(contest, totals, corrections.get(contest_id, []), embargo)
        for name, (contest, parent) in groups.items():
            made[name] = [] if not release and self.embargoed(contest, now) else self._areas(contest, parent, totals)
        return made

    def embargoed(self, contest: ContestPlan, now: datetime | None) -> bool:
        """Whether nothing of the contest may be public yet."""
        release = contest.contest.release_at or self.plan.definition.release_at
        return release is not None and (now is None or now < release)

    def units_expected(self, contest: str) -> int:
        """Units expected in the whole contest."""
        return self._expected[contest][self.plan.contests[contest].root].units

    def _contest(
        self,
        contest: ContestPlan,
        totals: Mapping[Place, Row],
        corrections: list[dict[str, Any]],
        embargo: bool,
    ) -> dict[str, Any]:
        if embargo:
            until = contest.contest.release_at or self.plan.definition.release_at
            return {"contest": contest.id, "status": Status.PRE_ELECTION, "embargoed_until": until}
        root = contest.root
        row = totals.get((contest.id, root), (0,) * contest.width)
        return {
            "contest": contest.id,
            "status": status(row, self._expected[contest.id][root].units),
            "leading": leading(contest, row),
            "corrections": {"count": len(corrections), "latest": corrections[-20:]},
        }

    def _areas(self, contest: ContestPlan, parent: str | None, totals: Mapping[Place, Row]) -> list[dict[str, Any]]:
        nothing = (0,) * contest.width
        return [
            area_document(
                contest,
                area,
                self.plan.areas[area].level,
                totals.get((contest.id, area), nothing),
                self._expected[contest.id][area],
            )
            for area in contest.children[parent]
        ]
