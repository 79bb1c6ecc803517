"""Every way that outstanding ballots can fall, tried one by one: what bounds are held against. Slow, simple and on its own:
nothing here is imported from what it checks.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, combinations_with_replacement
from math import lcm
from typing import Final

SHARES: Final = tuple(map(Fraction, ("0", "1/20", "1/10", "1/8", "1/6", "1/5", "1/4", "1/3", "2/5", "1/2")))


@cache
def arrivals(votes: int, places: int) -> tuple[tuple[int, ...], ...]:
    """All ways to add at most ``votes`` votes in ``places`` places."""
    if not places:
        return ((),)
    return tuple((first, *rest) for first in range(votes + 1) for rest in arrivals(votes - first, places - 1))


def passes(count: int, base: int, share: Fraction, strict: bool) -> bool:
    """The threshold as a law says it; without a single vote there is no share."""
    if not base and share:
        return False
    return count > share * base if strict else count >= share * base


def dhondt(counts: Sequence[int], seats: int, favoured: int, for_it: bool) -> int:
    """Seats of the favoured one when all its ties go for or against it: the highest quotients, listed and sorted."""
    scale = lcm(*range(1, seats + 1))
    quotients = [
        (-count * scale // divisor, (number != favoured) is for_it, number)
        for number, count in enumerate(counts)
        for divisor in range(1, seats + 1)
    ]
    return sum(number == favoured for _, _, number in sorted(quotients)[:seats])


def hare(counts: Sequence[int], seats: int, favoured: int, for_it: bool) -> int:
    """The same by largest remainders; nobody is owed anything when there is not one vote."""
    total = sum(counts)
    if not total:
        return seats if for_it else 0
    whole = [seats * count // total for count in counts]
    order = sorted(
        (-(seats * count % total), (number != favoured) is for_it, number) for number, count in enumerate(counts)
    )
    more = {number for _, _, number in order[: seats - sum(whole)]}
    return whole[favoured] + (favoured in more)


METHODS: Final = {"dhondt": dhondt, "hare": hare}


@dataclass(frozen=True, slots=True)
class Case:
    """A small race: ``beside`` votes in the base are for none of the lists."""

    method: str
    seats: int
    counts: tuple[int, ...]
    beside: int
    outstanding: int
    share: Fraction
    strict: bool

    @property
    def base(self) -> int:
        """V."""
        return sum(self.counts) + self.beside


def case(chance: random.Random, method: str) -> Case:
    """A small race that leans to ties, zeroes and thresholds near the counts."""
    lists = chance.choice((2, 3, 3, 4))
    top = chance.choice((2, 4, 8, 13, 25))
    return Case(
        method=method,
        seats=chance.randint(1, 8),
        counts=tuple(chance.choice((0, top, chance.randint(0, top), chance.randint(0, top))) for _ in range(lists)),
        beside=chance.choice((0, 0, 1, 4)),
        outstanding=chance.choice((0, 1, 2, 3, 4, 5) if lists < 4 else (0, 1, 2, 3, 4)),
        share=chance.choice(SHARES[:9]),
        strict=chance.random() < 0.25,
    )


def crowded(chance: random.Random, method: str) -> Case:
    """One strong list and seven around the threshold."""
    share = Fraction(1, chance.choice((12, 16, 20)))
    strong = chance.randint(12, 30)
    return Case(
        method=method,
        seats=chance.randint(1, 8),
        counts=(strong, *(chance.choice((0, 0, 1, 1, 1, 2)) for _ in range(7))),
        beside=chance.randint(0, 3),
        outstanding=chance.choice((2, 3, 3)),
        share=share,
        strict=chance.random() < 0.25,
    )


def seat_outcomes(race: Case) -> list[tuple[int, int]]:
    """Per list the fewest and the most seats over every arrival and every fall of lots."""
    ends = set()
    for added in arrivals(race.outstanding, len(race.counts) + 1):
        base = race.base + sum(added)
        final = [count + more for count, more in zip(race.counts, added, strict=False)]
        ends.add(tuple(count if passes(count, base, race.share, race.strict) else -1 for count in final))
    fewest, most = [race.seats] * len(race.counts), [0] * len(race.counts)
    for end in ends:
        admitted = [count for count in end if count >= 0]
        at = 0
        for name, count in enumerate(end):
            if count < 0:
                fewest[name] = 0
                continue
            fewest[name] = min(fewest[name], METHODS[race.method](admitted, race.seats, at, False))
            most[name] = max(most[name], METHODS[race.method](admitted, race.seats, at, True))
            at += 1
    return list(zip(fewest, most, strict=True))


def ballots(candidates: int, marks: int) -> tuple[tuple[int, ...], ...]:
    """Every ballot of up to ``marks`` different candidates, the empty one included."""
    return tuple(chosen for number in range(marks + 1) for chosen in combinations(range(candidates), number))


def elections(counts: Sequence[int], outstanding: int, marks: int) -> Iterator[list[int]]:
    """Final counts for every set of further ballots, ballot by ballot."""
    for cast in combinations_with_replacement(ballots(len(counts), marks), outstanding):
        final = list(counts)
        for ballot in cast:
            for candidate in ballot:
                final[candidate] += 1
        yield final


def place(counts: Sequence[int], name: int, seats: int) -> str:
    """in, lots or out."""
    above = sum(count > counts[name] for count in counts)
    equal = sum(count == counts[name] for count in counts)
    if above + equal <= seats:
        return "in"
    return "lots" if above < seats else "out"


def first(numbers: Iterable[int], holds: Iterable[bool]) -> int | None:
    """The first number for which it holds."""
    return next((number for number, held in zip(numbers, holds, strict=True) if held), None)
