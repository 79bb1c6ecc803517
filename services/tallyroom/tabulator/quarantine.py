"""Records of the quarantine topic: the refused bytes as they came, with the reason and the source position as headers."""

from collections.abc import Sequence
from typing import Final

from tallyroom.codec.events import MAX_EVENT_BYTES
from tallyroom.log.base import Entry, Record
from tallyroom.tabulation.supersede import Refused

MAX_KEY_BYTES: Final = 1024
MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 * 1024
"""Of the refused record's own headers, names and values together. With a value of ``MAX_EVENT_BYTES`` an entry stays below Kafka's
default limit of a message (1,048,588): a record that the quarantine cannot take would stop its partition for ever."""


def quarantine_entry(record: Record, refused: Refused, topic: str) -> Entry:
    """The refused record for the same partition of the quarantine topic. Consumers drop doubles by source position.

    What is beyond the limits is cut off, and ``tallyroom_cut`` says so: the whole stands at the source position.
    """
    key, value = record.key, record.value or b""
    own = [item for item in record.headers if not item[0].startswith("tallyroom_")]  # those are ours alone
    kept = _first(own)
    headers = [
        ("tallyroom_reason", str(refused.refusal).encode()),
        ("tallyroom_detail", refused.detail[:1000].encode("utf-8", "replace")),
        ("tallyroom_topic", topic.encode()),
        ("tallyroom_partition", b"%d" % record.partition),
        ("tallyroom_offset", b"%d" % record.offset),
        ("tallyroom_timestamp", b"%d" % record.timestamp),
    ]
    if len(value) > MAX_EVENT_BYTES or len(key or b"") > MAX_KEY_BYTES or len(kept) < len(own):
        lengths = (len(value), len(key or b""), len(own))
        headers.append(("tallyroom_cut", b"value %d, key %d, headers %d" % lengths))
    return Entry(
        None if key is None else key[:MAX_KEY_BYTES], value[:MAX_EVENT_BYTES], (*headers, *kept), record.partition
    )


def _first(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    """As many of the headers, from the first, as the limits let pass."""
    kept: list[tuple[str, bytes]] = []
    room = MAX_HEADER_BYTES
    for name, value in headers[:MAX_HEADERS]:
        room -= len(name.encode("utf-8", "replace")) + len(value or b"")
        if room < 0:
            break
        kept.append((name, value or b""))
    return kept
