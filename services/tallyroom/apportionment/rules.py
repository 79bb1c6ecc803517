"""From a contest's rule in the election definition to a problem with today's figures."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from tallyroom.apportionment.lists import SHARING
from tallyroom.apportionment.model import Area, Figures, Problem, RuleError, Runoff
from tallyroom.domain.election import Contest, Role, Rule, Selection, SelectionStatus, Threshold

UNCOUNTED: Final = frozenset({"ranked", "none"})
"""Methods whose outcome is published as the authority declares it, never computed here."""

LISTS: Final = SHARING - {"plurality"}


def can_win(selection: Selection) -> bool:
    """Parties and candidates that still stand; against all, blanks, aggregates and withdrawn ones only count in bases."""
    return selection.role in (Role.PARTY, Role.CANDIDATE) and selection.status is not SelectionStatus.WITHDRAWN


def problem_of(contest: Contest, whole: Figures, areas: Mapping[str, Area] | None = None) -> Problem | None:
    """The contest's rule with these figures; None where there is no rule that we compute.

    ``whole``: votes of the selections that compete with each other (lists, not the candidates inside them) and the measures.
    ``areas``: figures of areas that the rule or its conditions name, by area id; their seats are taken from the rule. Seats
    that are given out in the contest's root area are those of the whole.
    Raises RuleError if the rule gives out seats in an area that has no figures.
    """
    rule = contest.rule
    if rule is None or rule.method in UNCOUNTED:
        return None
    root = next(area for area, parent in contest.areas.items() if parent is None)
    caps = {item.id: item.list_candidates for item in contest.selections if item.list_candidates is not None}
    seats = {allocation.area: allocation.seats for allocation in rule.allocations}
    local = _allocated(seats, dict(areas or {}), caps) if set(seats) - {root} else {}
    quorums = areas if areas is not None and any(item.level for item in rule.conditions) else {}
    return Problem(
        method=rule.method,
        seats=seats.get(root, rule.seats),
        figures=whole,
        thresholds=tuple(_at_root(threshold, root) for threshold in rule.thresholds),
        no_seats=frozenset(item.id for item in contest.selections if not can_win(item) and item.id in whole.votes),
        caps=caps if not local and rule.method in LISTS else {},
        first_divisor=Fraction(rule.first_divisor) if rule.first_divisor is not None else Fraction(7, 5),
        areas={**quorums, **local},
        conditions=rule.conditions,
        join=rule.join,
        runoff=_runoff(rule),
    )


def _runoff(rule: Rule) -> Runoff | None:
    if rule.runoff is None:
        return None
    share = None if rule.runoff.share is None else Fraction(rule.runoff.share)
    return Runoff(places=rule.runoff.places, share=share, base=rule.runoff.base)


def _allocated(seats: Mapping[str, int], areas: Mapping[str, Area], caps: Mapping[str, int]) -> dict[str, Area]:
    """The areas that give out seats, with their seats and the candidates that lists have there."""
    missing = sorted(set(seats) - set(areas))
    if missing:
        raise RuleError(
            f"Seats are given out in {', '.join(missing)}, without figures.", "give those of every such area"
        )
    return {name: replace(areas[name], seats=count, caps=caps) for name, count in seats.items()}


def _at_root(threshold: Threshold, root: str) -> Threshold:
    """A threshold of the root area is one of the whole."""
    others = tuple(_at_root(other, root) for other in threshold.alternatives)
    return replace(threshold, area=None if threshold.area == root else threshold.area, alternatives=others)
