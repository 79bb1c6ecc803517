"""Turnout bulletins, exit polls and declarations beside the counts: as they were sent, newest version each, never mixed in.

What is under embargo stays out until its time has come on the election clock (`tallyroom.results.release`).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from tallyroom.results.release import Releases, is_before

_SECTIONS: Final = {
    "participation": "turnout",
    "estimate": "estimates",
    "declaration": "declared",
    "control": "declared",
}
_LEFT_OUT: Final = frozenset({"type", "election", "environment", "evidence", "ext", "operators"})


class Sections:
    """The sections again only when an event came, a release passed or an embargo moved: bulletins are few, revisions many."""

    def __init__(self) -> None:
        self._known: tuple[Any, ...] = ()
        self._until: datetime | None = None
        self._made: dict[str, list[dict[str, Any]]] = {}

    def shown(
        self, events: Collection[Mapping[str, Any]], now: datetime | None, releases: Releases | None
    ) -> dict[str, list[dict[str, Any]]]:
        """`sections` of these events."""
        known = (releases, tuple(event["id"] for event in events), now is None)
        if known != self._known or (now is not None and self._until is not None and now >= self._until):
            self._known, self._made = known, sections(events, now, releases)
            times = (releases.aside_at(event) for event in events) if releases is not None and now is not None else ()
            self._until = min((at for at in times if is_before(now, at) and at is not None), default=None)
        return dict(self._made)


def sections(
    events: Iterable[Mapping[str, Any]], now: datetime | None, releases: Releases | None
) -> dict[str, list[dict[str, Any]]]:
    """Snapshot sections from decoded events (JSON objects), each ordered by the time it was reported.

    Of several versions of the same bulletin, estimate or control the highest version is shown; declarations all are.
    ``releases``: when each may be seen; None: everything now.
    """
    newest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for event in events:
        if event["type"] not in _SECTIONS or (releases is not None and is_before(now, releases.aside_at(event))):
            continue
        key = _subject(event)
        if key not in newest or event.get("version", 1) >= newest[key].get("version", 1):
            newest[key] = event
    made: dict[str, list[dict[str, Any]]] = {"turnout": [], "estimates": [], "declared": []}
    for event in sorted(
        newest.values(), key=lambda item: (datetime.fromisoformat(item["reported_at"]), str(item["id"]))
    ):
        shown = {name: value for name, value in event.items() if name not in _LEFT_OUT}
        if _SECTIONS[event["type"]] == "declared":
            shown = {"kind": event["type"], **shown}
        made[_SECTIONS[event["type"]]].append(shown)
    return made


def _subject(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the event is about: events about the same supersede each other by version."""
    match event["type"]:
        case "participation":
            return (
                "participation",
                event["source"],
                datetime.fromisoformat(event["as_of"]),
                event.get("contest"),
                event.get("area"),
                event.get("unit"),
                event["measure"],
            )
        case "estimate":
            return ("estimate", event["pollster"], event["method"], event["contest"], event.get("area"))
        case "control":
            return ("control", event["contest"], event["area"], event["source"])
        case _:
            return ("declaration", event["id"])
