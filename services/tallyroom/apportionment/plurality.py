"""Districts: the most votes win (or the first M), and majorities that need conditions, else a second round.

Plurality: Kazakhstan's 29 single-member districts of 2023. Two rounds: Brazil, Constitution
Art. 77 § 2 and 3 (half of valid votes, else the first two); France, Code électoral Art. L 162 (12.5 % of the register go on);
Argentina, Constitution Art. 97 and 98 (45 %, or 40 % and more than ten points ahead).
"""

from collections.abc import Mapping

from tallyroom.apportionment.conditions import holds, joined
from tallyroom.apportionment.model import Apportionment, Outcome, Problem, Runoff, Shared, Tie, outcome
from tallyroom.apportionment.quotas import best
from tallyroom.apportionment.thresholds import base_of, reaches
from tallyroom.domain.election import Condition

HALF = Condition(share="1/2")
"""More than half: what a majority means where no other condition is given."""


def plurality(votes: Mapping[str, int], seats: int) -> Shared:
    """One seat each for the ``seats`` selections with the most votes (all of them have some); equal votes are a tie."""
    won, tie = best(votes, seats, f"place {min(seats, len(votes))} of {seats} by votes")
    given = {name: int(name in won) for name in votes}
    return Shared(seats=given, unfilled=max(0, seats - len(votes)), tie=tie)


def majority(problem: Problem) -> Outcome:
    """The leading selection if the conditions hold for it; otherwise the second round's participants. Raises RuleError."""
    able = {name: count for name, count in problem.figures.votes.items() if name not in problem.no_seats and count > 0}
    seats = dict.fromkeys((name for name in problem.figures.votes if name not in problem.no_seats), 0)
    if not able:
        return Apportionment(method=problem.method, seats=seats, unfilled=1)
    most = max(able.values())
    leaders = sorted(name for name, count in able.items() if count == most)
    conditions = problem.conditions or (HALF,)
    looked = [holds(condition, problem, leaders[0]) for condition in conditions]
    if not joined(looked, problem.join):
        return _second_round(problem, able, Apportionment(method=problem.method, seats=seats, conditions=tuple(looked)))
    if len(leaders) > 1:
        tie = Tie(tuple(leaders), 1, "first place by votes")
        return outcome(Apportionment(method=problem.method, seats=seats, conditions=tuple(looked)), tie)
    return Apportionment(method=problem.method, seats={**seats, leaders[0]: 1}, conditions=tuple(looked))


def _second_round(problem: Problem, able: Mapping[str, int], first: Apportionment) -> Outcome:
    """Nobody is elected: who goes on, most votes first, with a tie for the last place as lots."""
    rule = problem.runoff or Runoff()
    won, tie = best(able, rule.places, f"place {rule.places} of the first round, which opens the second")
    if rule.share is not None:
        of = base_of(rule.base, problem.figures)
        reached = {name for name, count in able.items() if reaches(count, rule.share, of, strict=False)}
        if tie is not None and reached.intersection(tie.selections):
            tie = None  # those level with each other all go on
        won = tuple(sorted(reached.union(won), key=lambda name: (-able[name], name)))
    result = Apportionment(method=first.method, seats=first.seats, unfilled=1, conditions=first.conditions, runoff=won)
    return outcome(result, tie)


def referendum(problem: Problem) -> Apportionment:
    """Accepted if the conditions hold: majorities and quorums, of the whole or in a number of areas. Raises RuleError.

    Hungary, Fundamental Law Art. 8: valid if more than half of all voters voted validly, decided by more than half of them.
    Switzerland, Constitution Art. 142: the people and the cantons, six of which have half a vote.
    """
    looked = [holds(condition, problem, None) for condition in problem.conditions]
    return Apportionment(
        method=problem.method, seats={}, conditions=tuple(looked), accepted=joined(looked, problem.join)
    )
