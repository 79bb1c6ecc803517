"""How many ballots may still come in an area of a contest: voter pools of the definition, rows of totals, bulletins.

docs/bounds.md says what is claimed. What the cells cannot say exactly is taken too large, never too small: a closed unit that
reported nothing keeps its register in the room of its area.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tallyroom.bounds.outstanding import UNKNOWN, Outstanding, PoolFigures, outstanding, together
from tallyroom.domain.election import UnitKind, VoterPool
from tallyroom.results.facts import Facts
from tallyroom.results.outcome.figures import ballots_in
from tallyroom.results.register import Expectation
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import Column, Row

Issued = Mapping[tuple[str | None, str], tuple[datetime, int]]
"""(contest or None: every contest, area) -> the newest number of ballots declared as issued, with its time."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """A pool within a contest. ``areas``: disjoint ones that hold its units alone; ``closed_at``: its last domestic closing.

    ``unlisted``: most of its voters who may stand on a roll that the definition does not give; None: nobody knows.
    """

    pool: VoterPool
    areas: tuple[str, ...]
    closed_at: datetime | None
    unlisted: int | None


@dataclass(frozen=True, slots=True)
class Levels:
    """O of an area at each level (None: no hard bound), and an estimate of what will come, which decides nothing."""

    bound: Outstanding
    expected: int | None
    declared: bool = False  # whether ballots issued were declared at all; without, the level says what the rolls say

    @property
    def best(self) -> int | None:
        """The smallest hard bound."""
        known = [level for level in (self.bound.register, self.bound.issued) if level is not None]
        return min(known, default=None)

    @property
    def by(self) -> str | None:
        """The level that the smallest bound comes from: ``register`` where the bulletins say no more than the rolls."""
        if self.best is None:
            return None
        return "register" if self.bound.register == self.best else "issued"


class PoolsOf:
    """Where the voter pools of a contest lie in its area tree; made once per definition."""

    def __init__(self, plan: Plan, contest: ContestPlan, expected: Mapping[str, Expectation]) -> None:
        self._contest = contest
        self._expected = expected
        self._under = _pools_under(plan, contest)
        self._pools = {place.pool.id: place for place in _located(plan, contest, self._under)}

    def levels(self, area: str, facts: Facts, issued: Issued) -> Levels:
        """What is outstanding in the area, given the newest declared ballots issued by area (`issued_by_area`)."""
        row = self._row(area, facts)
        if not self._open([area], facts):
            return Levels(outstanding(PoolFigures(in_totals=0, open_units=0)), 0)
        parts = [self._part(pool, area, facts, issued) for pool in self._under[area]]
        declared = any(_issued(place, self._contest.id, issued) is not None for place in self._pools.values())
        return Levels(together(parts), _expected_ballots(self._contest, row, self._expected[area]), declared)

    def _part(self, identifier: str | None, area: str, facts: Facts, issued: Issued) -> Outstanding:
        """O of what lies in the area of one pool; units that belong to no pool, or mix with another's, have no bound."""
        place = self._pools.get(identifier or "")
        if place is None:
            return UNKNOWN
        within = set(self._contest.ancestry(area)) & set(place.areas)
        here = (area,) if within else tuple(part for part in place.areas if area in self._contest.ancestry(part))
        return outstanding(
            PoolFigures(
                in_totals=sum(ballots_in(self._contest, self._row(part, facts)) for part in place.areas),
                open_units=self._open(here, facts),
                open_room=self._room(place, here, facts),
                registered=place.pool.registered,
                may_be_added=place.pool.may_be_added,
                may_vote_away=place.pool.may_vote_away,
                issued=_issued(place, self._contest.id, issued),
            )
        )

    def _open(self, areas: Iterable[str], facts: Facts) -> int:
        """Units neither complete nor closed."""
        return sum(self._expected[area].units - _settled(self._row(area, facts)) for area in areas)

    def _room(self, place: _Pool, areas: Sequence[str], facts: Facts) -> int | None:
        """Voters of open units without a ballot in the totals; None where nobody knows how many an open unit has.

        To open units without a roll come at most those of the pool's voters who stand on no other (docs/bounds.md), whatever
        register a first part of such a unit or a held report names.
        A unit that is counted by group is open until all groups are in, while its register comes with the first one: there the
        cells cannot tell.
        """
        if self._contest.contest.count_groups:
            return None
        total = 0
        if any(self._without_roll(area, facts) for area in areas):
            if place.unlisted is None:
                return None
            total = place.unlisted
        for area in areas:
            expected, row = self._expected[area], self._row(area, facts)
            away = Column.REGISTERED_COMPLETE, Column.REGISTERED_PARTIAL, Column.REGISTERED_APART
            unheard = expected.registered + row[Column.REGISTERED_CHANGE] - sum(row[column] for column in away)
            total += max(0, unheard) + row[Column.PARTIAL_ROOM]
        return total

    def _without_roll(self, area: str, facts: Facts) -> int:
        """Open units to which the definition gives no roll."""
        return self._expected[area].without_register - self._row(area, facts)[Column.SETTLED_WITHOUT_ROLL]

    def _row(self, area: str, facts: Facts) -> Row:
        return facts.totals.get((self._contest.id, area), (0,) * self._contest.width)


def issued_by_area(asides: Iterable[Mapping[str, Any]]) -> Issued:
    """The newest bulletins of ballots issued: highest time, then highest version."""
    newest: dict[tuple[str | None, str], tuple[datetime, int, int]] = {}
    for event in asides:
        if event["type"] != "participation" or event["measure"] != "issued" or event.get("ballots") is None:
            continue
        if event.get("area") is not None:
            place = event.get("contest"), event["area"]
            found = (datetime.fromisoformat(event["as_of"]), event.get("version", 1), event["ballots"])
            newest[place] = max(newest.get(place, found), found)
    return {place: (at, ballots) for place, (at, _, ballots) in newest.items()}


def _issued(place: _Pool, contest: str, issued: Issued) -> int | None:
    """Ballots issued in the whole pool. A bulletin from before the polls closed is no cap on what was issued after it."""
    total = 0
    for area in place.areas:
        bulletin = max(filter(None, (issued.get((contest, area)), issued.get((None, area)))), default=None)
        if bulletin is None or place.closed_at is None or bulletin[0] < place.closed_at:
            return None
        total += bulletin[1]
    return total


def _settled(row: Row) -> int:
    return row[Column.COMPLETE] + row[Column.ANNULLED] + row[Column.NOT_OPENED] + row[Column.CANCELLED]


def _expected_ballots(contest: ContestPlan, row: Row, expected: Expectation) -> int | None:
    """Voters of units that are not in, at the turnout of those that are: an estimate."""
    reported = row[Column.REGISTERED_COMPLETE] + row[Column.REGISTERED_PARTIAL]
    if not reported or contest.cast_at is None:
        return None
    known = expected.registered + row[Column.REGISTERED_CHANGE] - row[Column.REGISTERED_APART]
    return max(0, known - reported) * ballots_in(contest, row) // reported


def _pools_under(plan: Plan, contest: ContestPlan) -> dict[str, tuple[str | None, ...]]:
    """Area -> the pools of all units in and under it, each once; None stands for units without a pool."""
    found: dict[str, dict[str | None, None]] = {area: {} for area in contest.contest.areas}
    for unit, area in contest.contest.units.items():
        pool = plan.units[unit].pool  # of closed units too: their ballots stay in the totals
        for above in contest.ancestry(area):
            found[above][pool] = None
    return {area: tuple(pools) for area, pools in found.items()}


def _located(plan: Plan, contest: ContestPlan, under: Mapping[str, tuple[str | None, ...]]) -> Iterator[_Pool]:
    """Pools whose units can be told from others by area: every area with units of its own has those of one pool alone."""
    mixed: set[str | None] = set()
    listed = _listed(plan)
    closing: dict[str, datetime] = {}
    for unit, area in contest.contest.units.items():
        pool = plan.units[unit].pool
        if len(under[area]) > 1:
            mixed.add(pool)
        closes = plan.units[unit].closes_at
        if pool is not None and closes is not None and plan.units[unit].kind is not UnitKind.OVERSEAS:
            closing[pool] = max(closing.get(pool, closes), closes)
    for known in plan.definition.pools:
        if known.id in mixed:
            continue
        areas = tuple(
            area
            for area, parent in contest.contest.areas.items()
            if under[area] == (known.id,) and (parent is None or under[parent] != (known.id,))
        )
        if areas:
            unlisted = None if known.registered is None else known.registered - listed.get(known.id, 0)
            contradicted = unlisted is not None and unlisted < 0  # the rolls hold more than the pool's register
            yield _Pool(known, areas, closing.get(known.id), None if contradicted else unlisted)


def _listed(plan: Plan) -> dict[str | None, int]:
    """Voters on the rolls of each pool's units. The voters of a closed one may stand on another's by now: they count as on none."""
    closed = {unit for contest in plan.contests.values() for unit in contest.contest.closed_units}
    found: dict[str | None, int] = {}
    for identifier, unit in plan.units.items():
        if identifier not in closed:
            found[unit.pool] = found.get(unit.pool, 0) + (unit.registered or 0)
    return found
