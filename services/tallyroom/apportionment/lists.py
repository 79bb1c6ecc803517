"""Which method shares seats out among those that take part: the one table of methods, without thresholds or areas."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from tallyroom.apportionment.averages import divisors, highest_averages
from tallyroom.apportionment.caps import with_caps
from tallyroom.apportionment.model import Problem, Shared
from tallyroom.apportionment.plurality import plurality
from tallyroom.apportionment.quotas import QUOTAS, largest_remainder

AVERAGES: Final = frozenset({"dhondt", "sainte-lague", "modified-sainte-lague"})
"""Divisor methods: a larger house never costs anyone a seat."""
SHARING: Final = frozenset({*QUOTAS, *AVERAGES, "plurality"})
"""Methods that share out seats by votes."""


def share_out(problem: Problem, votes: Mapping[str, int], seats: int, caps: Mapping[str, int]) -> Shared:
    """``seats`` among ``votes`` by the method of the problem. Who has no vote or no candidate gets none."""
    able = {name: count for name, count in votes.items() if count > 0 and caps.get(name) != 0}
    if seats <= 0 or not able:
        done = Shared(seats={}, unfilled=max(0, seats))
    elif problem.method in QUOTAS:
        done = with_caps(partial(largest_remainder, problem.method), able, seats, caps)
    elif problem.method in AVERAGES:
        done = highest_averages(divisors(problem.method, problem.first_divisor), able, seats, caps)
    else:
        done = plurality(able, seats)
    return done
