"""Records of the quarantine topic: the refused bytes as they came, with the reason and the source position as headers."""

from tallyroom.log.base import Entry, Record
from tallyroom.tabulation.supersede import Refused


def quarantine_entry(record: Record, refused: Refused, topic: str) -> Entry:
    """The refused record for the same partition of the quarantine topic. Consumers drop doubles by source position."""
    headers = (
        ("tallyroom_reason", str(refused.refusal).encode()),
        ("tallyroom_detail", refused.detail[:1000].encode()),
        ("tallyroom_topic", topic.encode()),
        ("tallyroom_partition", b"%d" % record.partition),
        ("tallyroom_offset", b"%d" % record.offset),
        ("tallyroom_timestamp", b"%d" % record.timestamp),
        *((name, value) for name, value in record.headers if not name.startswith("tallyroom_")),  # ours alone
    )
    return Entry(record.key, record.value or b"", headers, record.partition)
