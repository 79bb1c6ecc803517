"""Majorities, quorums and second rounds: which conditions hold, and which of them outstanding ballots can still change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tallyroom.apportionment.conditions import holds, part_of
from tallyroom.apportionment.model import Figures, Problem
from tallyroom.apportionment.thresholds import base_of
from tallyroom.bounds.threshold import Line
from tallyroom.domain.checks import REGISTERED
from tallyroom.domain.election import Condition, Join

Out = Callable[[str | None], int | None]
"""Area (None: the whole) -> the most ballots that may still come, None: no hard bound."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """How a ballot moves figures. ``marks``: votes on it. ``may_be_added``: voters who may join the register, None: unknown."""

    marks: int = 1
    may_be_added: int | None = None


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether something will surely hold, and whether it still may."""

    sure: bool
    possible: bool

    @property
    def state(self) -> str:
        """``decided`` where nothing outstanding changes it."""
        return "decided" if self.sure or not self.possible else "open"


def prospect(condition: Condition, problem: Problem, about: str, out: Out, ballot: Ballot) -> Prospect:
    """What outstanding ballots leave of a condition about a selection or measure; exact when nothing is out."""
    if condition.level is None:
        return _within(condition, problem.figures, about, problem.no_seats, (out(None), ballot))
    areas = {name: area for name, area in problem.areas.items() if area.level == condition.level}
    each = {
        name: _within(condition, area.figures, about, problem.no_seats, (out(name), ballot))
        for name, area in areas.items()
    }
    needed = Fraction(condition.areas_needed or 0)
    sure = sum((areas[name].weight for name, one in each.items() if one.sure), Fraction(0))
    possible = sum((areas[name].weight for name, one in each.items() if one.possible), Fraction(0))
    return Prospect(sure >= needed, possible >= needed)


def joined(prospects: Sequence[Prospect], join: Join) -> Prospect:
    """Conditions together. Sound, and not always exact: two that each may hold may be unable to hold together."""
    together = all if join is Join.ALL else any
    return Prospect(together(one.sure for one in prospects), together(one.possible for one in prospects))


def condition_documents(problem: Problem, leader: str | None, out: Out, ballot: Ballot) -> list[dict[str, Any]]:
    """Every condition as it stands, in words and numbers."""
    shown = []
    for condition in problem.conditions:
        about = condition.of or leader
        if about is None:
            continue
        now, later = holds(condition, problem, leader), prospect(condition, problem, about, out, ballot)
        shown.append(
            {
                "condition": now.text,
                "holds": now.holds,
                "part": now.part,
                "of": now.of,
                "state": later.state,
            }
        )
    return shown


def _within(
    condition: Condition,
    figures: Figures,
    about: str,
    no_seats: frozenset[str],
    coming: tuple[int | None, Ballot],
) -> Prospect:
    """A share and a lead of one electorate. All that is out may go to the selection, to its next rival, or to neither."""
    out, ballot = coming
    part = part_of(about, figures)
    rivals = [count for name, count in figures.votes.items() if name != about and name not in no_seats]
    ahead = part - max(rivals, default=0)
    base = base_of(condition.base, figures)
    if out is None:
        return Prospect(sure=False, possible=True)
    fixed = condition.base == (REGISTERED,)
    most = base + (0 if fixed else ballot.marks * out)
    found = [Prospect(sure=True, possible=True)]
    if condition.share is not None:
        line = Line(Fraction(condition.share), condition.strict)
        found.append(_share(line, part, (base, most, out), fixed, ballot.may_be_added))
    if condition.lead is not None:
        lead = Line(Fraction(condition.lead), strict=True)
        worst, best = (base, base) if fixed else (base + ballot.marks * out, base + out)
        found.append(Prospect(_ahead(lead, ahead - out, worst), _ahead(lead, ahead + out, best)))
    return joined(found, Join.ALL)


def _share(line: Line, part: int, sizes: tuple[int, int, int], fixed: bool, may_be_added: int | None) -> Prospect:
    base, most, out = sizes
    if not fixed:
        return Prospect(line.passed(part, most), line.passed(part + out, base + out))
    if not out:
        return Prospect(line.passed(part, base), line.passed(part, base))
    sure = may_be_added is not None and line.passed(part, base + may_be_added)
    return Prospect(sure, line.passed(part + out, base))


def _ahead(line: Line, lead: int, base: int) -> bool:
    """A lead is more than its share, as `tallyroom.apportionment.conditions` judges it, and cannot be negative."""
    return lead >= 0 and line.passed(lead, base)
