"""Seats of lists as they stand, and the range that outstanding ballots leave: at large, or added up over allocating areas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallyroom.apportionment.model import Figures, LotsRequired, Outcome, Problem, certain
from tallyroom.apportionment.thresholds import base_of
from tallyroom.bounds.seats import AdmittedRace, ListRace, admitted_ranges, seat_ranges
from tallyroom.bounds.threshold import Between, Line
from tallyroom.bounds.winner import places
from tallyroom.domain.checks import REGISTERED
from tallyroom.domain.election import Threshold
from tallyroom.results.outcome.conditions import Out
from tallyroom.results.outcome.thresholds import admitted, line_of

_NO_LINE: Final = Line(line_of(Threshold(share="0")).share)


@dataclass(frozen=True, slots=True)
class Seat:
    """Seats of one selection: as counted now (without seats that go by lot), and what is certain and possible."""

    now: int
    certain_min: int
    certain_max: int


def seats_of(problem: Problem, outcome: Outcome, out: Out, marks: int) -> dict[str, Seat]:
    """Seats of every selection that can take any. ``out``: O by area; ``marks``: votes that one ballot can give a list."""
    sure = certain(outcome)
    ranges = _ranges(problem, outcome, out, marks)
    return {
        name: Seat(now, min(now, ranges[name].minimum), max(now, ranges[name].maximum))
        for name, now in sure.seats.items()
    }


def _ranges(problem: Problem, outcome: Outcome, out: Out, marks: int) -> dict[str, Between]:
    if out(None) == 0:
        return settled(outcome)
    if not problem.areas:
        return _at_large(problem, out(None), marks)
    total = dict.fromkeys((name for name in problem.figures.votes if name not in problem.no_seats), Between(0, 0))
    for area, here in problem.areas.items():
        if here.seats:
            found = _in_area(problem, area, out, marks)
            total = {name: _plus(total[name], found.get(name, Between(0, 0))) for name in total}
    return total


def settled(outcome: Outcome) -> dict[str, Between]:
    """Nothing is out: the allocation itself, a range only where lots must be drawn."""
    lots = outcome if isinstance(outcome, LotsRequired) else None
    sure = certain(outcome)
    more = dict.fromkeys(sure.seats, 0)
    for tie in lots.ties if lots is not None else ():
        for name in tie.selections:
            more[name] = more.get(name, 0) + (1 if tie.seats < len(tie.selections) else tie.seats)
    return {name: Between(seats, seats + more[name]) for name, seats in sure.seats.items()}


def _at_large(problem: Problem, outstanding: int | None, marks: int) -> dict[str, Between]:
    """All seats of the whole. With one threshold of the whole and no alternative the bound is the tight one."""
    able = _able(problem, problem.figures)
    anything = _anything(able, problem.seats, problem.caps)
    if outstanding is None:
        return anything
    if problem.method == "plurality":
        return _places(able, problem.seats, outstanding, marks)
    most = marks * outstanding
    plain = [item for item in problem.thresholds if _is_plain(item)]
    if len(problem.thresholds) > 1 or len(plain) < len(problem.thresholds):
        found = admitted_ranges(_admitted(problem, None, problem.seats, most, most))
    else:
        rule = plain[0] if plain else None
        race = ListRace(
            method=problem.method,
            seats=problem.seats,
            counts=able,
            base=base_of(rule.base, problem.figures) if rule is not None else sum(able.values()),
            outstanding=most,
            line=line_of(rule) if rule is not None else _NO_LINE,
            exempt=frozenset(rule.exempt) if rule is not None else frozenset(),
            minimum_parties=rule.minimum_parties if rule is not None else 0,
        )
        found = seat_ranges(race)
    return _within_caps(found, anything, problem.caps)


def _in_area(problem: Problem, area: str, out: Out, marks: int) -> dict[str, Between]:
    """The seats of one allocating area, under thresholds of the whole or of its own."""
    here = problem.areas[area]
    able = _able(problem, here.figures)
    anything = _anything(able, here.seats, here.caps)
    local, whole = out(area), out(None)
    if local is None:
        return anything
    if problem.method == "plurality":
        return _places(able, here.seats, local, marks)
    race = _admitted(problem, area, here.seats, marks * local, None if whole is None else marks * whole)
    return _within_caps(admitted_ranges(race), anything, here.caps)


def _admitted(problem: Problem, area: str | None, seats: int, local: int, whole: int | None) -> AdmittedRace:
    """The race of an area (None: the whole) with who takes part judged threshold by threshold: all bind."""
    here = problem.figures if area is None else problem.areas[area].figures
    able = _able(problem, here)
    judged = {
        name: [_judged(threshold, name, problem, here, (local, whole)) for threshold in problem.thresholds]
        for name in able
    }
    sure = frozenset(name for name, each in judged.items() if all(one[0] for one in each))
    may = frozenset(name for name, each in judged.items() if all(one[1] for one in each))
    if any(threshold.minimum_parties for threshold in problem.thresholds):
        may = frozenset(able)  # whoever is next may be let in below the threshold
        sure = frozenset() if len(sure) < max(item.minimum_parties for item in problem.thresholds) else sure
    return AdmittedRace(method=problem.method, seats=seats, counts=able, outstanding=local, sure=sure, open=may - sure)


def _judged(
    threshold: Threshold, name: str, problem: Problem, here: Figures, coming: tuple[int, int | None]
) -> tuple[bool, bool]:
    """(surely passes, may pass) a threshold or any of its alternatives."""
    figures, out = (here, coming[0]) if threshold.level is not None else (problem.figures, coming[1])
    if threshold.area is not None:
        figures, out = problem.areas[threshold.area].figures, coming[1]  # no part has more outstanding than the whole
    found = [admitted(threshold, name, figures, out)]
    found += [_judged(other, name, problem, here, coming) for other in threshold.alternatives]
    return any(one[0] for one in found), any(one[1] for one in found)


def _places(votes: Mapping[str, int], seats: int, outstanding: int, marks: int) -> dict[str, Between]:
    """One seat each for the first."""
    return places(votes, seats, outstanding, marks) if seats else dict.fromkeys(votes, Between(0, 0))


def _able(problem: Problem, figures: Figures) -> dict[str, int]:
    return {name: count for name, count in figures.votes.items() if name not in problem.no_seats}


def _anything(able: Mapping[str, int], seats: int, caps: Mapping[str, int]) -> dict[str, Between]:
    """What can be said of a method or a number of ballots that nothing bounds."""
    return {name: Between(0, min(seats, caps.get(name, seats))) for name in able}


def _within_caps(
    found: Mapping[str, Between] | None, anything: dict[str, Between], caps: Mapping[str, int]
) -> dict[str, Between]:
    """The bounds know nothing of lists that run out of candidates: where one might, nothing is claimed."""
    if found is None or any(found[name].maximum > caps[name] for name in caps.keys() & found.keys()):
        return anything
    return dict(found)


def _plus(one: Between, other: Between) -> Between:
    return Between(one.minimum + other.minimum, one.maximum + other.maximum)


def _is_plain(threshold: Threshold) -> bool:
    """A threshold by votes of the whole alone."""
    elsewhere = threshold.level or threshold.area or threshold.alternatives or threshold.district_wins is not None
    return not elsewhere and threshold.base != (REGISTERED,)


def unfilled(outcome: Outcome) -> int:
    """Seats that nobody can take."""
    return certain(outcome).unfilled
