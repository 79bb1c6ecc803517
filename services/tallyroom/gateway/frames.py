"""Events of the stream, encoded once for all who listen.

``revision`` events carry an ``id``: the whole state (``full``) or what changed since the revision before. ``condition``
events carry none: they say whether what was sent is current, and do not move a client's Last-Event-ID.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from tallyroom.gateway.edition import Document, Edition, contest_with_areas, inside, joined
from tallyroom.gateway.representation import State, instant, stale_member

HEARTBEAT: Final = b": still here\n\n"
OPENING: Final = b"retry: 2000\n\n"
"""Clients reconnect after two seconds."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed from one revision to a later one. ``data`` is a whole event."""

    before: int
    revision: int
    data: bytes


def full(state: State) -> bytes:
    """The whole state as an event."""
    edition = state.edition
    contests = (
        contest_with_areas(
            found, (area.data for document in edition.area_documents(contest.id) for area in document.areas)
        )
        for contest in edition.index.contests
        if (found := edition.contest(contest.id)) is not None
    )
    return _revision(state, full=True, beside=edition.beside.values(), contests=contests)


def delta(before: State, now: State) -> Delta:
    """What is different: contests that changed, each with its changed areas; the members beside the contests that changed.

    A new definition, or an area that is gone, cannot be said as a change: then the event is full.
    """
    old, new = before.edition, now.edition
    if new.documents["definition"] is not old.documents.get("definition") or _lost(old, new):
        return Delta(old.number, new.number, full(now))
    beside = (document for name, document in new.beside.items() if document is not old.documents.get(name))
    data = _revision(now, full=False, beside=beside, contests=_changed_contests(old, new))
    return Delta(old.number, new.number, data)


def condition(state: State) -> bytes:
    """Whether what was sent is current."""
    stale = None if state.stale_since is None else instant(state.stale_since)
    said = {"environment": state.edition.head.environment, "revision": state.edition.number, "stale_since": stale}
    return _event("condition", msgspec.json.encode(said))


def _changed_contests(old: Edition, new: Edition) -> Iterator[bytes]:
    for key in new.index.contests:
        contest = new.contest(key.id)
        if contest is None:
            continue
        areas = list(_changed_areas(old, new, key.id))
        if areas or contest != old.contest(key.id):
            yield contest_with_areas(contest, iter(areas))


def _changed_areas(old: Edition, new: Edition, contest: str) -> Iterator[bytes]:
    earlier = {id(document) for document in old.documents.values()}
    known: dict[str, bytes] | None = None
    for document in new.area_documents(contest):
        if id(document) in earlier:
            continue
        if known is None:
            known = {area.id: area.data for other in old.area_documents(contest) for area in other.areas}
        yield from (area.data for area in document.areas if known.get(area.id) != area.data)


def _lost(old: Edition, new: Edition) -> bool:
    """Whether a document of the earlier edition is gone, or an areas document has fewer areas than before."""
    for name, document in old.documents.items():
        later = new.documents.get(name)
        if later is None:
            return True
        if later is not document and name.startswith("areas:") and len(later.areas) < len(document.areas):
            return True
    return False


def _revision(state: State, *, full: bool, beside: Iterable[Document], contests: Iterator[bytes]) -> bytes:
    marker = b'"full":true' if full else b'"full":false'
    data = joined(
        state.edition.public,
        stale_member(state),
        marker,
        *(inside(document.data) for document in beside),
        b'"contests":[' + b",".join(contests) + b"]",
    )
    return f"id: {state.edition.number}\n".encode() + _event("revision", data)


def _event(name: str, data: bytes) -> bytes:
    """An event. Stored JSON has no line break; one would end the field early, so data with one is split."""
    lines = b"".join(b"data: " + line + b"\n" for line in data.splitlines())
    return b"event: " + name.encode() + b"\n" + lines + b"\n"
