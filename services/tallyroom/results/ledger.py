"""Corrections and retractions as a ledger: what changed, why, and what the result would be without it. Never a trend.

An effect compares the result as it stands with the same result without one correction and those that followed it for the same unit:
the unit's figures of before in the place of its later ones, everything else as it is. So it is a function of the totals and the
ledger, whenever it is asked for. (A unit that was retracted and reported anew is not counted twice without the retraction.)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import Apportionment, Figures, LotsRequired, Outcome, Problem, RuleError, certain
from tallyroom.results.areas import decimal, denominator, leading, lines_of, scaled
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import COUNTERS, Row

LATEST: Final = 5
"""Corrections that the snapshot shows, each with its effect: an allocation takes about a millisecond."""

Correction = Mapping[str, Any]
"""An entry of `results.facts.Facts.corrections`: ``unit``, ``area``, ``changed``: figure -> (before, after) ..."""

Visible = Callable[[str], bool]
"""Whether an area is public."""


def corrections_document(
    contest: ContestPlan, row: Row, outcome: tuple[Problem | None, Outcome | None], corrections: Sequence[Correction]
) -> dict[str, Any]:
    """What the snapshot says of a contest's corrections. ``row``: the whole contest's; ``outcome``: its rule with these figures,
    and what the rule makes of them."""
    if not corrections:
        return {"count": 0, "latest": [], "effect": None}
    now, latest = _Now.of(contest, row, outcome), corrections[-LATEST:]
    of_leaf: dict[tuple[Any, Any], list[Correction]] = {_leaf(entry): [] for entry in latest}
    for entry in corrections:
        if (leaf := _leaf(entry)) in of_leaf:
            of_leaf[leaf].append(entry)
    return {
        "count": len(corrections),
        "latest": [{**entry, "effect": _effect(now, _with_later(entry, of_leaf[_leaf(entry)]))} for entry in latest],
        "effect": _effect(now, corrections),
    }


def _leaf(entry: Correction) -> tuple[Any, Any]:
    return entry["unit"], entry.get("group")


def _with_later(entry: Correction, of_leaf: Iterable[Correction]) -> list[Correction]:
    """The entry and all of the same unit that came after it."""
    return [other for other in of_leaf if other["version"] >= entry["version"]]


def ledger_document(contest: ContestPlan, corrections: Sequence[Correction], visible: Visible) -> dict[str, Any]:
    """Every correction of a contest in the order in which they were reported."""
    shown = [entry for entry in corrections if visible(area_of(contest, entry))]
    return {"contest": contest.id, "corrections": shown}


def area_of(contest: ContestPlan, entry: Mapping[str, Any]) -> str:
    """Where the unit of an entry lies now: it may have been moved since."""
    found = contest.contest.units.get(entry["unit"])
    return found if found is not None else str(entry.get("area", contest.root))


def effect(
    contest: ContestPlan, row: Row, outcome: tuple[Problem | None, Outcome | None], corrections: Sequence[Correction]
) -> dict[str, Any]:
    """What these corrections together did to the contest: only what is different without them stands here.

    ``shares``, ``leading``, ``seats``, ``passed`` (the threshold) ...: each as ``{"without": ..., "with": ...}``.
    """
    return _effect(_Now.of(contest, row, outcome), corrections)


@dataclass(frozen=True, slots=True)
class _Now:
    """A contest as it stands: what every effect of it is compared with, made once."""

    contest: ContestPlan
    row: Row
    problem: Problem | None
    made: Outcome | None
    lines: tuple[Fraction, ...]
    shares: Sequence[int | None]  # in millionths, in the order of the selections
    leaders: Sequence[str]

    @classmethod
    def of(cls, contest: ContestPlan, row: Row, outcome: tuple[Problem | None, Outcome | None]) -> "_Now":
        lines = lines_of(contest.contest.rule)
        return cls(contest, row, *outcome, lines, _shares(contest, row, lines), _names(leading(contest, row)))


def _effect(now: _Now, corrections: Sequence[Correction]) -> dict[str, Any]:
    before = _without(now.contest, now.row, corrections)
    found: dict[str, Any] = {"shares": _moved(now, _shares(now.contest, before, now.lines))}
    then = leading(now.contest, before)
    if _names(then) != now.leaders:
        found["leading"] = _pair(then, leading(now.contest, now.row))
    problem, made = now.problem, now.made
    if problem is None or made is None:
        return found
    one = problem.method == "plurality" and problem.seats == 1 and len(now.leaders) == 1
    standing = {name for _, name in now.contest.standing}  # who has died cannot lead, but may have won
    able = problem.figures.votes.keys() - problem.no_seats
    if one and able <= standing and _names(then) == now.leaders:
        return {**found, "seats": {}}  # the same one has most votes: nothing to compute
    try:
        found |= _by_rule(apportion(_problem_without(now.contest, problem, corrections)), made)
    except RuleError as error:  # the figures of then may be none that the rule can work with
        found["error"] = error.what
    return found


def _shares(contest: ContestPlan, row: Row, lines: Sequence[Fraction]) -> list[int | None]:
    base, first = denominator(contest, row), COUNTERS + len(contest.measures)
    return [scaled(votes, base, lines) for votes in row[first:]]


def _moved(now: _Now, before: Sequence[int | None]) -> dict[str, Any]:
    """The shares that are others, as readers see them."""
    pairs = zip(now.contest.selections, before, now.shares, strict=True)
    return {name: _pair(decimal(old), decimal(new)) for name, old, new in pairs if old != new}


def _by_rule(before: Outcome, now: Outcome) -> dict[str, Any]:
    """What the rule made of it then and makes of it now."""
    old, new = certain(before), certain(now)
    found: dict[str, Any] = {"seats": _different({name: (old.seats.get(name, 0), n) for name, n in new.seats.items()})}
    passed = _passed(old), _passed(new)
    if passed[0] != passed[1]:
        found["passed"] = _pair(sorted(passed[0]), sorted(passed[1]))
    lots = isinstance(before, LotsRequired), isinstance(now, LotsRequired)
    if lots[0] != lots[1]:
        found["lots_required"] = _pair(lots[0], lots[1])
    if (old.runoff, old.accepted) != (new.runoff, new.accepted):
        found["runoff"] = _pair(list(old.runoff), list(new.runoff))
        found["accepted"] = _pair(old.accepted, new.accepted)
    return found


def _passed(made: Apportionment) -> set[str]:
    return {name for name, standing in made.standings.items() if standing.passed}


def _undone(contest: ContestPlan, corrections: Iterable[Correction]) -> Counter[str]:
    """What to add to each figure to have it as it was before; votes of a withdrawn selection stand with their heir now."""
    heirs: dict[str, str | None] = {}
    for column, heir in contest.reassigned:
        heirs[contest.figures[column - COUNTERS]] = None if heir is None else contest.figures[heir - COUNTERS]
    summed = Counter[str]()
    for entry in corrections:
        for name, (old, new) in entry["changed"].items():
            heir = heirs.get(name, name)
            if heir is not None:
                summed[heir] += old - new
    return summed


def _without(contest: ContestPlan, row: Row, corrections: Iterable[Correction]) -> Row:
    """The row with the old figures. A unit that said less since cannot have brought less than nothing."""
    undone = _undone(contest, corrections)
    figures = zip(contest.figures, row[COUNTERS:], strict=True)
    return row[:COUNTERS] + tuple(max(0, value + undone[name]) for name, value in figures)


def _problem_without(contest: ContestPlan, problem: Problem, corrections: Sequence[Correction]) -> Problem:
    """The problem with the old figures, of the whole and of every allocating area that a unit lies in."""
    inside: dict[str, list[Correction]] = {}
    for entry in corrections:
        for area in contest.ancestry(area_of(contest, entry)):
            inside.setdefault(area, []).append(entry)
    areas = {
        name: replace(area, figures=_figures_without(area.figures, _undone(contest, inside.get(name, ()))))
        for name, area in problem.areas.items()
    }
    return replace(problem, figures=_figures_without(problem.figures, _undone(contest, corrections)), areas=areas)


def _figures_without(figures: Figures, undone: Mapping[str, int]) -> Figures:
    votes = {name: max(0, count + undone.get(name, 0)) for name, count in figures.votes.items()}
    measures = {name: max(0, count + undone.get(name, 0)) for name, count in figures.measures.items()}
    return Figures(votes=votes, measures=measures)


def _different(pairs: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: _pair(before, now) for name, (before, now) in pairs.items() if before != now}


def _pair(before: Any, now: Any) -> dict[str, Any]:
    return {"without": before, "with": now}


def _names(leader: Mapping[str, Any] | None) -> list[str]:
    return [] if leader is None else list(leader["selections"])
