"""Elections in two rounds: who is elected at once, who goes on, and whether anything outstanding can change either."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tallyroom.apportionment.model import Apportionment, Figures, Problem
from tallyroom.apportionment.plurality import HALF
from tallyroom.apportionment.thresholds import base_of
from tallyroom.bounds.flips import NEVER, Flips
from tallyroom.bounds.threshold import Line, flips
from tallyroom.bounds.winner import plurality, top
from tallyroom.domain.election import Condition, Join
from tallyroom.results.outcome.conditions import Ballot, Out, Prospect, joined, prospect
from tallyroom.results.outcome.outstanding import Levels
from tallyroom.results.outcome.seats import Seat
from tallyroom.results.outcome.winner import sure_by, winner

_NOTHING: Out = lambda area: 0  # noqa: E731 - a constant function
_PLACES = 2


def with_half(problem: Problem) -> Problem:
    """The problem with its conditions in full: more than half, where the rule names none."""
    return problem if problem.conditions else replace(problem, conditions=(HALF,))


def elected(problem: Problem, name: str, out: Out, ballot: Ballot) -> Prospect:
    """Whether the conditions of being elected at once will hold or may for a selection; not whether it comes first."""
    each = [prospect(condition, problem, condition.of or name, out, ballot) for condition in problem.conditions]
    return joined(each, problem.join)


def majority_winner(
    problem: Problem, votes: Mapping[str, int], levels: Levels, out: Out, ballot: Ballot
) -> dict[str, Any]:
    """Who is elected at once; null while nobody is. ``flip_*``: the nearest change of that, by the leader's votes."""
    bound, by = sure_by(votes, levels)
    leaders = bound.leaders if any(votes.values()) else ()
    if not leaders:
        return winner((), 0, None, NEVER)
    near = [
        _condition_flips(condition, problem.figures, votes[leaders[0]])
        for condition in problem.conditions
        if condition.share is not None and condition.level is None
    ]
    strongest = problem.join is Join.ANY
    if not elected(problem, leaders[0], _NOTHING, ballot).sure:
        return winner((), 0, None, _nearest(near, farthest=not strongest))
    kept = by if elected(problem, leaders[0], out, ballot).sure else None
    held = [_nearest(near, farthest=strongest)] if near else []
    return winner(leaders, bound.margin, kept, _nearest([bound.to_tie, *held], farthest=False))


def majority_seats(
    problem: Problem, votes: Mapping[str, int], now: Mapping[str, int], out: Out, ballot: Ballot
) -> dict[str, Seat]:
    """The one seat, as far as this round can give it."""
    first = plurality(votes, out(None))
    found = {}
    for name in votes:
        prospects = elected(problem, name, out, ballot)
        sure = prospects.sure and first.sure and first.leaders == (name,)
        found[name] = Seat(now.get(name, 0), int(sure), max(now.get(name, 0), int(prospects.possible)))
    return found


def runoff_document(
    problem: Problem, votes: Mapping[str, int], result: Apportionment, out: Out, ballot: Ballot
) -> dict[str, Any] | None:
    """Who would go on to a second round as it stands; null where somebody is elected or nothing is counted.

    Decided: nobody can be elected at once any more, and no other pair can come first.
    """
    if not result.runoff:
        return None
    outstanding = out(None)
    nobody = all(not elected(problem, name, out, ballot).possible for name in votes)
    plain = problem.runoff is None or (problem.runoff.places == _PLACES and problem.runoff.share is None)
    places = top(votes, _PLACES, outstanding, ballot.marks) if len(votes) >= _PLACES else {}
    sure = plain and all(places[name].sure_in for name in result.runoff if name in places)
    return {"selections": list(result.runoff), "state": "decided" if nobody and sure else "open"}


def _condition_flips(condition: Condition, figures: Figures, votes: int) -> Flips:
    """Votes that put the selection on the other side of one condition's share. A register does not move with votes."""
    line = Line(Fraction(condition.share or 0), condition.strict)
    return flips(line, votes, base_of(condition.base, figures))


def _nearest(each: list[Flips], *, farthest: bool) -> Flips:
    """The smallest (or largest) number of each kind; None counts as farther than any number."""

    def pick(values: list[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        if farthest:
            return max(known) if len(known) == len(values) and known else None
        return min(known, default=None)

    return Flips(
        new_votes=pick([one.new_votes for one in each]),
        struck_off=pick([one.struck_off for one in each]),
        moved=pick([one.moved for one in each]),
    )
