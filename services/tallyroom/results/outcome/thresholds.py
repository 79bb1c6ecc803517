"""Where each selection stands at a threshold, whether anything outstanding can change it, and how many will enter."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tallyroom.apportionment.model import Figures
from tallyroom.apportionment.thresholds import base_of
from tallyroom.bounds.flips import Flips
from tallyroom.bounds.threshold import Line, State, ThresholdBound, entering, threshold
from tallyroom.domain.checks import REGISTERED
from tallyroom.domain.election import Threshold
from tallyroom.results.outcome.outstanding import Levels

DECIDED = (State.DECIDED_ABOVE, State.DECIDED_BELOW)


def line_of(rule: Threshold) -> Line:
    """The threshold as a line."""
    return Line(Fraction(rule.share), rule.strict)


def threshold_document(
    rule: Threshold, figures: Figures, able: Mapping[str, int], levels: Levels, marks: int
) -> dict[str, Any]:
    """One threshold over the votes of ``able`` selections. Numbers that nothing can bound are null.

    ``marks``: by how many votes one ballot can raise a list, and the base.
    """
    line, base = line_of(rule), base_of(rule.base, figures)
    bound = [name for name in able if name not in rule.exempt]
    best = None if levels.best is None else marks * levels.best
    each = {name: _selection(line, able[name], base, levels, marks) for name in bound}
    between = entering(line, [able[name] for name in bound], base, best) if best is not None else None
    exempt = {name: {"state": "exempt", "decided_by": None} for name in able if name in rule.exempt}
    return {
        "share": str(rule.share),
        "strict": rule.strict,
        "base": "+".join(rule.base),
        "base_votes": base,
        "votes_needed": line.needed(base),
        "exempt": sorted(exempt),
        "minimum_parties": rule.minimum_parties,
        "entering": None if between is None else {"minimum": between.minimum, "maximum": between.maximum},
        "selections": {**each, **exempt},
    }


def _selection(line: Line, votes: int, base: int, levels: Levels, marks: int) -> dict[str, Any]:
    bound, by = decided(line, votes, base, levels, marks)
    return {"state": str(bound.state), "decided_by": by, **flips_document(bound.flips)}


def decided(line: Line, votes: int, base: int, levels: Levels, marks: int) -> tuple[ThresholdBound, str | None]:
    """The strongest statement, and the level that it rests on (None: nothing is decided)."""
    found: ThresholdBound | None = None
    for by, most in (("register", levels.bound.register), ("issued", levels.bound.issued)):
        made = threshold(line, votes, base, None if most is None else marks * most)
        if made.state in DECIDED:
            return made, by
        found = found if found is not None and found.state is State.OPEN else made
    assert found is not None  # noqa: S101 - two levels were looked at
    return found, None


def flips_document(flips: Flips) -> dict[str, int | None]:
    """Votes that would change sides, as the snapshot names them."""
    return {
        "flip_new_votes": flips.new_votes,
        "flip_corrected_votes": flips.struck_off,
        "flip_moved_votes": flips.moved,
    }


def admitted(rule: Threshold, name: str, figures: Figures, outstanding: int | None) -> tuple[bool, bool]:
    """(surely passes, may pass) this threshold or one of its alternatives, by votes of these figures alone.

    A base of registered voters stands still; a clause on districts won can always still be met (``may``).
    """
    if name in rule.exempt:
        return True, True
    votes = figures.votes.get(name, 0)
    line, base = line_of(rule), base_of(rule.base, figures)
    if outstanding is None:
        sure, may = False, True
    elif rule.base == (REGISTERED,):
        sure, may = line.passed(votes, base), line.passed(votes + outstanding, base)
    else:
        sure, may = line.sure(votes, base, outstanding), line.possible(votes, base, outstanding)
    return sure, may or rule.district_wins is not None
