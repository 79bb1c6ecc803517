"""Largest remainder: a quota of votes buys a seat, the seats left go to the largest remainders.

Hare: votes / seats. Kazakhstan, Constitutional Law on Elections, Art. 97-1 ("first electoral quota"); Hamilton 1792.
Droop: floor(votes / (seats + 1)) + 1, the smallest whole number that no more than ``seats`` can reach (H. R. Droop, 1881).
"""

from collections.abc import Mapping
from fractions import Fraction

from tallyroom.apportionment.model import Quota, Shared, Tie


def hare(votes: int, seats: int) -> Fraction:
    """The Hare quota, exact and never rounded."""
    return Fraction(votes, seats)


def droop(votes: int, seats: int) -> Fraction:
    """The Droop quota, a whole number of votes."""
    return Fraction(votes // (seats + 1) + 1)


QUOTAS = {"hare": hare, "droop": droop}


def largest_remainder(method: str, votes: Mapping[str, int], seats: int) -> Shared:
    """``seats`` > 0 among selections that all have votes: whole quotas first, then one each by size of the remainder.

    Where more seats are left than there are selections (Droop, with hardly more votes than seats), all of them take one, and
    the remainders decide on the rest. Equal remainders at the last seat are a tie. (By Kazakh law the list registered first
    wins it: certainty "memory", and the order of registration is not known to us.)
    """
    quota = QUOTAS[method](sum(votes.values()), seats)
    quotients = {name: count / quota for name, count in votes.items()}
    whole = {name: quotient.numerator // quotient.denominator for name, quotient in quotients.items()}
    remainders = {name: quotients[name] - whole[name] for name in votes}
    rounds, left = divmod(seats - sum(whole.values()), len(votes))
    won, tie = best(remainders, left, f"remainders, with {left} of {seats} seats left")
    extra = (*sorted(votes) * rounds, *won)
    working = Quota(value=quota, quotients=quotients, whole=whole, remainders=remainders, remainder_seats=extra)
    given = {name: count + extra.count(name) for name, count in whole.items()}
    return Shared(seats=given, quota=working, tie=tie)


def best(values: Mapping[str, Fraction | int], places: int, at: str) -> tuple[tuple[str, ...], Tie | None]:
    """Who is surely among the ``places`` largest values, largest first, and the tie for the rest of the places."""
    ranked = sorted(values, key=lambda name: (-values[name], name))
    if places <= 0 or places >= len(ranked):
        return tuple(ranked[: max(0, places)]), None
    last, first_out = values[ranked[places - 1]], values[ranked[places]]
    if last != first_out:
        return tuple(ranked[:places]), None
    above = tuple(name for name in ranked if values[name] > last)
    level = tuple(sorted(name for name in ranked if values[name] == last))
    return above, Tie(level, places - len(above), at)
