"""Snapshots and definitions as bytes: joined from stored documents, one per filter, kept while the state lasts."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from tallyroom.gateway.edition import Edition, contest_with_areas, inside, joined
from tallyroom.gateway.encoding import Resource
from tallyroom.gateway.query import Filter

JSON: Final = "application/json"

_MOST_BYTES: Final = 64_000_000
_MOST_ENTRIES: Final = 256
"""Bounds of what is kept per state: anyone may ask for any combination of filters."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_objects: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


@dataclass(frozen=True, slots=True)
class State:
    """What a gateway shows: a revision, and since when it may be out of date (None: it is current)."""

    edition: Edition
    stale_since: datetime | None = None


class Shelf:
    """Resources by key, made when first asked for; the least recently asked for goes first when there are too many."""

    def __init__(self, most_entries: int = _MOST_ENTRIES, most_bytes: int = _MOST_BYTES) -> None:
        self._entries: OrderedDict[Hashable, Resource] = OrderedDict()
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], Resource]) -> Resource:
        """The resource of this key."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
            return found
        made = self._entries[key] = make()
        self._bytes += made.size
        while len(self._entries) > 1 and (len(self._entries) > self._most_entries or self._bytes > self._most_bytes):
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= dropped.size
        return made

    def known(self, key: Hashable) -> Resource | None:
        """The resource of this key, None if nobody has asked for it yet."""
        return self._entries.get(key)

    def clear(self) -> None:
        """Forget everything: the state changed."""
        self._entries.clear()
        self._bytes = 0


def instant(value: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def snapshot(state: State, wanted: Filter) -> Resource:
    """The snapshot: head, ``stale_since`` if it is, the election's members, contests in the definition's order."""
    edition = state.edition
    levels = edition.index.levels()
    contests: list[bytes] = []
    for contest in edition.index.contests:
        found = edition.contest(contest.id)
        if found is None or not wanted.takes_contest(contest, levels):
            continue
        areas = (
            area.data
            for document in edition.area_documents(contest.id)
            for area in document.areas
            if wanted.whole or wanted.takes_area(area.id, area.level)
        )
        contests.append(contest_with_areas(found, areas))
    return Resource(
        joined(
            edition.public,
            stale_member(state),
            *(inside(document.data) for document in edition.beside.values()),
            b'"contests":[' + b",".join(contests) + b"]",
        ),
        JSON,
    )


def stale_member(state: State) -> bytes:
    """``"stale_since":...``, or nothing while the state is current."""
    return b"" if state.stale_since is None else f'"stale_since":"{instant(state.stale_since)}"'.encode()


def definition(edition: Edition, *, units: bool) -> Resource:
    """The election definition as stored; without ``units``: no list of units and no contest's unit map."""
    data = edition.definition.data
    if not units:
        members = _members.decode(data)
        members.pop("units", None)
        contests = _objects.decode(members["contests"])
        for contest in contests:
            contest.pop("units", None)
            contest.pop("unit_sources", None)
        data = msgspec.json.encode({**members, "contests": contests})
    chain = (("tallyroom-definition", edition.head.definition),)
    return Resource(data, JSON, extra=chain)


def elections(state: State) -> Resource:
    """The list of elections that this gateway serves: one."""
    edition = state.edition
    base = f"/v1/elections/{edition.head.election}"
    entry = {
        "election": edition.head.election,
        "environment": edition.head.environment,
        "names": edition.index.names,
        "revision": edition.number,
        "generated_at": instant(edition.head.generated_at),
        "definition": f"{base}/definition",
        "snapshot": f"{base}/snapshot",
        "stream": f"{base}/stream",
    }
    return Resource(msgspec.json.encode({"elections": [entry]}), JSON)
