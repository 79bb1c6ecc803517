"""Units whose figures are in no total, and reports that wait to be judged again: by name, with the voters behind them.

A reader sees what is missing and why: a sheet with objections, an annulled station, a protocol that does not add up, a station
that the definition does not know.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tallyroom.results.ledger import Visible, area_of
from tallyroom.tabulation.plan import ContestPlan, Plan

LISTED: Final = 200
"""Units that the snapshot names for each contest; all of them stand in the contest's own document."""

WAITING: Final = "waiting"


def apart_section(documents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The snapshot's ``units_apart`` from the contests' documents; contests without any are left out."""
    return [{**found, "units": found["units"][:LISTED]} for found in documents if found["units"]]


def apart_document(
    plan: Plan,
    contest: ContestPlan,
    units: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    rejected: Collection[str],
    visible: Visible,
) -> dict[str, Any]:
    """Everything apart of one contest. ``units``: ``apart`` and ``waiting`` of it (`results.facts.Facts`); ``rejected``: places in
    the log (PARTITION:OFFSET) of reports that the operator decided not to take."""
    apart, waiting = units
    shown = [
        *_apart(contest, apart, visible),
        *_waiting(plan, contest, (item for item in waiting if _place(item) not in rejected), visible),
    ]
    states = Counter(item["state"] for item in shown)
    return {"contest": contest.id, "count": len(shown), "states": dict(sorted(states.items())), "units": shown}


def rejected_places(asides: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Places in the log that an operator rejected."""
    return frozenset(event["target"] for event in asides if event["type"] == "desk" and event["act"] == "reject")


def _apart(contest: ContestPlan, apart: Iterable[Mapping[str, Any]], visible: Visible) -> Iterator[dict[str, Any]]:
    for item in apart:
        if item["unit"] in contest.contest.closed_units or item["unit"] not in contest.contest.units:
            continue  # by an amendment it is expected no more: then it is missing nowhere
        area = area_of(contest, item)
        if visible(area):
            yield {
                "unit": item["unit"],
                "area": area,
                "group": item.get("group"),
                "state": item["disposition"],
                "code": None,
                "reason": item.get("reason"),
                "voters_registered": item.get("registered"),
                "ballots_cast": item.get("cast"),
                "version": item.get("version"),
                "at": item.get("at"),
            }


def _waiting(
    plan: Plan, contest: ContestPlan, waiting: Iterable[Mapping[str, Any]], visible: Visible
) -> Iterator[dict[str, Any]]:
    for item in waiting:
        unit = plan.units.get(item["unit"])
        known = item["unit"] in contest.contest.units
        area = area_of(contest, item) if known else None
        if visible(area or contest.root):
            yield {
                "unit": item["unit"],
                "area": area,
                "group": item.get("group"),
                "state": WAITING,
                "code": item["code"],
                "reason": None,
                "voters_registered": unit.registered if unit is not None and known else None,
                "ballots_cast": None,
                "version": item.get("version"),
                "at": item.get("at"),
            }


def _place(item: Mapping[str, Any]) -> str:
    return f"{item['partition']}:{item['offset']}"
