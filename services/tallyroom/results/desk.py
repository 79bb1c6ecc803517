"""What acts of the desk change of what is shown: freezes in force, and calls, apart from the data and beside the bound."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tallyroom.results.facts import Place
from tallyroom.results.outcome.document import ContestOutcome
from tallyroom.tabulation.plan import ContestPlan, Plan

Act = Mapping[str, Any]
"""A `desk` event as a decoded JSON object."""


class Freeze(NamedTuple):
    """Why a place stands still, and since when (election time, RFC 3339)."""

    since: str
    text: Mapping[str, str]


def in_order(asides: Iterable[Mapping[str, Any]]) -> list[Act]:
    """The acts of the desk in the order in which they were made: each has a later time than those before it."""
    acts = (event for event in asides if event["type"] == "desk")
    return sorted(acts, key=lambda act: (_time(act["reported_at"]), str(act["id"])))


def _time(text: str) -> datetime:
    """Parsed: as text, 20:00:00.001Z would come before 20:00:00Z."""
    return datetime.fromisoformat(text)


def freezes(plan: Plan, asides: Iterable[Mapping[str, Any]]) -> dict[Place, Freeze]:
    """Every place that is frozen: what was named and all areas below. A thaw names what was frozen, with or without its area."""
    said: dict[Place, Freeze] = {}
    for act in in_order(asides):
        contest = plan.contests.get(act.get("contest") or "")
        if contest is None:
            continue
        place = (contest.id, act.get("area") or contest.root)
        if act["act"] == "freeze":
            said.setdefault(place, Freeze(act["reported_at"], act.get("text", {})))
        elif act["act"] == "thaw":
            said.pop(place, None)
    found: dict[Place, Freeze] = {}
    for (name, area), freeze in sorted(said.items(), key=lambda item: _time(item[1].since)):
        for below in _below(plan.contests[name], area):
            found.setdefault((name, below), freeze)
    return found


def _below(contest: ContestPlan, area: str) -> Iterable[str]:
    yield area
    for child in contest.children.get(area, ()):
        yield from _below(contest, child)


def calls(
    asides: Iterable[Mapping[str, Any]], outcomes: Mapping[str, ContestOutcome], withheld: Container[Place], plan: Plan
) -> list[dict[str, Any]]:
    """The calls in force, in order: who is called, by the desk and not by the count, and what the bound says of it.

    ``stands``: ``agrees`` if no outstanding ballot can change it, ``contradicted`` if the bound says that somebody else has it,
    else ``open``. ``withheld``: places under embargo, of which no call is shown.
    """
    said: dict[tuple[str, str, str], Act] = {}
    for act in in_order(asides):
        if act["act"] not in ("call", "uncall") or act.get("contest") not in plan.contests:
            continue
        key = (act["contest"], act.get("area") or plan.contests[act["contest"]].root, act["selection"])
        if act["act"] == "call":
            said[key] = act
        else:
            said.pop(key, None)
    return [
        {
            "contest": contest,
            "area": area,
            "selection": selection,
            "called_at": act["reported_at"],
            "text": act.get("text", {}),
            "stands": stands(selection, outcomes.get(contest)) if area == plan.contests[contest].root else "open",
        }
        for (contest, area, selection), act in said.items()
        if (contest, area) not in withheld
    ]


def stands(selection: str, outcome: ContestOutcome | None) -> str:
    """What the bound says of a call."""
    if outcome is None:
        return "open"
    if outcome.winner is not None and outcome.winner["state"] == "decided":
        return "agrees" if outcome.winner["selection"] == selection else "contradicted"
    seat = outcome.seats.get(selection)
    if seat is not None and seat.certain_max == 0:
        return "contradicted"
    return "open"


def released(notes: Sequence[Mapping[str, Any]], withheld: Container[Place], most: int = 50) -> dict[str, Any]:
    """Units whose newest report operators let through: how many, and the newest. Never who they were."""
    shown = [note for note in notes if (note["contest"], note["area"]) not in withheld]
    newest = sorted(shown, key=lambda note: (-note["at"], note["contest"], note["unit"]))
    return {"count": len(shown), "latest": newest[:most]}
