"""The end of a recorded night in other orders of arrival: whatever is stated on the way must be what the end says.

Each unit comes with its last report, all at once; orders are drawn by unit, and every second one by area, so that whole areas
come together. Only the root's totals are summed: pools that lie in several areas of a contest have no bound here, and it says so.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from tallyroom.recordings.backtest.decisions import Judge, Value, stands
from tallyroom.recordings.backtest.timeline import Timeline
from tallyroom.recordings.format import Recording
from tallyroom.results.decided import Question, answers
from tallyroom.results.facts import Facts
from tallyroom.results.outcome.outstanding import issued_by_area
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Row
from tallyroom.tabulation.supersede import State, split

STOPS: Final = 12
"""Looks at each contest in each order: half of them anywhere, half among the last tenth of the units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Something decided that the end contradicts, with what finds it again."""

    contest: str
    question: Question
    stated: Value
    end: Value | None
    order: int
    units: int


@dataclass(slots=True)
class Tally:
    """``stated``: decided answers that were compared with the end; ``early``: those with a unit still out."""

    orders: int = 0
    looks: int = 0
    stated: int = 0
    early: int = 0
    wrong: tuple[Contradiction, ...] = ()


class _Columns:
    """The last rows of a contest's units, column by column; columns without any figure are left out of the sums."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        columns = list(zip(*rows, strict=True)) if rows else []
        self._used = [(index, column) for index, column in enumerate(columns) if any(column)]
        self._width = width

    def add(self, sums: list[int], units: Sequence[int]) -> None:
        """Add these units to the sums."""
        for index, column in self._used:
            sums[index] += sum(map(column.__getitem__, units))

    def nothing(self) -> list[int]:
        """Sums of no unit."""
        return [0] * self._width


def shuffled(recording: Recording, orders: int, seed: int, said: Callable[[str], None] = lambda _: None) -> Tally:
    """Play the night in so many drawn orders. Equal seeds draw equal orders. ``said`` hears of each contest that is done."""
    timeline = Timeline(recording)
    for _ in timeline.steps():
        pass
    judge, tally = Judge(timeline.fold.plan), Tally(orders=orders)
    states = timeline.fold.units()
    for contest in judge.contests:
        race = _Race(judge, contest, timeline.asides, last_rows(judge.plan, contest, states))
        chance = random.Random(f"{seed}/{contest}")  # not for secrets: the same seed must draw the same orders
        for number in range(orders):
            race.run(number, chance, tally)
        said(contest)
    return tally


def last_rows(plan: Plan, contest: str, states: Mapping[str, State]) -> dict[str, list[Row]]:
    """Rows of the contest's units by area, as the night left them."""
    found: dict[str, list[Row]] = {}
    for name, state in states.items():
        if name.partition("|")[0] == contest:
            leaf = plan.leaf_named(name)
            counters, figures = split(leaf, state)
            found.setdefault(leaf.area, []).append((*counters, *figures))
    return found


class _Race:
    """One contest over many orders."""

    def __init__(
        self, judge: Judge, contest: str, asides: Sequence[Mapping[str, Any]], rows: Mapping[str, list[Row]]
    ) -> None:
        self._judge, self._contest = judge, contest
        self._asides, self._issued = asides, issued_by_area(asides)
        self._root = judge.plan.contests[contest].root
        flat = [row for area in rows.values() for row in area]
        self._columns = _Columns(flat, judge.plan.contests[contest].width)
        self._areas: list[list[int]] = []
        for area in rows.values():
            start = sum(map(len, self._areas))
            self._areas.append(list(range(start, start + len(area))))
        self._ends: dict[Question, Value | None] = stands(self._look(self._sums(range(len(flat)))))

    def run(self, number: int, chance: random.Random, tally: Tally) -> None:
        """One order: look at some stops and compare what is decided there with the end."""
        order = self._order(number, chance)
        sums = self._columns.nothing()
        for start, stop in pairwise([0, *self._stops(len(order), chance)]):
            self._columns.add(sums, order[start:stop])
            tally.looks += 1
            for question, answer in answers(self._look(sums)).items():
                tally.stated += 1
                tally.early += stop < len(order)
                if answer.value != self._ends[question]:
                    tally.wrong += (self._wrong(question, answer.value, number, stop),)

    def _order(self, number: int, chance: random.Random) -> list[int]:
        areas = [list(area) for area in self._areas]
        if number % 2:
            chance.shuffle(areas)
            for area in areas:
                chance.shuffle(area)
        order = [unit for area in areas for unit in area]
        if number % 2 == 0:
            chance.shuffle(order)
        return order

    @staticmethod
    def _stops(units: int, chance: random.Random) -> list[int]:
        if units <= STOPS:
            return list(range(1, units + 1))
        late = range(max(1, units - max(STOPS, units // 10)), units)
        anywhere = (chance.randrange(1, units) for _ in range(STOPS // 2))
        return sorted({*anywhere, *(chance.choice(late) for _ in range(STOPS // 2)), units})

    def _sums(self, units: Sequence[int]) -> list[int]:
        sums = self._columns.nothing()
        self._columns.add(sums, units)
        return sums

    def _look(self, sums: Sequence[int]) -> dict[str, Any]:
        facts = Facts(totals={(self._contest, self._root): tuple(sums)}, asides=self._asides)
        return self._judge.document(self._contest, facts, self._issued)

    def _wrong(self, question: Question, stated: Value, number: int, units: int) -> Contradiction:
        return Contradiction(
            contest=self._contest,
            question=question,
            stated=stated,
            end=self._ends[question],
            order=number,
            units=units,
        )


def contradictions(tally: Tally) -> Iterator[str]:
    """What was wrong, in words."""
    for one in tally.wrong:
        name = one.question.kind + (f" of {one.question.selection}" if one.question.selection else "")
        yield f"{one.contest}: {name} stated {one.stated}, ended {one.end} (order {one.order}, {one.units} units in)"
