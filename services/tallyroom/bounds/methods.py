"""D'Hondt and largest remainder (Hare) seen from one list: most seats with every tie won, and whether it can fall below k.

Counts of one call share a unit, which may be a fraction of a vote: nothing here depends on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """``most(own, rivals, seats)``: seats of the list when every tie is won.

    ``can_fall(k, own, rivals, free, seats)``: whether it may get fewer than k when rivals share ``free`` more votes and win every
    tie. Sound: True wherever any sharing does it; ``rivals`` may be empty.
    """

    most: Callable[[int, Sequence[int], int], int]
    can_fall: Callable[[int, int, Sequence[int], int, int], bool]


def largest(seats: int, holds: Callable[[int], bool]) -> int:
    """The largest k of 1..seats for which ``holds`` (true up to some k, false from there on), or 0."""
    low, high = 0, seats
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def dhondt_most(own: int, rivals: Sequence[int], seats: int) -> int:
    """k seats <=> at most seats - k quotients c_j/m of rivals are above c/k; of rival j, ceil(k*c_j/c) - 1 are."""
    if not own:
        return 0 if any(rivals) else seats
    return largest(seats, lambda k: sum(max(0, -(-k * rival // own) - 1) for rival in rivals) <= seats - k)


def dhondt_can_fall(k: int, own: int, rivals: Sequence[int], free: int, seats: int) -> bool:
    """Below k <=> rivals hold seats - k + 1 quotients of at least w = c/k; rival j holds floor(c_j/w).

    One more costs j the votes up to its next multiple of w, and then w each. In units of 1/k votes, so that w = c.
    """
    if not own:
        return True
    have = [k * rival // own for rival in rivals]
    first = [(held + 1) * own - k * rival for held, rival in zip(have, rivals, strict=True)]
    return sum(have) + _bought(first, own, k * free) >= seats - k + 1


def hare_most(own: int, rivals: Sequence[int], seats: int) -> int:
    """floor(q) seats, and one more if fewer rivals have a larger remainder than there are seats left, q = seats*c/T."""
    total = own + sum(rivals)
    if not total:
        return seats
    quota, remainder = divmod(seats * own, total)
    others = [divmod(seats * rival, total) for rival in rivals]
    left = seats - quota - sum(whole for whole, _ in others)
    return quota + (1 if sum(rest > remainder for _, rest in others) < left else 0)


def hare_can_fall(k: int, own: int, rivals: Sequence[int], free: int, seats: int) -> bool:
    """Below k <=> rivals hold seats - k + 1 seats at the shift that gives this list its k-th.

    Largest remainders give floor(q_j + s) seats with one shift s for all that makes them add up; the list's k-th comes at
    s = k - q, where rival j holds max(0, floor(p_j)), p_j = q_j - q + k. With T fixed, as if all ``free`` votes came to rivals,
    one more costs j the part up to the next whole p_j, and then T/seats each. In units of 1/seats votes.
    """
    total = own + sum(rivals) + free
    if not own:
        return True
    points = [seats * (rival - own) + k * total for rival in rivals]
    have = [max(0, point // total) for point in points]
    first = [(held + 1) * total - point for held, point in zip(have, points, strict=True)]
    return sum(have) + _bought(first, total, seats * free) >= seats - k + 1


def _bought(first: Sequence[int], unit: int, budget: int) -> int:
    """The most seats that ``budget`` buys, where each rival's next costs its ``first`` and every further one ``unit``.

    Cheapest first: no ``first`` is above the unit, but where largest remainders are asked for a k of at most q. Such a k is safe
    whatever is bought (no list gets less than its quota rounded down), so that a dear purchase there misleads nobody.
    """
    bought = 0
    for cost in sorted(first):
        if cost > budget:
            break
        budget -= cost
        bought += 1
    return bought + (budget // unit if bought else 0)


METHODS = {
    "dhondt": Method(dhondt_most, dhondt_can_fall),
    "hare": Method(hare_most, hare_can_fall),
}
"""By the name a `tallyroom.domain.election.Rule` gives them. No bound is claimed for any other method."""
