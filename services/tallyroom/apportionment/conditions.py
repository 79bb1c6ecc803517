"""Conditions of majorities, quorums and double majorities: each an exact comparison, joined by any or all."""

from collections.abc import Sequence
from fractions import Fraction

from tallyroom.apportionment.model import Figures, Held, Problem, RuleError
from tallyroom.apportionment.thresholds import base_of, fraction, reaches
from tallyroom.domain.checks import SELECTIONS
from tallyroom.domain.election import Condition, Join


def joined(held: Sequence[Held], join: Join) -> bool:
    """Whether the conditions hold together."""
    verdicts = [condition.holds for condition in held]
    return all(verdicts) if join is Join.ALL else any(verdicts)


def holds(condition: Condition, problem: Problem, leader: str | None) -> Held:
    """Whether a condition holds for the selection or measure that it names, else for ``leader``. Raises RuleError."""
    about = condition.of if condition.of is not None else leader
    if about is None:
        raise RuleError("A condition names no selection.", "say in `of` which choice it is about")
    if condition.share is None and condition.lead is None:
        raise RuleError("A condition has neither `share` nor `lead`.", "give one of them")
    if condition.level is None:
        return _within(condition, problem.figures, about, problem.no_seats)
    return _in_areas(condition, problem, about)


def _within(condition: Condition, figures: Figures, about: str, no_seats: frozenset[str]) -> Held:
    """A share of the base, and a lead over the next selection. ``strict`` is about the share; a lead is always more than."""
    part, of = part_of(about, figures), base_of(condition.base, figures)
    verdict, texts = True, []
    if condition.share is not None:
        share = fraction(condition.share, "Condition share")
        verdict = reaches(part, share, of, condition.strict)
        texts.append(
            f"{'more than' if condition.strict else 'at least'} {condition.share} of {' + '.join(condition.base)}"
        )
    if condition.lead is not None:
        lead = fraction(condition.lead, "Condition lead")
        rivals = [count for name, count in figures.votes.items() if name != about and name not in no_seats]
        verdict = verdict and reaches(part - max(rivals, default=0), lead, of, strict=True)
        texts.append(f"more than {condition.lead} ahead of the next")
    return Held(text=f"{about}: {' and '.join(texts)}", holds=verdict, part=part, of=of)


def _in_areas(condition: Condition, problem: Problem, about: str) -> Held:
    """The condition in so many areas of a level, each counted with its weight."""
    areas = {name: area for name, area in problem.areas.items() if area.level == condition.level}
    if condition.areas_needed is None or not areas:
        raise RuleError(
            f"A condition is about areas of level {condition.level!r}.",
            "give areas of that level and say in `areas_needed` in how many it must hold",
        )
    found = {name: _within(condition, area.figures, about, problem.no_seats) for name, area in areas.items()}
    weight = sum((areas[name].weight for name, held in found.items() if held.holds), Fraction(0))
    text = f"{next(iter(found.values())).text}, in {weight} of the {condition.areas_needed} areas needed"
    return Held(text=text, holds=weight >= condition.areas_needed)


def part_of(about: str, figures: Figures) -> int:
    """Votes of a selection, or the measure of that name."""
    if about in figures.votes:
        return figures.votes[about]
    if about == SELECTIONS or about in figures.measures:
        return base_of((about,), figures)
    raise RuleError(f"A condition is about {about!r}, for which there is no figure.", "name a selection or a measure")
