"""Highest averages: each seat goes to the largest votes / divisor, the divisor growing with every seat won.

D'Hondt 1, 2, 3, ...: Netherlands, Kieswet Art. P 7; Spain, LOREG Art. 163 (V. D'Hondt, 1882).
Sainte-Laguë 1, 3, 5, ...: Germany, BWahlG § 6 (the "Schepers" rounding of the same method; A. Sainte-Laguë, 1910).
Modified, first divisor 1.4 (Sweden until 2014) or another (Sweden since: 1.2; Vallag, chapter 14).
"""

import heapq
from collections.abc import Callable, Mapping
from fractions import Fraction

from tallyroom.apportionment.model import Averages, RuleError, Shared, Tie

Divisor = Callable[[int], Fraction]
"""Seats already won -> divisor of the next seat."""


def divisors(method: str, first: Fraction) -> Divisor:
    """The divisor sequence of a method; ``first`` is used by the modified one alone.

    Raises RuleError on a first divisor that would make a second seat cheaper than the first.
    """
    if method == "dhondt":
        return lambda won: Fraction(won + 1)
    if method == "sainte-lague":
        return lambda won: Fraction(2 * won + 1)
    if not 0 < first < 3:
        raise RuleError(f"The first divisor {first} is not between 0 and 3.", "give one below the second divisor, 3")
    return lambda won: Fraction(2 * won + 1) if won else first


def highest_averages(divisor: Divisor, votes: Mapping[str, int], seats: int, caps: Mapping[str, int]) -> Shared:
    """``seats`` among selections that all have votes and room. A list that is full is passed over, and the seat goes on.

    Quotients that are equal at the last seat are a tie (Netherlands, Kieswet Art. P 7 (1): by lot).
    """
    given = dict.fromkeys(votes, 0)
    waiting = [(-count / divisor(0), name) for name, count in votes.items()]
    heapq.heapify(waiting)
    last: dict[str, Fraction | None] = dict.fromkeys(votes, None)
    award = Fraction(0)
    awarded = 0
    while awarded < seats and waiting:
        award, name = -waiting[0][0], waiting[0][1]
        given[name] += 1
        awarded += 1
        last[name] = award
        if given[name] < caps.get(name, seats):
            heapq.heapreplace(waiting, (-votes[name] / divisor(given[name]), name))
        else:
            heapq.heappop(waiting)
    tie = _tie_at(award, last, waiting, awarded) if awarded == seats else None
    if tie is not None:
        for name in tie.selections:
            if last[name] == award:
                given[name] -= 1
                last[name] = votes[name] / divisor(given[name] - 1) if given[name] else None
    following = {name: votes[name] / divisor(given[name]) for name in votes}
    full = tuple(sorted(name for name in votes if given[name] >= caps.get(name, seats + 1)))
    working = Averages(last=last, following=following)
    return Shared(seats=given, unfilled=seats - awarded, capped=full, averages=working, tie=tie)


def _tie_at(
    award: Fraction, last: Mapping[str, Fraction | None], waiting: list[tuple[Fraction, str]], awarded: int
) -> Tie | None:
    """The tie at the last award: someone else's next quotient is just as large, so the order of awards decided nothing."""
    level = {name for negative, name in waiting if -negative == award}
    if not level:
        return None
    winners = {name for name, quotient in last.items() if quotient == award}
    return Tie(tuple(sorted(level | winners)), len(winners), f"quotient {award} at seat {awarded}")
