"""Which flags a unit carries after a report or an amendment, given those that it carried before. Pure: part of the fold."""

from collections.abc import Sequence
from operator import lt
from typing import Final, NamedTuple

from tallyroom.domain.events import Disposition, Kind, Refusal
from tallyroom.domain.plausibility import INFLATING, Flag
from tallyroom.tabulation.plan import Figures, Leaf
from tallyroom.tabulation.plausible import Flagged
from tallyroom.tabulation.supersede import REGISTERED, Refused, State, disposition_of, kind_of

_OF_STATE: Final = frozenset({Flag.CAST_OVER_REGISTERED, Flag.INVALID_SHARE, Flag.SWING})
"""What figures and definition say by themselves, whatever was before."""


class Doubt(NamedTuple):
    """The flags that a unit carries from here on, all of them; none: they are settled. ``at``: reported_at, ms since the epoch."""

    offset: int
    leaf: Leaf
    version: int
    at: int
    flags: tuple[Flagged, ...]
    raised: tuple[Flag, ...]  # codes that it did not carry before


def doubts(
    leaf: Leaf,
    steps: tuple[Figures | None, Figures],
    state: State,
    waived: Sequence[Refused] | None,
    explained: bool,
) -> list[Flagged]:
    """What is doubtful about a report; ``steps``: what the unit brought before (None: nothing yet) and brings with it.

    ``explained``: the report gives a reason, so that a retraction is not a unit that silently vanished.
    """
    before, now = steps
    found = [Flagged(Flag(item.refusal), item.detail.partition(": ")[2] + ".", {}) for item in waived or ()]
    found += _of_state(leaf, state, now)
    if before is None:
        return found
    found += leaf.plan.rules.of_step(before, now)
    if disposition_of(state) is Disposition.COUNTED and not (explained and kind_of(state) is Kind.RETRACTION):
        found += leaf.plan.rules.emptied(before, now)
    return found


def refusal(leaf: Leaf, found: Sequence[Flagged]) -> Refused | None:
    """Why the contest's definition refuses a report of which this is doubtful, if it does."""
    for flagged in found:
        if flagged.code in leaf.plan.rules.refuse:
            return Refused(Refusal(str(flagged.code)), f"{leaf.name}: {flagged.text}")
    return None


def after_report(
    steps: tuple[Figures | None, Figures], found: Sequence[Flagged], carried: tuple[Flagged, ...]
) -> tuple[Flagged, ...]:
    """The flags that a unit carries after an accepted report.

    A flag about a step (`INFLATING`) stays until a report lowers figures: as long as what it inflated may still be there.
    """
    before, now = steps
    if before is None or any(map(lt, now, before)):
        return tuple(found)
    codes = {flagged.code for flagged in found}
    return (*found, *(flagged for flagged in carried if flagged.code in INFLATING - codes))


def after_amendment(leaf: Leaf, state: State, figures: Figures, carried: tuple[Flagged, ...]) -> tuple[Flagged, ...]:
    """The flags after the definition changed around a unit that sent nothing new."""
    kept = [flagged for flagged in carried if flagged.code not in _OF_STATE]
    codes = {flagged.code for flagged in kept}
    return (*kept, *(flagged for flagged in _of_state(leaf, state, figures) if flagged.code not in codes))


def doubt(place: tuple[int, Leaf], state: State, flags: tuple[Flagged, ...], carried: tuple[Flagged, ...]) -> Doubt:
    """The change of a unit's flags; ``place``: log offset and leaf."""
    known = {flagged.code for flagged in carried}
    raised = tuple(flagged.code for flagged in flags if flagged.code not in known)
    offset, leaf = place
    return Doubt(offset, leaf, state[0], state[1], flags, raised)


def _of_state(leaf: Leaf, state: State, figures: Figures) -> list[Flagged]:
    rules, reported = leaf.plan.rules, state[REGISTERED]
    if reported < 0 or leaf.secondary:
        return list(rules.of_state(leaf.unit, figures, leaf.most_cast, leaf.registered))
    return list(rules.of_state(leaf.unit, figures, rules.most_cast(reported, leaf.group), reported))
