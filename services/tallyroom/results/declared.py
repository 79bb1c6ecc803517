"""What the authority declared beside what the counts make of it: totals, seats and winners, with the difference.

A declaration that says otherwise than the one before is told as such, with whether votes changed in between: in 2023 one party went
from 63 seats to 62 within a week, and no vote had changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tallyroom.domain.checks import REGISTERED
from tallyroom.results.areas import leading
from tallyroom.results.facts import Place
from tallyroom.results.register import Expectation
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Column, Row

Seats = Mapping[str, int]
_FIGURES: Final = ("counts", "ballots")

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """Ours. ``seats``: by contest, ``houses``: by body, both by selection or party; what is missing is not known (yet)."""

    plan: Plan
    totals: Mapping[Place, Row]
    expected: Mapping[str, Mapping[str, Expectation]]
    seats: Mapping[str, Seats]
    houses: Mapping[str, Seats]
    corrections: Mapping[str, Sequence[Event]]
    impossible: Mapping[str, str]  # declaration -> where the contest stood when it could not be made


def beside_computed(shown: Sequence[Event], asides: Iterable[Event], ours: Computed) -> list[dict[str, Any]]:
    """The declared items of a snapshot with ``computed``, ``difference``, ``agrees`` and ``changed`` (from an earlier one).

    ``shown``: control totals and declarations as they stand in the snapshot; ``asides``: all events, also superseded controls.
    """
    controls = sorted((item for item in asides if item["type"] == "control"), key=_when)
    made = []
    for index, item in enumerate(shown):
        if item["kind"] == "control":
            made.append({**item, **_control(item, ours), "changed": _control_changed(item, controls)})
        else:
            made.append({**item, **_declaration(item, ours), "changed": _changed(item, shown[:index], controls, ours)})
    return made


def _control(item: Event, ours: Computed) -> dict[str, Any]:
    """A declared total against the sum of the units, for the figures that it names."""
    contest = ours.plan.contests[item["contest"]]
    if item["area"] not in contest.contest.areas:
        return _nothing()
    row = ours.totals.get((contest.id, item["area"]), (0,) * contest.width)
    computed: dict[str, Any] = {}
    difference: dict[str, Any] = {}
    for kind in _FIGURES:
        known = {name: row[contest.column(name)] for name in item.get(kind, {})}
        computed[kind] = known
        difference[kind] = {name: item[kind][name] - value for name, value in known.items()}
    expected = ours.expected[contest.id][item["area"]]
    whole = {
        REGISTERED: expected.registered + row[Column.REGISTERED_CHANGE],
        "units_reported": row[Column.COMPLETE],
    }
    for name, value in whole.items():
        if item.get(name) is not None:
            computed[name], difference[name] = value, item[name] - value
    computed["units"] = {"reported": row[Column.COMPLETE], "expected": expected.units}
    return {"computed": computed, "difference": difference, "agrees": not any(_leaves(difference))}


def _declaration(item: Event, ours: Computed) -> dict[str, Any]:
    """Seats or a winner against ours; of other acts there is nothing to compute."""
    found = _nothing()
    if item.get("seats"):
        known = _our_seats(item, ours)
        if known is not None:
            named = {name: known.get(name, 0) for name in item["seats"]}
            difference = {name: seats - named[name] for name, seats in item["seats"].items()}
            found = {
                "computed": {"seats": named},
                "difference": {"seats": difference},
                "agrees": not any(difference.values()),
            }
    elif item.get("winner") and item.get("contest") in ours.plan.contests:
        found = _winner(item, ours)
    stood = ours.impossible.get(item["id"])
    return found if stood is None else {**found, "impossible": stood}


def _winner(item: Event, ours: Computed) -> dict[str, Any]:
    contest = ours.plan.contests[item["contest"]]
    area = item.get("area") or contest.root
    row = ours.totals.get((contest.id, area))
    leader = None if row is None else leading(contest, row)
    if leader is None:
        return _nothing()
    agrees = leader["selections"] == [item["winner"]]
    return {"computed": {"leading": leader}, "difference": {}, "agrees": agrees}


def _our_seats(item: Event, ours: Computed) -> Seats | None:
    if item.get("body") is not None:
        return ours.houses.get(item["body"])
    contest = item.get("contest")
    root = contest is not None and item.get("area") in (None, ours.plan.contests[contest].root)
    return ours.seats.get(contest) if contest is not None and root else None


def _changed(item: Event, earlier: Sequence[Event], controls: Sequence[Event], ours: Computed) -> dict[str, Any] | None:
    """What the declaration says otherwise than the last one about the same; None if it is the first, or says the same."""
    before = next((other for other in reversed(earlier) if _is_about_the_same(other, item)), None)
    if before is None:
        return None
    both = [name for name in item.get("seats", {}) if name in before.get("seats", {})]
    seats = {
        name: {"before": before["seats"][name], "now": item["seats"][name]}
        for name in both
        if before["seats"][name] != item["seats"][name]
    }
    found: dict[str, Any] = {"from": before["id"], "reported_at": before["reported_at"]}
    if seats:
        found["seats"] = seats
    if item.get("winner") and before.get("winner") and item["winner"] != before["winner"]:
        found["winner"] = {"before": before["winner"], "now": item["winner"]}
    return {**found, "votes": _votes_between(before, item, controls, ours)} if len(found) > 2 else None


def _is_about_the_same(other: Event, item: Event) -> bool:
    """Whether both say something of the same seats or winner."""
    if other["kind"] != "declaration" or any(other.get(n) != item.get(n) for n in ("contest", "body")):
        return False
    return bool(other.get("seats") and item.get("seats")) or bool(other.get("winner") and item.get("winner"))


def _votes_between(before: Event, item: Event, controls: Sequence[Event], ours: Computed) -> dict[str, Any]:
    """Whether votes changed between two declarations: by the authority's own totals, and by corrections of ours.

    ``declared``: None if no totals were declared by both times. ``corrected_units``: corrections accepted in between.
    """
    body = next((one for one in ours.plan.definition.bodies if one.id == item.get("body")), None)
    contests = body.contests if body is not None else tuple(filter(None, [item.get("contest")]))
    first, last = _when(before)[0], _when(item)[0]
    then, now = _declared_totals(controls, contests, first), _declared_totals(controls, contests, last)
    known = then.keys() & now.keys()
    corrected = [
        entry
        for contest in contests
        for entry in ours.corrections.get(contest, ())
        if first.timestamp() * 1000 < entry["at"] <= last.timestamp() * 1000
    ]
    return {
        "declared": any(then[key] != now[key] for key in known) if known else None,
        "corrected_units": len({(entry["contest"], entry["unit"]) for entry in corrected}),
    }


def _declared_totals(controls: Sequence[Event], contests: Iterable[str], at: datetime) -> dict[tuple[str, str], Any]:
    """The newest totals declared by this time, by contest and area."""
    named = set(contests)
    found: dict[tuple[str, str], Any] = {}
    for item in controls:
        if item["contest"] in named and _when(item)[0] <= at:
            found[item["contest"], item["area"]] = {kind: item.get(kind, {}) for kind in _FIGURES}
    return found


def _control_changed(item: Event, controls: Sequence[Event]) -> dict[str, Any] | None:
    """What a declared total says otherwise than its version before; None if there is none, ``figures`` empty: the same again."""
    subject = ("contest", "area", "source")
    versions = [other for other in controls if all(other[name] == item[name] for name in subject)]
    before = [other for other in versions if other.get("version", 1) < item.get("version", 1)]
    if not before:
        return None
    last = max(before, key=lambda other: other.get("version", 1))
    figures = {
        name: {"before": last[kind][name], "now": value}
        for kind in _FIGURES
        for name, value in item.get(kind, {}).items()
        if name in last.get(kind, {}) and last[kind][name] != value
    }
    return {"from": last["id"], "reported_at": last["reported_at"], "figures": figures}


def _nothing() -> dict[str, Any]:
    return {"computed": None, "difference": None, "agrees": None}


def _when(event: Event) -> tuple[datetime, str]:
    return datetime.fromisoformat(event["reported_at"]), event["id"]


def _leaves(difference: Mapping[str, Any]) -> Iterable[int]:
    for value in difference.values():
        yield from value.values() if isinstance(value, Mapping) else (value,)
