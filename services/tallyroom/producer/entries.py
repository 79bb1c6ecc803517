"""Log entries from events: the key that decides the partition, and CloudEvents attributes as headers (binary mode)."""

from datetime import datetime
from typing import Final
from urllib.parse import quote

from tallyroom.codec.events import AnyEvent, Undecodable, decode_event, everywhere, partition_key
from tallyroom.codec.signatures import Headers
from tallyroom.log.base import Entry
from tallyroom.recordings.format import TimedEvent

_SPEC: Final = ("ce_specversion", b"1.0")
_JSON: Final = ("content-type", b"application/json")


def headers(event: AnyEvent, at: datetime) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0 attributes of the event (Kafka protocol binding, binary mode); ``at``: when it was sent."""
    return (
        _SPEC,
        ("ce_id", event.id.encode()),
        ("ce_source", quote(f"/tallyroom/{event.election}/{event.source}").encode()),
        ("ce_type", f"org.tallyroom.{event.__struct_config__.tag}.v1".encode()),
        ("ce_time", at.isoformat().encode()),
        _JSON,
    )


def entries_of(event: AnyEvent, value: bytes, at: datetime, partitions: int, more: Headers = ()) -> list[Entry]:
    """The event's record; for an amendment or an act about a source one in every partition.

    ``more``: headers beside the derived ones (its signature).
    """
    key, attributes = partition_key(event), (*headers(event, at), *more)
    if everywhere(event):
        return [Entry(key, value, attributes, partition) for partition in range(partitions)]
    return [Entry(key, value, attributes)]


def recorded_entries(timed: TimedEvent, partitions: int) -> list[Entry]:
    """The records of a recorded event; bytes that are no event go as they are, with the key they were recorded with."""
    try:
        event = decode_event(timed.value)
    except Undecodable:
        attributes = (("ce_time", timed.at.isoformat().encode()), *timed.headers)
        return [Entry(timed.key, timed.value, attributes, timed.partition)]
    if timed.key is not None or timed.partition is not None:
        return [Entry(timed.key, timed.value, (*headers(event, timed.at), *timed.headers), timed.partition)]
    return entries_of(event, timed.value, timed.at, partitions, timed.headers)
