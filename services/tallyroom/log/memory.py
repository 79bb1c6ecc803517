"""The event log in memory: for tests and for folding a recording without any server."""

import time
from collections.abc import Mapping, Sequence

from tallyroom.domain.errors import TopicMismatch
from tallyroom.log.base import Bounds, Entry, LogRecord, Position
from tallyroom.log.routing import no_partition, no_topic, out_of_range, route


class MemoryLog:
    """An ``EventLog`` that lives as long as the object."""

    def __init__(self) -> None:
        self._topics: dict[str, list[list[LogRecord]]] = {}

    async def create(self, topic: str, partitions: int) -> None:
        """See ``EventLog.create``."""
        found = len(self._topics.setdefault(topic, [[] for _ in range(partitions)]))
        if found != partitions:
            raise TopicMismatch(
                f"Topic {topic} has {found} partitions, not {partitions}.", "use the number it was created with"
            )

    async def partitions(self, topic: str) -> int:
        """See ``EventLog.partitions``."""
        return len(self._topic(topic))

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        """See ``EventLog.bounds``."""
        return {number: Bounds(0, len(records)) for number, records in enumerate(self._topic(topic))}

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """See ``EventLog.append``."""
        partitions = self._topic(topic)
        now = time.time_ns() // 1_000_000
        positions: dict[int, Position] = {}
        for number, indexes in route(topic, entries, len(partitions)).items():
            records = partitions[number]
            for index in indexes:
                entry = entries[index]
                positions[index] = Position(number, len(records))
                records.append(LogRecord(number, len(records), now, entry.key, entry.value, tuple(entry.headers)))
        return [positions[index] for index in range(len(entries))]

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[LogRecord]:
        """See ``EventLog.read``."""
        partitions = self._topic(topic)
        if not 0 <= partition < len(partitions):
            raise no_partition(topic, partition, len(partitions))
        records = partitions[partition]
        if not 0 <= offset <= len(records):
            raise out_of_range(topic, partition, offset, Bounds(0, len(records)))
        return records[offset : offset + limit]

    async def close(self) -> None:
        """Forget everything."""
        self._topics.clear()

    def _topic(self, topic: str) -> list[list[LogRecord]]:
        if topic not in self._topics:
            raise no_topic(topic)
        return self._topics[topic]
