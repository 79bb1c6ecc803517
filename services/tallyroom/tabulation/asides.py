"""Whether an event that is no report may stand: right election and environment, a source that may send it, known places."""

from typing import Final, Protocol

from tallyroom.domain.events import Refusal
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused


class Event(Protocol):
    """What every event carries."""

    @property
    def id(self) -> str: ...
    @property
    def election(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def source(self) -> str: ...


_NAMED: Final = ("contest", "unit", "area")


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
    return _places(plan, event, kind)


def _places(plan: Plan, event: Event, kind: str) -> Refused | None:
    contest, unit, area = (getattr(event, name, None) for name in _NAMED)
    if contest is not None and contest not in plan.contests:
        return Refused(Refusal.UNKNOWN_CONTEST, f"{kind} {event.id}: contest {contest!r} is not in the definition")
    if unit is not None and unit not in plan.units:
        return Refused(Refusal.UNKNOWN_UNIT, f"{kind} {event.id}: unit {unit!r} is not in the definition")
    if area is not None and area not in plan.areas:
        return Refused(Refusal.UNKNOWN_AREA, f"{kind} {event.id}: area {area!r} is not in the definition")
    return None
