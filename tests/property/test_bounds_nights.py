"""Whole made-up nights in random order: no bound that was stated on the way contradicts the end. Seeds name the cases."""

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import pytest

from tallyroom.bounds.outstanding import PoolFigures, outstanding, unit_room
from tallyroom.bounds.seats import ListRace, seat_ranges
from tallyroom.bounds.threshold import Line, State, entering, threshold
from tallyroom.bounds.winner import plurality

FIVE: Final = Line(Fraction(1, 20))
SEATS: Final = 69
LISTS: Final = ("a", "b", "c", "d", "e")
Unit = tuple[int, tuple[int, ...]]
"""Roll, and the final counts of the lists, of votes against all and of invalid ballots."""


def night(chance: random.Random) -> list[Unit]:
    """Units whose lists stand around 5 % and close to each other."""
    weights = [chance.choice((30, 28, 6, 5.3, 5)) for _ in LISTS] + [4, 2]
    units = []
    for _ in range(40):
        roll = chance.randint(1, 400)
        cast = chance.choices(range(len(weights)), weights, k=chance.randint(roll // 3, roll))
        units.append((roll, tuple(cast.count(choice) for choice in range(len(weights)))))
    return units


def summed(units: Sequence[Unit]) -> list[int]:
    """Votes by choice."""
    return [sum(counts[choice] for _, counts in units) for choice in range(len(LISTS) + 2)]


def outstanding_after(units: Sequence[Unit], done: int) -> int:
    """O by register when the first ``done`` units are in."""
    room = sum(unit_room(roll, 0) or 0 for roll, _ in units[done:])
    figures = PoolFigures(
        in_totals=sum(summed(units[:done])),
        open_units=len(units) - done,
        open_room=room,
        registered=sum(roll for roll, _ in units),
        may_be_added=0,
        may_vote_away=0,
    )
    bound = outstanding(figures).register
    assert bound is not None
    return bound


def race_after(units: Sequence[Unit], done: int, method: str) -> ListRace:
    """The race as it stands then; invalid ballots are not in the base."""
    votes = summed(units[:done])
    counts = dict(zip(LISTS, votes, strict=False))
    out = outstanding_after(units, done)
    return ListRace(method=method, seats=SEATS, counts=counts, base=sum(votes[:-1]), outstanding=out, line=FIVE)


@pytest.mark.parametrize("seed", [20, pytest.param(98, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_no_night_contradicts_what_was_stated_on_its_way(method: str, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(10 if seed == 20 else 150):
        units = night(chance)
        last = race_after(units, len(units), method)
        end = seat_ranges(last)
        assert end is not None
        over = [name for name in LISTS if FIVE.passed(last.counts[name], last.base)]
        winner = plurality(last.counts, 0).leaders
        for done in range(0, len(units), 3):
            race = race_after(units, done, method)
            ranges = seat_ranges(race)
            assert ranges is not None
            for name in LISTS:
                assert ranges[name].minimum <= end[name].minimum, (units, done)
                assert end[name].maximum <= ranges[name].maximum, (units, done)
                state = threshold(FIVE, race.counts[name], race.base, race.outstanding).state
                assert state is State.OPEN or (state is State.DECIDED_ABOVE) == (name in over), (units, done)
            number = entering(FIVE, race.counts.values(), race.base, race.outstanding)
            assert number.minimum <= len(over) <= number.maximum, (units, done)
            now = plurality(race.counts, race.outstanding)
            assert not now.sure or now.leaders == winner, (units, done)
