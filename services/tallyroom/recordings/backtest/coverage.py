"""How often a projection's interval held the end: on a night as it arrived, and in drawn orders of its units."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from tallyroom.recordings.backtest.orders import last_rows
from tallyroom.recordings.backtest.timeline import Timeline
from tallyroom.recordings.format import Recording
from tallyroom.results.projection import Projector
from tallyroom.results.register import expectations
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import Row, plus

STOPS: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.97)
"""Shares of the units at which a night is looked at."""
LEAST_SHARE: Final = 0.01
"""Selections below it at the end are left out: an interval around nothing holds too easily."""
ORDERS: Final = ("random", "by area", "small first")

Place = tuple[str, str, float]
"""(contest, order, share of the units in)."""


@dataclass(slots=True)
class Coverage:
    """By (contest, order, stop): intervals that were ``asked`` for and that ``held`` the end; ``nothing``: times without any.

    ``width`` and ``error``: sums of the intervals' widths and of the distance of the projected share from the end.
    """

    asked: Counter[Place] = field(default_factory=Counter)
    held: Counter[Place] = field(default_factory=Counter)
    nothing: Counter[Place] = field(default_factory=Counter)
    width: defaultdict[Place, float] = field(default_factory=lambda: defaultdict(float))
    error: defaultdict[Place, float] = field(default_factory=lambda: defaultdict(float))

    def compare(self, place: Place, projected: Mapping[str, Any] | None, ends: Mapping[str, float]) -> None:
        """One projection against the shares at the end."""
        if projected is None:
            self.nothing[place] += 1
            return
        for name, end in ends.items():
            one = projected["selections"][name]
            lower, upper = float(one["lower"]), float(one["upper"])
            self.asked[place] += 1
            self.held[place] += lower - 0.00005 <= end <= upper + 0.00005  # both are shown with four digits
            self.width[place] += upper - lower
            self.error[place] += abs(float(one["share"]) - end)

    def lines(self) -> Iterator[tuple[str, str, float, int, int, float, float]]:
        """(contest, order, stop, asked, held, mean half width, mean error) wherever there was a projection."""
        for contest, order, stop in sorted(self.asked):
            place = (contest, order, stop)
            asked = self.asked[place]
            yield *place, asked, self.held[place], self.width[place] / asked / 2, self.error[place] / asked

    def rate(self, order: str | None = None) -> float:
        """Share of all intervals that held, in one order or in all."""
        asked = sum(number for place, number in self.asked.items() if order in (None, place[1]))
        return sum(number for place, number in self.held.items() if order in (None, place[1])) / max(1, asked)


def coverage(recording: Recording, orders: int, seed: int) -> Coverage:
    """The night as it arrived and ``orders`` drawn orders of each kind. Raises RecordingError if it cannot be read."""
    found = Coverage()
    plan = _as_it_came(recording, found)
    timeline = Timeline(recording)
    for _ in timeline.steps():
        pass
    for name, contest in plan.contests.items():
        drawn = _Drawn(plan, contest, last_rows(plan, name, timeline.fold.units()))
        for kind in ORDERS:
            chance = random.Random(f"{seed}/{name}/{kind}")  # not for secrets: equal seeds must draw equal orders
            for _ in range(orders):
                drawn.play(kind, chance, found)
    return found


def _as_it_came(recording: Recording, found: Coverage) -> Plan:
    """Look at every contest whenever another stop is passed, by units that have reported."""
    timeline = Timeline(recording)
    looks: list[tuple[str, float, dict[str, Any] | None]] = []
    passed: dict[str, int] = {}
    for step in timeline.steps():
        for name in step.changed:
            contest = step.plan.contests[name]
            row_of = _rows(contest, timeline.totals)
            share = row_of(contest.root)[0] / max(1, len(contest.contest.units))
            stop = sum(share >= one for one in STOPS)
            if stop > passed.get(name, 0):
                passed[name] = stop
                looks.append((name, STOPS[stop - 1], _project(step.plan, contest, row_of)))
    for name, at, projected in looks:
        contest = timeline.fold.plan.contests[name]
        found.compare(
            (name, "as it came", at), projected, _shares(contest, _rows(contest, timeline.totals)(contest.root))
        )
    return timeline.fold.plan


def _project(plan: Plan, contest: ContestPlan, row_of: Callable[[str], Row]) -> dict[str, Any] | None:
    return Projector(contest, expectations(plan, contest)).project(row_of)


def _rows(contest: ContestPlan, totals: Mapping[tuple[str, str], Row]) -> Callable[[str], Row]:
    nothing = (0,) * contest.width
    return lambda area: totals.get((contest.id, area), nothing)


def _shares(contest: ContestPlan, row: Row) -> dict[str, float]:
    votes = {name: row[contest.column(name)] for name in contest.summed}
    base = sum(votes.values())
    return {name: count / base for name, count in votes.items() if base and count >= LEAST_SHARE * base}


class _Drawn:
    """One contest's last rows, to be put into another order."""

    def __init__(self, plan: Plan, contest: ContestPlan, rows: Mapping[str, Sequence[Row]]) -> None:
        self._contest = contest
        self._units = [(area, row) for area, listed in rows.items() for row in listed]
        self._projector = Projector(contest, expectations(plan, contest))
        self._ancestry = {area: tuple(contest.ancestry(area)) for area in rows}
        self._ends = _shares(contest, self._sum(range(len(self._units)), {})[contest.root]) if self._units else {}
        self._weight = [sum(row[contest.column(name)] for name in contest.summed) for _, row in self._units]

    def play(self, kind: str, chance: random.Random, found: Coverage) -> None:
        """One order, looked at at every stop."""
        order = list(self._order(kind, chance))
        totals: dict[str, Row] = {}
        nothing = (0,) * self._contest.width
        edges = [0, *(round(stop * len(order)) for stop in STOPS)]
        for (start, end), stop in zip(pairwise(edges), STOPS, strict=True):
            totals = self._sum(order[start:end], totals)
            projected = self._projector.project(lambda area, now=totals: now.get(area, nothing))  # type: ignore[misc]
            found.compare((self._contest.id, kind, stop), projected, self._ends)

    def _order(self, kind: str, chance: random.Random) -> Iterator[int]:
        """Units at random; whole areas one after the other; or small units first, half by rank and half by chance."""
        units = list(range(len(self._units)))
        chance.shuffle(units)
        if kind == "by area":
            areas = list(self._ancestry)
            chance.shuffle(areas)
            place = {area: number for number, area in enumerate(areas)}
            units.sort(key=lambda unit: place[self._units[unit][0]])
        elif kind == "small first":
            count = len(units)
            rank = {unit: number for number, unit in enumerate(sorted(units, key=self._weight.__getitem__))}
            units.sort(key=lambda unit: rank[unit] / count + chance.random())
        return iter(units)

    def _sum(self, units: Sequence[int], totals: Mapping[str, Row]) -> dict[str, Row]:
        """Totals of every area after these units."""
        own: dict[str, list[Row]] = {}
        for unit in units:
            area, row = self._units[unit]
            own.setdefault(area, []).append(row)
        made = dict(totals)
        for area, rows in own.items():
            added = tuple(map(sum, zip(*rows, strict=True)))
            for above in self._ancestry[area]:
                made[above] = plus(made[above], added) if above in made else added
        return made
