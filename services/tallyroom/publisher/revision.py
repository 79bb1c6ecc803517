"""The head of a revision: its number, the log offsets it covers, and the hash of everything in it."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom import __version__
from tallyroom.publisher.cut import View
from tallyroom.store.base import StoreMeta
from tallyroom.tabulation.plan import Plan

_TALLIES: Final = ("accepted", "superseded", "duplicates", "late", "decreases", "aside", "quarantined")


class Hashes(msgspec.Struct, frozen=True):
    """What the figures come from. ``content``: SHA-256 over all documents; wall time is not part of it."""

    content: str
    definition: str
    build: str
    configuration: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Head of a revision as stored and, without ``documents``, ``changed`` and ``log``, as published."""

    election: str
    environment: str
    revision: int
    generated_at: datetime
    clock: datetime | None
    as_of: dict[str, dict[str, int]]
    definition: str
    store_id: str
    hashes: Hashes
    events: dict[str, int]  # what became of the events of the prefix
    quarantined: dict[str, int]  # by reason code
    documents: dict[str, str]  # name -> hash
    changed: list[str]
    log: dict[str, str]  # partition -> fingerprint of record 0: a revision belongs to one log


class Moment(NamedTuple):
    """A revision: its number, when it was made, and the election time that its documents were derived at (None: not known)."""

    number: int
    at: datetime
    clock: datetime | None


def make_head(
    view: View, plan: Plan, store: StoreMeta, moment: Moment, documents: dict[str, str], changed: list[str]
) -> Head:
    """The head of a revision of what the view read last; ``documents``: name -> hash, ``changed``: those that are others."""
    events = dict.fromkeys(_TALLIES, 0)
    refusals = Counter[str]()
    for part in view.partitions.values():
        for name in _TALLIES:
            events[name] += getattr(part.tallies, name)
        refusals.update(part.refusals)
    return Head(
        election=plan.election,
        environment=plan.environment,
        revision=moment.number,
        generated_at=moment.at,
        clock=moment.clock,
        as_of={"events": as_of(view)},
        definition=plan.chain,
        store_id=store.store_id,
        hashes=Hashes(content_hash(documents), plan.chain, __version__, store.definition),
        events=events,
        quarantined=dict(refusals),
        documents=documents,
        changed=changed,
        log={str(number): part.first for number, part in view.partitions.items() if part.first},
    )


def as_of(view: View) -> dict[str, int]:
    """Next offset by partition, as a head has it."""
    return {str(number): offset for number, offset in view.offsets().items()}


def document_hash(data: bytes) -> str:
    """What a document is recognised by: the first 128 bits of its SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()[:32]


def content_hash(documents: Mapping[str, str]) -> str:
    """SHA-256 (hex) over the names and hashes of all documents, sorted by name."""
    summed = hashlib.sha256()
    for name, digest in sorted(documents.items()):
        summed.update(f"{name}={digest}\n".encode())
    return summed.hexdigest()


def encode(document: Any) -> bytes:
    """A document as JSON: keys in the order given, no whitespace."""
    return msgspec.json.encode(document)
