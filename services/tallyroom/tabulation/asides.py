"""Whether an event that is no report may stand: right election and environment, a source that may send it, known places."""

from collections.abc import Iterable
from typing import Final, cast

from tallyroom.domain.events import DeskAct, Event, Refusal
from tallyroom.tabulation.desk import objection, too_few
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused

_NAMED: Final = ("contest", "unit", "area")
_LAST_YEAR: Final = 2100


def judge_aside(plan: Plan, event: Event, kind: str) -> Refused | None:
    """Why the event (of type ``kind``) is refused, or None."""
    if event.election != plan.election:
        return Refused(Refusal.WRONG_ELECTION, f"{kind} {event.id}: election {event.election!r}")
    if event.environment != plan.environment:
        detail = f"{kind} {event.id}: {event.environment} data in a {plan.environment} log"
        return Refused(Refusal.WRONG_ENVIRONMENT, detail)
    allowed = plan.may_report.get(event.source)
    if allowed is None:
        return Refused(Refusal.UNKNOWN_SOURCE, f"{kind} {event.id}: source {event.source!r} is not defined")
    if kind not in allowed:
        return Refused(Refusal.WRONG_SOURCE, f"{kind} {event.id}: {event.source!r} may not send a {kind}")
    if not 1970 < event.reported_at.year < _LAST_YEAR:
        return Refused(Refusal.SCHEMA, f"{kind} {event.id}: reported_at {event.reported_at} is outside of 1970 to 2100")
    if kind == "participation" and not _says_turnout(event):
        detail = f"participation {event.id} needs ballots or turnout, and one of area and unit at most"
        return Refused(Refusal.SCHEMA, detail)
    return _by_hand(plan, event, kind) or _places(plan, event, kind) or _selections(plan, event, kind)


def _by_hand(plan: Plan, event: Event, kind: str) -> Refused | None:
    """An act of the desk names enough people and what it is about; so does whatever else names operators.

    Where operators have keys, an amendment needs them always: else one hand could write in another's key.
    """
    operators = getattr(event, "operators", ())
    if kind == "desk" or operators or (kind == "amendment" and plan.operators):
        few = too_few(operators, plan.persons)
        if few is not None:
            return Refused(Refusal.OPERATORS, f"{kind} {event.id}: {few}")
    if kind == "desk":
        found = objection(cast(DeskAct, event))
        if found is not None:
            return Refused(found[0], f"{kind} {event.id}: {found[1]}")
    return None


def _says_turnout(event: Event) -> bool:
    figures = (getattr(event, "ballots", None), getattr(event, "turnout", None))
    places = (getattr(event, "area", None), getattr(event, "unit", None))
    return figures != (None, None) and None in places


def _selections(plan: Plan, event: Event, kind: str) -> Refused | None:
    """Names of selections, measures, bodies and sources that the definition does not have."""
    contest = plan.contests.get(getattr(event, "contest", None) or "")
    if contest is not None:
        named: list[str | None] = [
            *_keys(event, "counts", kind == "control"),
            *_keys(event, "shares", kind == "estimate"),
        ]
        named += [getattr(event, "winner", None), getattr(event, "selection", None)]
        named += [*getattr(event, "winners", ()), *getattr(event, "elected", ())]
        unknown = [name for name in named if name and name not in contest.expected_keys]
        if unknown:
            return Refused(
                Refusal.UNKNOWN_SELECTION, f"{kind} {event.id}: {unknown[0]!r} is not a selection of {contest.id}"
            )
        strange = [name for name in _keys(event, "ballots", kind == "control") if name not in contest.measures]
        if strange:
            return Refused(
                Refusal.UNKNOWN_MEASURE, f"{kind} {event.id}: {strange[0]!r} is not a measure of {contest.id}"
            )
    source = getattr(event, "target_source", None)
    if source is not None and source not in plan.may_report:
        return Refused(Refusal.UNKNOWN_SOURCE, f"{kind} {event.id}: target source {source!r} is not defined")
    return None


def _keys(event: Event, name: str, carried: bool) -> Iterable[str]:
    return getattr(event, name) if carried else ()


def _places(plan: Plan, event: Event, kind: str) -> Refused | None:
    contest, unit, area = (getattr(event, name, None) for name in _NAMED)
    if contest is not None and contest not in plan.contests:
        return Refused(Refusal.UNKNOWN_CONTEST, f"{kind} {event.id}: contest {contest!r} is not in the definition")
    if unit is not None and unit not in plan.units:
        return Refused(Refusal.UNKNOWN_UNIT, f"{kind} {event.id}: unit {unit!r} is not in the definition")
    if area is not None and area not in plan.areas:
        return Refused(Refusal.UNKNOWN_AREA, f"{kind} {event.id}: area {area!r} is not in the definition")
    return None
