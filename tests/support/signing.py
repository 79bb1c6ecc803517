"""A small election whose events must be signed, its keys, and records with signatures."""

from dataclasses import replace
from typing import Final

from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import AnyEvent, encode_event
from tallyroom.codec.signatures import SIGNATURE_HEADER, Key
from tallyroom.domain.election import Definition, Signatures, Source, SourceKey
from tallyroom.tabulation.plan import Plan
from tests.support.mini import MINI

HALL: Final = Key("hall-1", bytes(range(32)))
OTHER: Final = Key("other-1", bytes(range(1, 33)))
DESK: Final = Key("desk-1", bytes(range(2, 34)))
STRANGER: Final = Key("hall-1", bytes(range(3, 35)))
"""A key under a name that is another's."""


def public(key: Key) -> SourceKey:
    """The key as the definition has it."""
    return SourceKey(id=key.id, key=key.public)


def signed_definition(**hall: object) -> Definition:
    """MINI with signatures required; ``hall``: fields of the key that the town hall signs with."""
    sources = (
        Source(id="hall", names={}, may_report=("report",), keys=(replace(public(HALL), **hall),)),  # type: ignore[arg-type]
        Source(id="other", names={}, may_report=("report",), keys=(public(OTHER),)),
        Source(id="desk", names={}, may_report=("desk", "amendment"), keys=(public(DESK),)),
    )
    return replace(MINI, sources=sources, signatures=Signatures.REQUIRED)


def signed_plan(**hall: object) -> Plan:
    """Its plan."""
    definition = signed_definition(**hall)
    return Plan(definition, definition_hash(definition))


def headers(signature: bytes) -> tuple[tuple[str, bytes], ...]:
    """Headers of a record with this signature."""
    return (("ce_id", b"7"), (SIGNATURE_HEADER, signature))


def signed(event: AnyEvent, key: Key = HALL) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """The event's bytes and the headers that prove them."""
    value = encode_event(event)
    return value, headers(key.sign(value))
