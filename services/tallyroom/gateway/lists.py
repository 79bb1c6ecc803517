"""Lists that are too long for the snapshot: all corrections, all units apart, and the revisions that this gateway has shown."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tallyroom.gateway.edition import Edition, inside, joined
from tallyroom.gateway.encoding import Resource
from tallyroom.gateway.problem import Problem
from tallyroom.gateway.query import Filter
from tallyroom.gateway.representation import JSON, State, stale_member
from tallyroom.results.documents import APART, LEDGER

LISTS: Final = {"corrections": LEDGER, "units-apart": APART}
"""Resource -> what the names of its documents begin with."""

_REMEMBERED: Final = 2000
"""Revisions kept for ``history``: a night's worth at the pace of its busiest hours, some hundred bytes each."""

_HEAD: Final = ("revision", "generated_at", "clock", "as_of", "definition", "hashes")
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def listed(state: State, resource: str, wanted: Filter) -> Resource:
    """The documents of the contests that are asked for, as they were stored, in the definition's order."""
    edition = state.edition
    asked = [key.id for key in edition.index.contests if wanted.contests is None or key.id in wanted.contests]
    found = (edition.documents.get(LISTS[resource] + contest) for contest in asked)
    contests = b",".join(document.data for document in found if document is not None)
    return Resource(joined(_head(edition), stale_member(state), b'"contests":[' + contests + b"]"), JSON)


def _head(edition: Edition) -> bytes:
    head = edition.head
    members = {"election": head.election, "environment": head.environment, "revision": edition.number}
    return inside(msgspec.json.encode(members))


class History:
    """The revisions that this gateway has shown, oldest first, each with the contests that it changed."""

    def __init__(self) -> None:
        self._revisions: deque[tuple[int, bytes]] = deque(maxlen=_REMEMBERED)

    def moved(self, before: State | None, now: State) -> None:
        """The feed has a new state."""
        if before is not None and before.edition is now.edition:
            return
        edition = now.edition
        members = _members.decode(b"{" + edition.public + b"}")
        changed = _changed(before.edition.documents if before is not None else {}, edition)
        entry: dict[str, Any] = {**{name: members[name] for name in _HEAD if name in members}, "contests": changed}
        self._revisions.append((edition.number, msgspec.json.encode(entry)))

    def since(self, state: State, revision: int) -> Resource:
        """Revisions after this one. Raises Problem 410 if that is further back than is remembered."""
        first = self._revisions[0][0]
        if revision and revision < first - 1:
            raise Problem(
                410, "too-old", "Too far back", f"Revisions from {first} on are remembered here.", {"first": first}
            )
        entries = b",".join(data for number, data in self._revisions if number > revision)
        return Resource(joined(_head(state.edition), f'"first":{first},"revisions":['.encode() + entries + b"]"), JSON)


def _changed(before: Mapping[str, Any], now: Edition) -> list[str]:
    """Contests of which a document is another one, in the definition's order."""
    names: Iterable[str] = (name for name, document in now.documents.items() if before.get(name) is not document)
    touched = {name.split(":", 2)[1] for name in names if name.startswith(("contest:", "areas:"))}
    return [key.id for key in now.index.contests if key.id in touched]
