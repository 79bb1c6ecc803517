"""The one entry: a rule and its figures become seats, a winner, a second round, a verdict, or lots."""

from collections.abc import Iterator
from dataclasses import replace

from tallyroom.apportionment.lists import SHARING, share_out
from tallyroom.apportionment.mixed import mixed
from tallyroom.apportionment.model import (
    Apportionment,
    LotsRequired,
    Outcome,
    Problem,
    RuleError,
    Standing,
    Tie,
    outcome,
)
from tallyroom.apportionment.plurality import majority, referendum
from tallyroom.apportionment.thresholds import admit
from tallyroom.domain.election import Threshold

METHODS = (*sorted(SHARING), "majority", "referendum")
"""Every method that can be computed. Ranked ballots are published in the authority's own rounds, never counted here."""


def apportion(problem: Problem) -> Outcome:
    """Who gets how many seats. A pure function: equal problems give equal answers, whatever the order of their names.

    Raises RuleError where the rule contradicts itself, is not used by its method, or lacks a figure.
    """
    for fault in _contradictions(problem):
        raise RuleError(fault, "see docs/apportionment.md for what each method takes")
    if problem.method == "majority":
        return majority(problem)
    if problem.method == "referendum":
        return referendum(problem)
    if problem.mixed is not None:
        return mixed(problem, problem.mixed)
    return _by_area(problem) if problem.areas else _at_large(problem)


def _at_large(problem: Problem, area: str | None = None) -> Outcome:
    """All seats of the whole, or of one area, among those who pass."""
    here = problem.areas[area] if area is not None else None
    figures = here.figures if here is not None else problem.figures
    seats, caps = (here.seats, here.caps) if here is not None else (problem.seats, problem.caps)
    admission = admit(problem, area)
    every = dict.fromkeys((name for name in admission.standings if name not in problem.no_seats), 0)
    result = Apportionment(method=problem.method, seats=every, standings=admission.standings, bars=admission.bars)
    if admission.tie is not None:
        return outcome(result, admission.tie)
    votes = {name: figures.votes.get(name, 0) for name, held in admission.standings.items() if held.passed}
    shared = share_out(problem, votes, seats, caps)
    result = replace(result, seats={**every, **shared.seats}, unfilled=shared.unfilled, shared=shared)
    return outcome(result, shared.tie)


def _by_area(problem: Problem) -> Outcome:
    """Each area gives out its own seats; thresholds of the whole bind in all of them."""
    found = {area: _at_large(problem, area) for area in problem.areas if problem.areas[area].seats}
    sure = {area: result.sure if isinstance(result, LotsRequired) else result for area, result in found.items()}
    names = [name for name in problem.figures.votes if name not in problem.no_seats]
    seats = {name: sum(result.seats.get(name, 0) for result in sure.values()) for name in names}
    passed = {name: [area for area, one in sure.items() if one.standings[name].passed] for name in names}
    local = any(_has_level(threshold) for threshold in problem.thresholds)
    admission = admit(problem) if not local else None
    result = Apportionment(
        method=problem.method,
        seats=seats,
        unfilled=sum(one.unfilled for one in sure.values()),
        standings=admission.standings
        if admission is not None
        else {
            name: Standing(passed=bool(areas), why=f"in {len(areas)} of {len(found)} areas")
            for name, areas in passed.items()
        },
        bars=admission.bars if admission is not None else (),
        areas=found,
    )
    ties = [
        Tie(tie.selections, tie.seats, f"{area}: {tie.at}")
        for area, lots in found.items()
        if isinstance(lots, LotsRequired)
        for tie in lots.ties
    ]
    return outcome(result, *ties)


def _has_level(threshold: Threshold) -> bool:
    return threshold.level is not None or any(_has_level(other) for other in threshold.alternatives)


def _contradictions(problem: Problem) -> Iterator[str]:
    """What the problem says that its method cannot use: a rule that is silently left out would be a wrong result."""
    method = problem.method
    if method not in METHODS:
        yield f"Method {method!r} is not one of {', '.join(METHODS)}."
    if problem.seats < 0 or any(count < 0 for count in problem.figures.votes.values()):
        yield "Seats and votes cannot be negative."
    for name, given in (("conditions", problem.conditions), ("runoff", problem.runoff)):
        if given and (method not in ("majority", "referendum") or (method == "referendum" and name == "runoff")):
            yield f"Method {method!r} has no use for `{name}`."
    for name, used in (("thresholds", problem.thresholds), ("caps", problem.caps), ("mixed", problem.mixed)):
        if used and method in ("majority", "referendum"):
            yield f"Method {method!r} has no use for `{name}`."
    if method == "majority" and problem.seats != 1:
        yield "A majority fills one seat."
    if method == "referendum" and not problem.conditions:
        yield "A referendum needs its conditions."
    if method == "plurality" and (problem.caps or problem.mixed is not None):
        yield "Plurality gives one seat to each selection, and takes no caps and no mixed house."
    yield from _halves(problem)


def _halves(problem: Problem) -> Iterator[str]:
    """Contradictions between the parts of a house."""
    if problem.mixed is None and (problem.districts or problem.parties):
        yield "Districts need `mixed`, which says how they and the lists go together."
    if problem.mixed is not None and problem.areas:
        yield "A mixed house with allocation areas is not supported."
    if problem.districts and problem.district_wins:
        yield "Districts won are given twice: counted and as a number."
    for name, area in problem.areas.items():
        if unknown := sorted(set(area.figures.votes) - set(problem.figures.votes)):
            yield f"Area {name} has votes for {unknown[0]}, which the whole does not have."
    if problem.areas and problem.caps:
        yield "Lists stand in areas: give caps with each area."
    if problem.areas and problem.method in SHARING and problem.seats != sum(a.seats for a in problem.areas.values()):
        yield f"The areas have {sum(a.seats for a in problem.areas.values())} seats, not {problem.seats}."
