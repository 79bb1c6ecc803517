"""Publishes events given as NDJSON. A bad line is named by number and reason; nothing bad ever goes out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tallyroom.codec.events import Undecodable, decode_event
from tallyroom.log.base import Entry, EventLog
from tallyroom.producer.entries import entries_of

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no event."""

    number: int
    reason: str
    detail: str


@dataclass(slots=True)
class Published:
    """What became of the lines."""

    sent: int = 0
    bad: list[BadLine] = field(default_factory=list)


async def publish(log: EventLog, topic: str, lines: Iterable[bytes], at: datetime, *, skip_bad: bool) -> Published:
    """Check the lines and append the events. With ``skip_bad`` batch by batch, leaving bad lines out; else all or nothing."""
    partitions = await log.partitions(topic)
    done = Published()
    batch: list[Entry] = []
    waiting = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = decode_event(line.strip())
        except Undecodable as error:
            done.bad.append(BadLine(number, str(error.refusal), str(error)))
            continue
        batch.extend(entries_of(event, line.strip(), at, partitions))
        waiting += 1
        if skip_bad and len(batch) >= BATCH:
            await log.append(topic, batch)
            done.sent, waiting, batch = done.sent + waiting, 0, []
    if batch and (skip_bad or not done.bad):
        await log.append(topic, batch)
        done.sent += waiting
    return done
