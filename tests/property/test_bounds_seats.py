"""List seats that are certain or possible, against every way the outstanding votes can fall. Seeds name the cases."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tallyroom.bounds.seats import MOST_OPEN, ListRace, seat_ranges
from tallyroom.bounds.threshold import Between, Line
from tests.support.outcomes import Case, case, crowded, seat_outcomes


@dataclass
class Measured:
    """Cases, lists in them, ranges that were exact at either end, and the widest miss in seats."""

    cases: int = 0
    lists: int = 0
    exact_cases_minimum: int = 0
    exact_cases_maximum: int = 0
    exact_minimum: int = 0
    exact_maximum: int = 0
    widest: int = 0
    unsound: list[tuple[Case, int, Between, tuple[int, int]]] = field(default_factory=list)

    def add(self, race: Case, claimed: list[Between], true: list[tuple[int, int]]) -> None:
        """One case."""
        self.cases += 1
        self.lists += len(claimed)
        below = [fewest - claim.minimum for claim, (fewest, _) in zip(claimed, true, strict=True)]
        above = [claim.maximum - most for claim, (_, most) in zip(claimed, true, strict=True)]
        self.exact_cases_minimum += not any(below)
        self.exact_cases_maximum += not any(above)
        self.exact_minimum += below.count(0)
        self.exact_maximum += above.count(0)
        self.widest = max(self.widest, *below, *above)
        for name, miss in enumerate(zip(below, above, strict=True)):
            if min(miss) < 0:
                self.unsound.append((race, name, claimed[name], true[name]))


def claimed(race: Case) -> list[Between]:
    """The ranges of a case."""
    ranges = seat_ranges(
        ListRace(
            method=race.method,
            seats=race.seats,
            counts={str(name): count for name, count in enumerate(race.counts)},
            base=race.base,
            outstanding=race.outstanding,
            line=Line(race.share, race.strict),
        )
    )
    assert ranges is not None
    return [ranges[str(name)] for name in range(len(race.counts))]


def measure(seed: int, cases: int, method: str, make: Callable[[random.Random, str], Case] = case) -> Measured:
    """Random cases against all their outcomes."""
    chance = random.Random(seed)
    measured = Measured()
    for _ in range(cases):
        race = make(chance, method)
        measured.add(race, claimed(race), seat_outcomes(race))
    return measured


def check(measured: Measured) -> None:
    """Nothing unsound, and useful: a bound of 0..M would be sound as well."""
    assert not measured.unsound
    assert measured.exact_minimum >= 0.98 * measured.lists
    assert measured.exact_maximum >= 0.98 * measured.lists


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_no_arrival_leaves_the_range(method: str, seed: int) -> None:
    check(measure(seed, 150, method))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2023, 319])
@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_no_arrival_leaves_the_range_in_thousands_of_cases(method: str, seed: int) -> None:
    check(measure(seed, 5_000, method))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_no_arrival_leaves_the_loose_range_in_hundreds_of_cases(method: str) -> None:
    assert not measure(98, 800, method, crowded).unsound


@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_no_arrival_leaves_the_loose_range_of_many_open_lists(method: str) -> None:
    measured = measure(7, 25, method, crowded)
    assert not measured.unsound


def test_many_open_lists_are_really_met() -> None:
    chance = random.Random(7)
    met = 0
    for race in (crowded(chance, "hare") for _ in range(25)):
        line = Line(race.share, race.strict)
        possible = [count for count in race.counts if line.possible(count, race.base, race.outstanding)]
        still = [count for count in possible if not line.sure(count, race.base, race.outstanding)]
        met += MOST_OPEN < len(still) < len(race.counts)  # and one is sure, so that its minimum says something
    assert met >= 5


@pytest.mark.parametrize("seed", [5])
@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_with_nothing_out_it_is_the_allocation_with_lots_for_and_against(method: str, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        drawn = case(chance, method)
        race = Case(method, drawn.seats, drawn.counts, drawn.beside, 0, drawn.share, drawn.strict)
        assert [(item.minimum, item.maximum) for item in claimed(race)] == seat_outcomes(race), race
