"""The head of a revision: its number, the log offsets it covers, and the hash of everything in it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


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
