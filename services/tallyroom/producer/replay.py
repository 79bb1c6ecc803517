"""Replays a recorded night into the event log, batch by batch, at its own pace."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from tallyroom.log.base import Entry, EventLog
from tallyroom.producer.entries import recorded_entries
from tallyroom.producer.pace import Pace
from tallyroom.recordings.format import TimedEvent

BATCH: Final = 1000

Progress = Callable[[int, datetime], None]
"""Called after every batch with the number of events sent and the election time of the last one."""


def window(events: Iterable[TimedEvent], start: datetime | None, end: datetime | None) -> Iterator[TimedEvent]:
    """The events that arrived from ``start`` on and before ``end``."""
    for timed in events:
        if end is not None and timed.at >= end:
            return
        if start is None or timed.at >= start:
            yield timed


async def replay(
    log: EventLog, topic: str, events: Iterable[TimedEvent], pace: Pace, progress: Progress = lambda sent, at: None
) -> int:
    """Append the events in order, each when it is due; returns how many were sent. Raises TopicMissing, LogError."""
    partitions = await log.partitions(topic)
    waiting = iter(events)
    following = next(waiting, None)
    sent = 0
    while following is not None:
        await pace.until(following.at)
        batch: list[Entry] = []
        last = following.at
        while following is not None and len(batch) < BATCH and (not batch or pace.due(following.at)):
            batch.extend(recorded_entries(following, partitions))
            last, sent = following.at, sent + 1
            following = next(waiting, None)
        await log.append(topic, batch)
        progress(sent, last)
    return sent
