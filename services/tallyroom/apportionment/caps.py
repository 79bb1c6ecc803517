"""Lists with fewer candidates than seats: what they cannot fill goes on to the others by the same method.

Netherlands, Kieswet Art. P 10 (1) (highest averages: the series simply goes on). For quotas, where going on is not defined by the
method itself, full lists are fixed at their candidates and the seats left are computed anew among the others, quota included:
so freed seats stay proportional. Where nobody has candidates left, seats are unfilled (Germany, BWahlG § 6).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tallyroom.apportionment.model import Shared

Sharing = Callable[[Mapping[str, int], int], Shared]
"""Votes and seats (> 0) -> seats, without caps."""


def with_caps(sharing: Sharing, votes: Mapping[str, int], seats: int, caps: Mapping[str, int]) -> Shared:
    """``sharing`` repeated until no list has more seats than candidates; the working is that of the last round.

    A list that stands level for a last seat without a candidate left to take it draws no lot: it is full.
    """
    fixed: dict[str, int] = {}
    while True:
        open_to = {name: count for name, count in votes.items() if name not in fixed}
        left = seats - sum(fixed.values())
        nothing = Shared(seats=dict.fromkeys(open_to, 0), unfilled=left)
        done = sharing(open_to, left) if open_to and left else nothing
        level = done.tie.selections if done.tie is not None else ()
        full = {
            name: caps[name]
            for name, given in done.seats.items()
            if name in caps and given + (name in level) > caps[name]
        }
        if not full:
            seated = {**done.seats, **fixed}
            at_cap = sorted(name for name in caps.keys() & seated.keys() if seated[name] == caps[name])
            return replace(done, seats=seated, capped=tuple(at_cap))
        fixed |= full
