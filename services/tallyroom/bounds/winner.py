"""Who wins: one seat by plurality, or M seats for the M highest with up to k marks a ballot.

Only selections that can win belong in the counts (no votes against all, no aggregates). A tie for the last seat goes to lots:
it is no sure win and no sure defeat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tallyroom.bounds.flips import NEVER, Flips
from tallyroom.bounds.threshold import Between


class Place(StrEnum):
    """Where a candidate stands now."""

    IN = "in"
    LOTS = "lots"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluralityBound:
    """``leaders``: several are a tie, none: nobody stands. ``margin``: votes ahead of the next.

    ``sure``: no outstanding ballot can undo it. ``to_tie``: what would put it to lots at least; ``to_lose``: what would make
    the next one the sole winner.
    """

    leaders: tuple[str, ...]
    margin: int
    sure: bool
    to_tie: Flips
    to_lose: Flips


@dataclass(frozen=True, slots=True, kw_only=True)
class TopBound:
    """One candidate for M seats. ``flips``: what would take a place that is in from it, lots included, or bring one that is out
    at least to lots; `NEVER` for a place at lots.
    """

    place: Place
    sure_in: bool
    sure_out: bool
    flips: Flips


def plurality(counts: Mapping[str, int], outstanding: int | None) -> PluralityBound:
    """Sure <=> c1 - c2 > O. Exact: the next needs c1 - c2 votes for a tie and may get all that is out.

    ``outstanding`` None: sure only where nobody stands against the leader.
    """
    ordered = sorted(counts.values(), reverse=True)
    leaders = tuple(name for name, count in counts.items() if count == ordered[0])
    if len(ordered) < 2:
        return PluralityBound(leaders=leaders, margin=sum(ordered), sure=bool(ordered), to_tie=NEVER, to_lose=NEVER)
    margin = ordered[0] - ordered[1]
    return PluralityBound(
        leaders=leaders,
        margin=margin,
        sure=outstanding is not None and margin > outstanding,
        to_tie=Flips(new_votes=margin, struck_off=margin, moved=(margin + 1) // 2),
        to_lose=Flips(
            new_votes=margin + 1,
            struck_off=margin + 1 if margin < ordered[0] else None,
            moved=margin // 2 + 1 if ordered[0] else None,
        ),
    )


def top(counts: Mapping[str, int], seats: int, outstanding: int | None, marks: int = 1) -> dict[str, TopBound]:
    """Every candidate for ``seats`` >= 1 seats. ``outstanding`` in ballots, each with one mark a candidate, ``marks`` in all.

    In for sure <=> its M cheapest rivals, d_j = max(0, c_S - c_j), do not satisfy (all d_j <= O and sum of d_j <= kO): O ballots
    of k different marks can be filled with any such d. Out for sure <=> c_S + O < the M-th of its rivals. Both exact.
    """
    ordered = sorted(counts.items(), key=lambda item: item[1], reverse=True)
    found: dict[str, TopBound] = {}
    for name, own in counts.items():
        rivals = [count for other, count in ordered if other != name]
        found[name] = _top(own, rivals, seats, outstanding, marks)
    return found


def places(counts: Mapping[str, int], seats: int, outstanding: int | None, marks: int = 1) -> dict[str, Between]:
    """How many of ``seats`` >= 1 single seats every candidate will have: 0 to 1, 1 where it is sure, 0 where it is surely out.

    What `top` says without the flips.
    """
    ordered = sorted(counts.values(), reverse=True)
    found: dict[str, Between] = {}
    for name, own in counts.items():
        rivals = ordered.copy()
        rivals.remove(own)
        if len(rivals) < seats:
            found[name] = Between(1, 1)
            continue
        sure = outstanding is not None and own > rivals[seats - 1] and _needed(own, rivals[:seats], marks) > outstanding
        out = outstanding is not None and own + outstanding < rivals[seats - 1]
        found[name] = Between(int(sure), int(not out))
    return found


def _needed(own: int, rivals: Sequence[int], marks: int) -> int:
    """Ballots that bring all these rivals level with the candidate."""
    gaps = [max(0, own - count) for count in rivals]
    return max(*gaps, -(-sum(gaps) // marks))


def _top(own: int, rivals: Sequence[int], seats: int, outstanding: int | None, marks: int) -> TopBound:
    if len(rivals) < seats:
        return TopBound(place=Place.IN, sure_in=True, sure_out=False, flips=NEVER)
    last = rivals[seats - 1]
    if own > last:
        gaps = [max(0, own - count) for count in rivals[:seats]]
        ballots = _needed(own, rivals[:seats], marks)
        sure = outstanding is not None and ballots > outstanding
        change = Flips(new_votes=ballots, struck_off=own - last, moved=_moved(gaps))
        return TopBound(place=Place.IN, sure_in=sure, sure_out=False, flips=change)
    if own < last:
        gaps = [max(0, count - own) for count in rivals[seats - 1 :]]
        sure = outstanding is not None and own + outstanding < last
        change = Flips(new_votes=last - own, struck_off=sum(gaps), moved=_moved(gaps))
        return TopBound(place=Place.OUT, sure_in=False, sure_out=sure, flips=change)
    return TopBound(place=Place.LOTS, sure_in=False, sure_out=False, flips=NEVER)


def _moved(gaps: Sequence[int]) -> int:
    """The smallest n with a sum of max(0, gap - n) of at most n: each vote moved closes every gap by one, and one by two."""
    low, high = 0, max(gaps)
    while low < high:
        middle = (low + high) // 2
        if sum(max(0, gap - middle) for gap in gaps) <= middle:
            high = middle
        else:
            low = middle + 1
    return low
