"""Winners and what is outstanding against every set of further ballots. Seeds name the cases."""

import random
from collections.abc import Sequence

import pytest

from tallyroom.bounds.flips import NEVER
from tallyroom.bounds.outstanding import PoolFigures, outstanding, unit_room
from tallyroom.bounds.winner import Place, TopBound, plurality, top
from tests.support.outcomes import arrivals, elections, first, place

pytestmark = pytest.mark.parametrize(
    ("seed", "cases"), [(1, 300), pytest.param(2023, 4_500, marks=pytest.mark.slow)], ids=["few", "thousands"]
)


def drawn(chance: random.Random, least: int = 1) -> list[int]:
    """Counts that lean to ties and zeroes."""
    highest = chance.choice((1, 3, 6, 10))
    return [chance.choice((0, highest, chance.randint(0, highest))) for _ in range(chance.randint(least, 4))]


def named(counts: Sequence[int]) -> dict[str, int]:
    """By name."""
    return {str(name): count for name, count in enumerate(counts)}


def test_a_winner_is_sure_when_every_arrival_leaves_it_alone_in_front(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        counts, out = drawn(chance), chance.randint(0, 5)
        bound = plurality(named(counts), out)
        assert bound.leaders == tuple(str(name) for name, count in enumerate(counts) if count == max(counts))
        leader = int(bound.leaders[0])
        ends = (
            [count + more for count, more in zip(counts, added, strict=True)] for added in arrivals(out, len(counts))
        )
        assert bound.sure is all(place(end, leader, 1) == "in" for end in ends), (counts, out)
        assert not plurality(named([*counts, 0]), None).sure


def test_margins_are_the_smallest_numbers_to_a_tie_and_to_a_defeat(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        counts = sorted(drawn(chance, least=2), reverse=True)
        bound = plurality(named(counts), 0)
        lead, second, rest = counts[0], counts[1], counts[2:]
        for change, worse in ((bound.to_tie, ("lots", "out")), (bound.to_lose, ("out",))):
            new = first(range(99), (place([lead, second + n, *rest], 0, 1) in worse for n in range(99)))
            own = range(lead + 1)
            struck = first(own, (place([lead - n, second, *rest], 0, 1) in worse for n in own))
            moved = first(own, (place([lead - n, second + n, *rest], 0, 1) in worse for n in own))
            assert (change.new_votes, change.struck_off, change.moved) == (new, struck, moved), counts


def test_a_seat_among_the_top_is_sure_when_every_set_of_ballots_leaves_it(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        counts, seats, marks, out = drawn(chance), chance.randint(1, 3), chance.randint(1, 3), chance.randint(0, 3)
        found = top(named(counts), seats, out, marks)
        ends = list(elections(counts, out, marks))
        for name in range(len(counts)):
            places = {place(end, name, seats) for end in ends}
            bound = found[str(name)]
            told = (counts, seats, marks, out, name)
            assert bound.place == place(counts, name, seats), told
            assert (bound.sure_in, bound.sure_out) == (places == {"in"}, places == {"out"}), told


def shifts(counts: Sequence[int], name: int, taken: int, inward: bool) -> list[list[int]]:
    """All ways to move ``taken`` votes from one candidate to the others, or from the others to it."""
    sign = 1 if inward else -1
    return [
        [
            count + sign * taken if at == name else count - sign * (*added[:name], 0, *added[name:])[at]
            for at, count in enumerate(counts)
        ]
        for added in arrivals(taken, len(counts) - 1)
        if sum(added) == taken
    ]


def smallest(counts: Sequence[int], name: int, seats: int, inward: bool) -> tuple[int | None, int | None]:
    """Fewest votes struck off, and fewest moved, that change the place of the candidate."""
    was = place(counts, name, seats)
    enough = range(sum(counts) + 1)
    struck = first(
        enough,
        (
            any(
                place([*end[:name], counts[name], *end[name + 1 :]] if inward else end, name, seats) != was
                for end in (shifts(counts, name, n, True) if inward else [_less(counts, name, n)])
                if min(end) >= 0
            )
            for n in enough
        ),
    )
    moved = first(
        enough,
        (
            any(place(end, name, seats) != was for end in shifts(counts, name, n, inward) if min(end) >= 0)
            for n in enough
        ),
    )
    return struck, moved


def _less(counts: Sequence[int], name: int, fewer: int) -> list[int]:
    return [count - fewer if at == name else count for at, count in enumerate(counts)]


def test_flips_among_the_top_are_the_smallest_numbers(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        counts, seats, marks = drawn(chance, least=2), chance.randint(1, 2), chance.randint(1, 2)
        for name, bound in top(named(counts), seats, 0, marks).items():
            if bound.place is Place.LOTS or len(counts) <= seats:
                assert bound.flips == NEVER
            else:
                _check_flips(counts, int(name), seats, marks, bound)


def _check_flips(counts: list[int], name: int, seats: int, marks: int, bound: TopBound) -> None:
    was = place(counts, name, seats)
    told = (counts, name, seats, marks)
    struck, moved = smallest(counts, name, seats, inward=was == "out")
    assert (bound.flips.struck_off, bound.flips.moved) == (struck, moved), told
    if bound.flips.new_votes is not None and bound.flips.new_votes <= 4:
        fewest = first(
            range(5), (any(place(end, name, seats) != was for end in elections(counts, n, marks)) for n in range(5))
        )
        assert bound.flips.new_votes == fewest, told


def test_no_more_ballots_come_than_the_pool_can_still_bring(seed: int, cases: int) -> None:
    """Nights of a few units: voters of each roll, voters added, ballots from other rolls, none of them twice."""
    chance = random.Random(seed)
    for _ in range(cases):
        rolls = [chance.randint(0, 6) for _ in range(chance.randint(1, 4))]
        added, away = chance.randint(0, 2), chance.randint(0, 2)
        final = [chance.randint(chance.choice((0, roll)), roll) for roll in rolls]
        for _ in range(chance.randint(0, added)):
            final[chance.randrange(len(rolls))] += 1
        for _ in range(chance.randint(0, away)):  # stays at home, votes elsewhere
            home, other = chance.randrange(len(rolls)), chance.randrange(len(rolls))
            if final[home]:
                final[home] -= 1
                final[other] += 1
        still = [chance.random() < 0.5 for _ in rolls]
        so_far = [chance.randint(0, ends) if is_open else ends for ends, is_open in zip(final, still, strict=True)]
        rooms = [
            unit_room(roll, have) or 0 for roll, have, is_open in zip(rolls, so_far, still, strict=True) if is_open
        ]
        bound = outstanding(
            PoolFigures(
                in_totals=sum(so_far),
                open_units=sum(still),
                open_room=sum(rooms),
                registered=sum(rolls),
                may_be_added=added,
                may_vote_away=away,
                issued=sum(final),
            )
        )
        comes = sum(final) - sum(so_far)
        told = (rolls, added, away, final, so_far, still)
        assert bound.register is not None, told
        assert bound.issued is not None, told
        assert comes <= bound.issued <= bound.register, told
