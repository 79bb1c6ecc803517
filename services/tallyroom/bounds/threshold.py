"""Thresholds and quorums: what no outstanding ballot can change, what would, and how many lists will enter.

A share a/b is passed with count c of base V when b*c >= a*V, or b*c > a*V where the law asks for more than the share. Both are
one test of integers: b*c - a*V - s >= 0 with s = 1 if strict, else 0. Of a base without a single vote nobody has any share (s = 1
too, unless a = 0): an empty count does not put every list over 5 %.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from tallyroom.bounds.flips import Flips


class State(StrEnum):
    """Where a selection stands. ``above`` and ``below`` alone: where it stands now, without any hard bound on what is out."""

    ABOVE = "above"
    BELOW = "below"
    OPEN = "open"
    DECIDED_ABOVE = "decided-above"
    DECIDED_BELOW = "decided-below"


@dataclass(frozen=True, slots=True)
class Line:
    """A share from 0 to 1 that must be reached (``strict``: exceeded)."""

    share: Fraction
    strict: bool = False

    def surplus(self, count: int, base: int) -> int:
        """b*c - a*V - s: passed when >= 0."""
        return self.share.denominator * count - self._bar(base)

    def passed(self, count: int, base: int) -> bool:
        """Whether the count passes."""
        return self.surplus(count, base) >= 0

    def needed(self, base: int) -> int:
        """The smallest count that passes: ceil(tV), or floor(tV) + 1 if strict."""
        return _up(self._bar(base), self.share.denominator)

    def _bar(self, base: int) -> int:
        """a*V + s."""
        over = self.strict or (not base and self.share > 0)
        return self.share.numerator * base + over

    def sure(self, count: int, base: int, outstanding: int, marks: int = 1) -> bool:
        """b*c >= a*(V + kO): even if all that is out goes to others. Exact."""
        return self.passed(count, base + marks * outstanding)

    def possible(self, count: int, base: int, outstanding: int) -> bool:
        """b*(c + O) >= a*(V + O): with all that is out, one mark a ballot, and no other mark added. Exact, as a <= b."""
        return self.passed(count + outstanding, base + outstanding)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdBound:
    """Where a selection stands at a threshold. ``votes_needed``: of the base as it is now; ``flips``: what would change sides."""

    state: State
    passing: bool
    votes_needed: int
    flips: Flips


@dataclass(frozen=True, slots=True)
class Between:
    """A number that will be from ``minimum`` to ``maximum``, both included."""

    minimum: int
    maximum: int


def threshold(line: Line, count: int, base: int, outstanding: int | None, marks: int = 1) -> ThresholdBound:
    """State, votes needed and flips of one selection. ``outstanding`` None: no hard bound, the state is never decided.

    ``marks``: by how much one ballot can raise the base at most (1 where the base is ballots); a ballot gives one selection
    one mark at most.
    """
    passing = line.passed(count, base)
    state = State.ABOVE if passing else State.BELOW
    if outstanding is not None:
        state = _state(line.sure(count, base, outstanding, marks), line.possible(count, base, outstanding))
    return ThresholdBound(state=state, passing=passing, votes_needed=line.needed(base), flips=flips(line, count, base))


def quorum(line: Line, count: int, register: int, may_be_added: int | None, outstanding: int | None) -> State:
    """A share of the register R, to which G voters may still be added.

    Decided above: b*c >= a*(R + G). Decided below: b*(c + O) < a*R. An unknown G or O leaves its side undecided.
    """
    above = may_be_added is not None and line.passed(count, register + may_be_added)
    below = outstanding is not None and not line.passed(count + outstanding, register)
    if above or below:
        return _state(above, not below)
    if may_be_added is None or outstanding is None:
        return State.ABOVE if line.passed(count, register) else State.BELOW
    return State.OPEN


def flips(line: Line, count: int, base: int) -> Flips:
    """The fewest votes that put the selection on the other side of the line.

    With D = bc - aV - s. Above (D >= 0): floor(D/a) + 1 new votes for others, floor(D/(b-a)) + 1 of its own struck off, or
    floor(D/b) + 1 of its own moved to others. Below: ceil(-D/(b-a)) new votes for it, ceil(-D/a) votes of others struck off, or
    ceil(-D/b) moved from others to it. None where there are not that many, or striking off would leave no base.
    """
    if not base:
        first = not line.passed(0, 0) and line.passed(1, 1)
        return Flips(new_votes=1 if first else None, struck_off=None, moved=None)
    a, b = line.share.numerator, line.share.denominator
    surplus = line.surplus(count, base)
    if surplus >= 0:
        new, struck, moved = (surplus // step + 1 if step else None for step in (a, b - a, b))
        has = count
    else:
        new, struck, moved = (_up(-surplus, step) if step else None for step in (b - a, a, b))
        has = base - count
    return Flips(new_votes=new, struck_off=_within(struck, min(has, base - 1)), moved=_within(moved, has))


def entering(line: Line, counts: Iterable[int], base: int, outstanding: int, marks: int = 1) -> Between:
    """How many selections pass in the end.

    Minimum: those that are sure; exact where some vote of the base can go to none of the others (another list, against all).
    Maximum: over X in [max(0, kO - b), kO], the most selections with a sum of max(0, needed(V + X) - c) of at most X, cheapest
    first. A window of b is enough: b more votes raise each need by a, and n that pass together have n*a <= b. Exact for k = 1.
    """
    each = tuple(counts)
    sure = sum(line.sure(count, base, outstanding, marks) for count in each)
    hopeful = sorted((count for count in each if line.possible(count, base, outstanding)), reverse=True)
    most = marks * outstanding
    window = range(max(0, most - line.share.denominator), most + 1)
    return Between(sure, max(_passing(line, hopeful, base, added) for added in window))


def _passing(line: Line, counts: Collection[int], base: int, added: int) -> int:
    """How many of the counts, highest first, pass together when ``added`` votes come."""
    needed = line.needed(base + added)
    left = added
    for number, count in enumerate(counts):
        left -= max(0, needed - count)
        if left < 0:
            return number
    return len(counts)


def _state(above: bool, possible: bool) -> State:
    if above:
        return State.DECIDED_ABOVE
    return State.OPEN if possible else State.DECIDED_BELOW


def _up(part: int, whole: int) -> int:
    """The quotient rounded up."""
    return -(-part // whole)


def _within(number: int | None, limit: int) -> int | None:
    return number if number is not None and number <= limit else None
