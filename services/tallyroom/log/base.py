"""What an event log is to us: numbered partitions of byte records, append only, offsets contiguous from 0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class LogRecord(NamedTuple):
    """One record as read. The field names are those of aiokafka's ``ConsumerRecord``, which serves as one too."""

    partition: int
    offset: int
    timestamp: int  # milliseconds since the epoch, wall time of the append
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class Record(Protocol):
    """What readers may rely on: a ``LogRecord`` or an aiokafka ``ConsumerRecord``."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...  # None: a tombstone, which only Kafka can hold
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Entry(NamedTuple):
    """One record to append. ``partition=None`` means murmur2 of the key, as Kafka's Java client does."""

    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None


class Position(NamedTuple):
    """Where a record landed."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """First readable offset and next offset to be written (``start == end``: nothing to read)."""

    start: int
    end: int


class EventLog(Protocol):
    """An append-only log of topics with a fixed number of partitions."""

    async def create(self, topic: str, partitions: int) -> None:
        """Create the topic; does nothing if it exists with this many partitions.

        Raises TopicMismatch if it exists with another number.
        """

    async def partitions(self, topic: str) -> int:
        """Number of partitions. Raises TopicMissing."""

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        """Bounds of every partition of the topic. Raises TopicMissing."""

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """Append in order and return where each record landed, once all of them are durable.

        Raises TopicMissing, LogError. On an error some of the records may have been written.
        """

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[LogRecord]:
        """Up to ``limit`` records from ``offset`` on; empty at the end of the partition. Never waits for new ones.

        Raises LogError if ``offset`` is below the start or above the end of the partition.
        """

    async def close(self) -> None:
        """Release connections and files."""
