"""A topic written back into a recording: what was sent tonight becomes tomorrow's rehearsal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tallyroom.codec.events import Undecodable, decode_event, partition_key
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import RecordingError
from tallyroom.domain.partition import partition_of
from tallyroom.log.base import EventLog, Record
from tallyroom.recordings.format import About, Manifest, TimedEvent, stands_everywhere, write_recording

TIME_HEADER: Final = "ce_time"
"""CloudEvents header with the election time of an event; without it the time of the append serves."""

DERIVED_HEADERS: Final = frozenset({"ce_specversion", "ce_id", "ce_source", "ce_type", TIME_HEADER, "content-type"})
"""CloudEvents attributes (docs/events.md): made anew when the event is sent again."""

_BATCH: Final = 5000


class Taken(NamedTuple):
    """A record of one partition; ``at`` never goes back within it."""

    at: datetime
    key: bytes | None
    value: bytes
    everywhere: bool  # an amendment or an act about a source: it stands in every partition
    headers: tuple[tuple[str, bytes], ...] = ()


Copy = tuple[bytes, tuple[tuple[str, bytes], ...]]
"""Bytes and headers: what makes two records of different partitions the same one."""


async def record(log: EventLog, topic: str, definition: Definition, out: Path, about: About) -> Manifest:
    """Write all events that the topic holds now into a recording; they are in memory meanwhile.

    Partitions are merged by time, each in its own order; what stands in every partition (an amendment, an act about a source) is
    written once.
    Raises TopicMissing, LogError, and RecordingError if the topic's beginning is gone: no totals could be made from it.
    """
    taken: list[list[Taken]] = []
    for partition, bounds in sorted((await log.bounds(topic)).items()):
        if bounds.start > 0:
            raise RecordingError(
                f"{topic} partition {partition} begins at offset {bounds.start}, its first events are gone.",
                "record a topic with unlimited retention",
            )
        taken.append(await _partition(log, topic, partition, bounds.end))
    return write_recording(out, definition, merged(taken), about)


async def _partition(log: EventLog, topic: str, partition: int, end: int) -> list[Taken]:
    found: list[Taken] = []
    offset, newest = 0, datetime.min.replace(tzinfo=UTC)
    while offset < end:
        batch = await log.read(topic, partition, offset, min(_BATCH, end - offset))
        if not batch:
            break  # compacted or aborted transactions end a partition before its last offset
        for item in batch:
            newest = max(newest, _time(item))
            found.append(Taken(newest, item.key, item.value, stands_everywhere(item.value), _own(item)))
        offset = batch[-1].offset + 1
    return found


def merged(partitions: Sequence[Sequence[Taken]]) -> Iterator[TimedEvent]:
    """The records of all partitions in order of time.

    An amendment waits until every partition has come to it, so that no report changes sides. Copies are the same bytes with the
    same headers: one that stands in some partitions alone (unsigned, or still on its way) is a record of those partitions.
    """
    queues = [list(reversed(records)) for records in partitions]
    shared = (
        set.intersection(*({_copy(item) for item in queue if item.everywhere} for queue in queues)) if queues else set()
    )
    written: set[Copy] = set()
    newest = datetime.min.replace(tzinfo=UTC)
    while heads := {number: queue[-1] for number, queue in enumerate(queues) if queue}:
        ready = [
            n for n, item in heads.items()
            if _copy(item) not in shared or _copy(item) in written or _arrived(item, heads, len(queues))
        ]  # fmt: skip
        number = min(ready or heads, key=lambda n: (heads[n].at, n))  # none: amendments in contrary orders
        item = queues[number].pop()
        newest = max(newest, item.at)  # an amendment that waited may be older than what passed it
        if _copy(item) not in shared:
            yield _event(item, newest, number, len(queues))
        elif _copy(item) not in written:
            written.add(_copy(item))
            yield TimedEvent(newest, item.value, every_partition=True, headers=item.headers)


def _copy(item: Taken) -> Copy:
    return item.value, item.headers


def _arrived(item: Taken, heads: Mapping[int, Taken], partitions: int) -> bool:
    """Whether every partition has come to its copy of the record."""
    return len(heads) == partitions and all(_copy(head) == _copy(item) for head in heads.values())


def _event(item: Taken, at: datetime, partition: int, partitions: int) -> TimedEvent:
    """Keys and partitions are written down only where they cannot be derived again."""
    try:
        derived = partition_key(decode_event(item.value))
    except Undecodable:
        derived = None
    key = None if item.key == derived else item.key
    effective = item.key if item.key is not None else derived
    expected = None if effective is None else partition_of(effective, partitions)
    derivable = expected == partition and not item.everywhere  # one partition's copy would be taken for one of all
    return TimedEvent(at, item.value, key, None if derivable else partition, headers=item.headers)


def _own(item: Record) -> tuple[tuple[str, bytes], ...]:
    """The record's headers without those that a replay derives from the event."""
    return tuple((name, value) for name, value in item.headers if name not in DERIVED_HEADERS)


def _time(item: Record) -> datetime:
    """Election time of a record: its header, or the time of the append where there is none that can be read."""
    for name, value in item.headers:
        if name == TIME_HEADER:
            try:
                time = datetime.fromisoformat(value.decode())
            except ValueError:
                break
            if time.tzinfo is not None:
                return time.astimezone(UTC)
    return datetime.fromtimestamp(item.timestamp / 1000, UTC)
