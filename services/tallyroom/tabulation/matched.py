"""Units that are in and were there last time: their votes now and then, summed by area, for swing that compares like with like.

Early returns are never like the whole; the same units are. Kept beside the totals because a publisher reads no unit: a row of
``(units, base then, base now, then, now, then, now ...)`` for each area of a contest whose definition has earlier results of units.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from tallyroom.domain.election import PreviousCounts
from tallyroom.tabulation.plan import ContestPlan, Leaf, Plan
from tallyroom.tabulation.rows import COUNTERS, Column, Row, minus, plus, widened
from tallyroom.tabulation.supersede import State, contribution

OWN: Final = 3
"""Columns before the selections': units, base then, base now."""

Place = tuple[str, str]
"""(contest, area)."""


class Matched:
    """Running sums over unit states, which are given one by one as they become the newest."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.cells: dict[Place, Row] = {}
        self._contests = {name: contest for name, contest in plan.contests.items() if has_units(contest)}
        self._states: dict[tuple[str, str], dict[str | None, State]] = {}
        self._rows: dict[tuple[str, str], tuple[str, Row]] = {}  # (contest, unit) -> where it counts, and what
        self._changed: set[Place] = set()

    def __bool__(self) -> bool:
        return bool(self._contests)

    def take(self, units: Iterable[tuple[str, State]]) -> None:
        """These are the newest states of their leaves (by name)."""
        for name, state in units:
            contest = self._contests.get(name.partition("|")[0])
            if contest is not None:
                leaf = self.plan.leaf_named(name)
                self._states.setdefault((contest.id, leaf.unit), {})[leaf.group] = state
                self._renew(contest, leaf)

    def changed(self) -> dict[Place, Row]:
        """Rows that are others than at the last call, whole."""
        places, self._changed = self._changed, set()
        return {place: self.cells[place] for place in places}

    def under(self, plan: Plan, units: Mapping[str, State]) -> "Matched":
        """The same by another definition; `changed` of it has every row that is another one than here."""
        made = Matched(plan)
        made.take(units.items())
        for place in self.cells.keys() - made.cells.keys():
            made.cells[place] = (0,) * width(plan.contests[place[0]])
        made._changed = {
            place for place, row in made.cells.items() if widened(self.cells.get(place, ()), len(row)) != row
        }
        return made

    def _renew(self, contest: ContestPlan, leaf: Leaf) -> None:
        known = contest.contest.previous.units.get(leaf.unit) if contest.contest.previous is not None else None
        if known is None:
            return
        key = (contest.id, leaf.unit)
        _, before = self._rows.get(key, (leaf.area, (0,) * width(contest)))
        now = _row(contest, self.plan, self._states[key], leaf, known)
        if now == before:
            return
        self._rows[key] = (leaf.area, now)
        for area in contest.ancestry(leaf.area):
            place = (contest.id, area)
            self.cells[place] = plus(self.cells.get(place, (0,) * width(contest)), minus(now, before))
            self._changed.add(place)


def has_units(contest: ContestPlan) -> bool:
    """Whether the definition has earlier results of the contest's units."""
    return contest.contest.previous is not None and bool(contest.contest.previous.units)


def width(contest: ContestPlan) -> int:
    """Length of the contest's rows. A selection added in mid-night appends two columns."""
    return OWN + 2 * len(contest.selections)


def _row(
    contest: ContestPlan, plan: Plan, states: Mapping[str | None, State], leaf: Leaf, known: PreviousCounts
) -> Row:
    """What the unit brings once all of it is in (every count group, every part); zeroes until then."""
    now: Row = (0,) * contest.width
    groups: tuple[str | None, ...] = contest.contest.count_groups or (None,)
    for group in groups:
        state, part = states.get(group), plan.leaf(contest, leaf.unit, group)
        row = None if state is None or part is None else contribution(part, state)
        if row is None or not row[Column.COMPLETE]:
            return (0,) * width(contest)
        now = plus(now, row)
    votes = now[COUNTERS + len(contest.measures) :]
    then = tuple(known.counts.get(name, 0) for name in contest.selections)
    base = known.base if known.base is not None else sum(known.counts.values())
    pairs = (value for pair in zip(then, votes, strict=True) for value in pair)
    return (1, base, contest.denominator(now), *pairs)
