"""Mixed houses: district seats beside list seats, or counted against them.

Parallel: both halves stand alone (Kazakhstan 2023: 69 by lists + 29 districts, Constitutional Law on Elections, Art. 97-1).
Compensatory: the lists share out the whole house; districts won count against a party's seats. Where it won more districts
than seats (overhang):
- ``kept``: it keeps them and the house grows (Germany until 2011; New Zealand, Electoral Act 1993, s. 192).
- ``levelled``: the house grows until the share holds again; up to ``tolerated`` seats stay unlevelled (Germany, BWahlG § 6
  (5) as in force in 2021: three).
- ``absorbed``: it keeps them and the others share what is left (Scotland, Scotland Act 1998, s. 7 and 8).
- ``dropped``: its weakest winners stay out, the house stays as it is (Germany, BWahlG § 6 since 2023).
Seats of winners without a list that takes part come off the house first (BWahlG § 6 (1) as in force in 2021).
Not built, since the facts of it are not here: Germany's minimum seats by Land. For 2021 the national computation with the 45
districts of the CSU gives the same house of 736.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tallyroom.apportionment.lists import AVERAGES, share_out
from tallyroom.apportionment.model import (
    Apportionment,
    Mixed,
    Outcome,
    Problem,
    RuleError,
    Shared,
    Tie,
    outcome,
)
from tallyroom.apportionment.plurality import plurality
from tallyroom.apportionment.thresholds import Admission, admit
from tallyroom.domain.election import Overhang

Seats = Mapping[str, int]


def mixed(problem: Problem, system: Mixed) -> Outcome:
    """Both halves of the house, by party. ``problem.seats``: of the lists (parallel), of the house (compensatory)."""
    wins, ties = district_wins(problem)
    known = replace(problem, district_wins=wins)
    admission = admit(known)
    if admission.tie is not None or (ties and system.compensatory):
        return _undecided(known, system, admission, ties)
    votes = {name: problem.figures.votes.get(name, 0) for name, held in admission.standings.items() if held.passed}
    taking_part = {name: count for name, count in votes.items() if count > 0}
    if not system.compensatory:
        shared = share_out(problem, taking_part, problem.seats, problem.caps)
        house = _added(shared.seats, wins)
        return _house(known, admission, shared, house, ties)
    return _compensatory(known, system, admission, taking_part)


def district_wins(problem: Problem) -> tuple[Seats, tuple[Tie, ...]]:
    """Districts won by party, as given or counted; districts whose first place is a tie are in the ties alone."""
    wins = Counter(problem.district_wins)
    ties = []
    for district, votes in sorted(problem.districts.items()):
        counted = {name: votes[name] for name in votes if votes[name] > 0 and name not in problem.no_seats}
        won = plurality(counted, 1)
        wins.update(problem.parties.get(name, name) for name, seat in won.seats.items() if seat)
        if won.tie is not None:
            ties.append(Tie(won.tie.selections, 1, f"district {district}: {won.tie.at}"))
    return dict(wins), tuple(ties)


def _compensatory(problem: Problem, system: Mixed, admission: Admission, votes: Seats) -> Outcome:
    wins = problem.district_wins
    kept = {name: won for name, won in wins.items() if name not in votes and _keeps(problem, system, name)}
    lists = max(0, problem.seats - sum(kept.values()))
    inside = {name: wins.get(name, 0) for name in votes}
    if system.overhang is Overhang.LEVELLED:
        shared = _levelled(problem, system, votes, lists)
    elif system.overhang is Overhang.ABSORBED:
        shared = _absorbed(problem, votes, lists)
    else:
        shared = share_out(problem, votes, lists, problem.caps)
    if system.overhang is Overhang.DROPPED:
        house = {**shared.seats, **kept}
    else:
        house = {**{name: max(shared.seats.get(name, 0), inside[name]) for name in votes}, **kept}
    return _house(problem, admission, shared, house, ())


def _keeps(problem: Problem, system: Mixed, name: str) -> bool:
    """Whether winners outside the lists sit: always those without a list; those of a list that failed unless dropped."""
    return system.overhang is not Overhang.DROPPED or name not in problem.figures.votes


def _levelled(problem: Problem, system: Mixed, votes: Seats, lists: int) -> Shared:
    """The seats of the smallest house in which no more than the tolerated overhang is left.

    Found by bisection: divisor methods give nobody less in a larger house. A tie counts in favour, so a house that is large
    enough only if the lot falls well comes back with its tie. Raises RuleError.
    """
    if problem.method not in AVERAGES:
        raise RuleError(f"Levelling by {problem.method} could go on for ever.", "level by a divisor method")

    def holds(house: int) -> bool:
        return _overhang(problem, votes, share_out(problem, votes, house, problem.caps)) <= system.tolerated

    low, high = lists, max(lists, 1)
    while not holds(high):
        if high >= system.largest:
            raise RuleError(f"Even a house of {high:,} has overhang.", "raise `largest`, or check the districts won")
        low, high = high + 1, min(2 * high, system.largest)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return share_out(problem, votes, low, problem.caps)


def _overhang(problem: Problem, votes: Seats, shared: Shared) -> int:
    """Districts won beyond the seats of this house, ties in favour."""
    level = shared.tie.selections if shared.tie is not None else ()
    most = {name: shared.seats.get(name, 0) + (name in level) for name in votes}
    return sum(max(0, problem.district_wins.get(name, 0) - most[name]) for name in votes)


def _absorbed(problem: Problem, votes: Seats, lists: int) -> Shared:
    """Parties with overhang are fixed at their districts; the seats left are computed anew among the others."""
    fixed: dict[str, int] = {}
    while True:
        others = {name: count for name, count in votes.items() if name not in fixed}
        shared = share_out(problem, others, max(0, lists - sum(fixed.values())), problem.caps)
        over = {
            name: won
            for name, won in problem.district_wins.items()
            if name in others and won > shared.seats.get(name, 0)
        }
        if not over:
            return replace(shared, seats={**shared.seats, **fixed})
        fixed |= over


def _added(one: Seats, other: Seats) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _house(problem: Problem, admission: Admission, shared: Shared, house: Seats, ties: tuple[Tie, ...]) -> Outcome:
    """The house with its two halves; district winners beyond a party's seats are unseated."""
    wins = problem.district_wins
    every = {name: 0 for name, held in admission.standings.items() if name not in problem.no_seats}
    seats = {**every, **house}
    if problem.mixed is not None and problem.mixed.compensatory:
        seated = {name: min(won, seats.get(name, 0)) for name, won in wins.items()}
    else:
        seated = dict(wins)
    result = Apportionment(
        method=problem.method,
        seats=seats,
        unfilled=shared.unfilled,
        standings=admission.standings,
        bars=admission.bars,
        shared=shared,
        lists={name: count - seated.get(name, 0) for name, count in seats.items()},
        district_seats={name: count for name, count in seated.items() if count},
        unseated={name: won - seated[name] for name, won in wins.items() if won > seated[name]},
    )
    return outcome(result, shared.tie, *ties)


def _undecided(problem: Problem, system: Mixed, admission: Admission, ties: tuple[Tie, ...]) -> Outcome:
    """A lot comes before the lists can be computed: only districts already won are certain, and not even they if dropped."""
    sure = {} if system.compensatory and system.overhang is Overhang.DROPPED else problem.district_wins
    every = dict.fromkeys((name for name in admission.standings if name not in problem.no_seats), 0)
    result = Apportionment(
        method=problem.method,
        seats={**every, **sure},
        standings=admission.standings,
        bars=admission.bars,
        district_seats=sure,
    )
    return outcome(result, admission.tie, *ties)
