"""Made-up elections of one contest with a unit in each area, for rules of many countries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    ReportingUnit,
    Role,
    Rule,
    Scope,
    Selection,
    Source,
    VoterPool,
)
from tallyroom.results.documents import Deriver, contest_name
from tallyroom.results.facts import Facts
from tallyroom.results.outcome.document import ContestOutcome, Outcomes
from tallyroom.results.outcome.outstanding import issued_by_area
from tallyroom.results.register import expectations
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Row, complete, plus

Votes = Mapping[str, Mapping[str, int]]
"""Area -> selection -> votes."""
CLOSED_AT: Final = datetime(2030, 3, 1, 20, tzinfo=UTC)
WHOLE: Final = "W"


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """An election. ``register``: voters of the unit of every area; ``weights``: of areas; ``roles``: of selections.

    ``unlisted``: areas whose unit has no roll; its voters are among the pool's, unless nobody knows how many that has (``pooled``).
    """

    rule: Rule | None
    votes: Votes
    register: int | None = 1_000
    roles: Mapping[str, Role] | None = None
    weights: Mapping[str, str] | None = None
    marks: int = 1
    scope: Scope = Scope.WHOLE
    caps: Mapping[str, int] | None = None
    added: int | None = 0
    unlisted: frozenset[str] = frozenset()
    pooled: bool = True

    def roll(self, area: str) -> int | None:
        """Voters on the roll of the area's unit."""
        return None if area in self.unlisted else self.register

    def definition(self) -> Definition:
        """The definition: contest ``c``, areas below the whole, and in each of them one unit."""
        names = next(iter(self.votes.values()))
        roles, weights, caps = self.roles or {}, self.weights or {}, self.caps or {}
        voters = None if self.register is None or not self.pooled else self.register * len(self.votes)
        return Definition(
            election="made-up",
            environment=Environment.TEST,
            names={"en": "Made up"},
            date=date(2030, 3, 1),
            time_zones=("UTC",),
            languages=("en",),
            sources=(Source(id="s", names={}, may_report=("report", "participation")),),
            areas=(
                Area(id=WHOLE, level="country", names={}),
                *(Area(id=area, level="region", names={}, weight=weights.get(area, "1")) for area in self.votes),
            ),
            pools=(VoterPool(id="p", registered=voters, may_be_added=self.added, may_vote_away=0),),
            units=tuple(
                ReportingUnit(id=f"u-{area}", registered=self.roll(area), pool="p", closes_at=CLOSED_AT)
                for area in self.votes
            ),
            scope=self.scope,
            contests=(
                Contest(
                    id="c",
                    names={},
                    selections=tuple(
                        Selection(id=name, names={}, role=roles.get(name, Role.PARTY), list_candidates=caps.get(name))
                        for name in names
                    ),
                    accounting=Accounting(
                        measures=("cast", "valid"),
                        cast="cast",
                        identities=(Identity(total="valid", parts=("selections",)),),
                        marks_per_ballot=self.marks,
                    ),
                    areas={WHOLE: None, **dict.fromkeys(self.votes, WHOLE)},
                    units={f"u-{area}": area for area in self.votes},
                    source="s",
                    rule=self.rule,
                ),
            ),
        )

    def facts(self, reported: frozenset[str] | None = None, **also: Any) -> Facts:
        """The totals when these areas (None: all) are in, each with twice as many invalid ballots as areas."""
        plan = Plan(self.definition(), "0" * 64).contests["c"]
        totals: dict[tuple[str, str], Row] = {}
        whole: Row = (0,) * plan.width
        for area, votes in self.votes.items():
            if reported is not None and area not in reported:
                continue
            valid = sum(votes.values()) // self.marks
            row = (*complete(self.roll(area)), valid + 2, valid, *votes.values())
            totals["c", area] = row
            whole = plus(whole, row)
        return Facts(totals={**totals, ("c", WHOLE): whole}, **also)

    def outcome(self, reported: frozenset[str] | None = None, **also: Any) -> ContestOutcome:
        """What the rule makes of them."""
        plan = Plan(self.definition(), "0" * 64)
        contest = plan.contests["c"]
        return Outcomes(plan, contest, expectations(plan, contest)).outcome(
            self.facts(reported, **also), issued_by_area(also.get("asides", ()))
        )

    def shown(self, reported: frozenset[str] | None = None, **also: Any) -> dict[str, Any]:
        """The contest's document."""
        deriver = Deriver(Plan(self.definition(), "0" * 64))
        made: dict[str, Any] = deriver.documents(deriver.all_places(), self.facts(reported, **also), release=True)[
            contest_name("c")
        ]
        return made


def now(outcome: ContestOutcome) -> dict[str, int]:
    """Seats as counted, without those who have none."""
    return {name: seat.now for name, seat in outcome.seats.items() if seat.now}


def ranges(outcome: ContestOutcome) -> dict[str, tuple[int, int]]:
    """Certain minimum and possible maximum."""
    return {name: (seat.certain_min, seat.certain_max) for name, seat in outcome.seats.items()}
