"""Explain this jump: the units behind any change between two moments of the log, and what is still out with how it voted before.

A total is a function of {unit -> newest accepted report}; so a change of a total is the sum of what each unit brings more or less.
The units found here add up to the change exactly, whatever happened in between: first reports, corrections, amendments, moves.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tallyroom.domain.events import Disposition
from tallyroom.results.areas import denominator, leading, lines_of, share
from tallyroom.tabulation.plan import ContestPlan, Leaf, Plan
from tallyroom.tabulation.rows import COUNTERS, Column, Row, minus, plus, widened
from tallyroom.tabulation.supersede import State, ballots_of, contribution, disposition_of, kind_of, register_of


@dataclass(frozen=True, slots=True)
class Moment:
    """The log up to somewhere: the definition reached, and the newest accepted state of every unit by leaf name."""

    plan: Plan
    units: Mapping[str, State]


def explain(before: Moment, after: Moment, contest: str, area: str | None = None) -> dict[str, Any]:
    """What changed in an area of a contest (None: the whole) between two moments, unit by unit, the largest change first.

    Raises KeyError for a contest or area that the later definition does not have.
    """
    plan = after.plan.contests[contest]
    place = plan.root if area is None else area
    _ = plan.contest.areas[place]
    rows = _row(before, contest, place, plan.width), _row(after, contest, place, plan.width)
    units = sorted(_units(before, after, contest, place), key=_size, reverse=True)
    return {
        "contest": contest,
        "area": place,
        "before": _standing(plan, rows[0]),
        "after": _standing(plan, rows[1]),
        "difference": _figures(plan, minus(rows[1], rows[0])),
        "amended": before.plan.chain != after.plan.chain,
        "units": units,
        "outstanding": _outstanding(after, plan, place),
    }


def _standing(plan: ContestPlan, row: Row) -> dict[str, Any]:
    base, lines = denominator(plan, row), lines_of(plan.contest.rule)
    return {
        "units_reported": row[Column.COMPLETE],
        "figures": _figures(plan, row),
        "shares": {name: share(row[plan.column(name)], base, lines) for name in plan.selections},
        "leading": leading(plan, row),
    }


def _figures(plan: ContestPlan, row: Row) -> dict[str, int]:
    return dict(zip(plan.figures, row[COUNTERS:], strict=True))


def _row(moment: Moment, contest: str, area: str, width: int) -> Row:
    row: Row = (0,) * width
    for _, leaf, state in _leaves(moment, contest, area):
        row = plus(row, widened(contribution(leaf, state), width))
    return row


def _leaves(moment: Moment, contest: str, area: str) -> Iterator[tuple[str, Leaf, State]]:
    """Leaves of the area that have reported."""
    plan = moment.plan.contests.get(contest)
    within = set(plan.within(area)) if plan is not None and area in plan.contest.areas else set()
    for name, state in moment.units.items():
        if name.partition("|")[0] == contest:
            leaf = moment.plan.leaf_named(name)
            if leaf.area in within:
                yield name, leaf, state


def _units(before: Moment, after: Moment, contest: str, area: str) -> Iterator[dict[str, Any]]:
    """Every unit that brings more or less to the area than before, or is otherwise another one there."""
    plan = after.plan.contests[contest]
    then = {name: (leaf, state) for name, leaf, state in _leaves(before, contest, area)}
    now = {name: (leaf, state) for name, leaf, state in _leaves(after, contest, area)}
    nothing: Row = (0,) * plan.width
    for name in then.keys() | now.keys():
        old, new = then.get(name), now.get(name)
        brought = nothing if old is None else widened(contribution(*old), plan.width)
        brings = nothing if new is None else contribution(*new)
        shown = new or old
        if brought != brings and shown is not None:
            yield {
                **_unit(plan, *shown),
                "change": _change(old, new),
                "version": {"before": None if old is None else old[1][0], "after": None if new is None else new[1][0]},
                "difference": {name: n for name, n in _figures(plan, minus(brings, brought)).items() if n},
            }


def _unit(plan: ContestPlan, leaf: Leaf, state: State) -> dict[str, Any]:
    return {
        "unit": leaf.unit,
        "group": leaf.group,
        "area": leaf.area,
        "kind": str(kind_of(state)),
        "at": state[1],
        "voters_registered": register_of(leaf, state),
        "ballots_cast": ballots_of(leaf, state) if plan.cast_at is not None else None,
    }


def _change(old: tuple[Leaf, State] | None, new: tuple[Leaf, State] | None) -> str:
    """In a word: reported, corrected, or what the definition or a decision did to it."""
    if new is None:
        return "moved-away"
    if old is None:
        return "reported"
    before, after = old[1], new[1]
    if before == after:
        return "amended"
    now = disposition_of(after)
    if now is not Disposition.COUNTED:
        return str(now)
    return "counted" if disposition_of(before) is not Disposition.COUNTED else "superseded"


def _size(unit: Mapping[str, Any]) -> tuple[int, str, str]:
    """How much a unit moves; ties by name, so that equal inputs give equal lists."""
    return sum(map(abs, unit["difference"].values())), unit["unit"], unit["group"] or ""


def _outstanding(moment: Moment, plan: ContestPlan, area: str) -> dict[str, Any]:
    """Units of the area that are still expected, or in with a part or held, and how they voted last time as far as known."""
    within = set(plan.within(area))
    known = {} if plan.contest.previous is None else plan.contest.previous.units
    voted = Counter[str]()
    units: list[dict[str, Any]] = []
    for unit, place in plan.contest.units.items():
        if place not in within or unit in plan.contest.closed_units:
            continue
        for group in plan.contest.count_groups or (None,):
            state = _state(moment, plan, unit, group)
            if state is not None:
                before = known.get(unit) if group in (None, *plan.contest.count_groups[:1]) else None
                voted.update({} if before is None else before.counts)
                units.append({**state, "previous": None if before is None else dict(before.counts)})
    registered = [unit["voters_registered"] for unit in units if unit["voters_registered"] is not None]
    with_previous = sum(unit["previous"] is not None for unit in units)
    total = sum(voted.values())
    return {
        "units": units,
        "count": len(units),
        "voters_registered": sum(registered),
        "without_register": len(units) - len(registered),
        "previous": {
            "units": with_previous,
            "counts": dict(voted),
            "shares": {name: share(votes, total) for name, votes in voted.items()},
        }
        if with_previous
        else None,
    }


def _state(moment: Moment, plan: ContestPlan, unit: str, group: str | None) -> dict[str, Any] | None:
    """How a unit is outstanding; None if it is complete."""
    leaf = moment.plan.leaf(plan, unit, group)
    if leaf is None:
        return None
    state = moment.units.get(leaf.name)
    shown = {"unit": unit, "group": group, "area": leaf.area}
    row = None if state is None else contribution(leaf, state)
    if state is None or row is None or not any(row[:COUNTERS]):  # a retraction is as if it had not reported
        return {**shown, "state": "missing", "voters_registered": leaf.registered}
    how = "partial" if row[Column.PARTIAL] else "held" if row[Column.HELD] else None
    return None if how is None else {**shown, "state": how, "voters_registered": register_of(leaf, state)}
