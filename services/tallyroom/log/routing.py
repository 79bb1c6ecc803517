"""What all logs refuse and decide alike before a record is written: its partition, its size, an offset's range."""

from collections.abc import Sequence
from typing import Final

from tallyroom.domain.errors import LogError, TopicMissing
from tallyroom.domain.partition import partition_of
from tallyroom.log.base import Bounds, Entry

MAX_VALUE_BYTES: Final = 4 * 1024 * 1024
"""Largest value that a record may have. A report has some 350 bytes; a limit that holds for every log keeps a night
that ran on one of them replayable on the others."""


def route(topic: str, entries: Sequence[Entry], partitions: int) -> dict[int, list[int]]:
    """Indexes into ``entries`` by partition, in the order given.

    A record with neither partition nor key goes where an empty key would: a log that chose at random could not be
    compared with another one. Raises LogError on a partition that does not exist and on a value that is too large.
    """
    routed: dict[int, list[int]] = {}
    for index, (key, value, _, partition) in enumerate(entries):
        if partition is None:
            partition = partition_of(key or b"", partitions)
        elif not 0 <= partition < partitions:
            raise no_partition(topic, partition, partitions)
        if len(value) > MAX_VALUE_BYTES:
            raise LogError(
                f"A record for {topic} has {len(value):,} bytes; the log takes up to {MAX_VALUE_BYTES:,}.",
                "find out what produced it; a report is never that large",
            )
        routed.setdefault(partition, []).append(index)
    return routed


def no_topic(topic: str, hidden: str | None = None) -> TopicMissing:
    """The error for a topic that nobody created. ``hidden``: what to do if it is there and the user may not see it."""
    action = "create it with `tallyroom topics create ELECTION`"
    if hidden is None:
        return TopicMissing(f"Topic {topic} does not exist.", action)
    return TopicMissing(f"Topic {topic} does not exist, or is not shown to this user.", f"{action}, or {hidden}")


def no_partition(topic: str, partition: int, partitions: int) -> LogError:
    """The error for a partition that the topic does not have."""
    return LogError(
        f"Topic {topic} has no partition {partition}, only 0 to {partitions - 1}.",
        "compare TALLYROOM_PARTITIONS with the number the topic was created with",
    )


def out_of_range(topic: str, partition: int, offset: int, bounds: Bounds) -> LogError:
    """The error for an offset that cannot be read: the log was truncated, or the offset is of another one."""
    return LogError(
        f"Offset {offset} of {topic}/{partition} is outside of the log's {bounds.start} to {bounds.end}.",
        "the topic was truncated or created anew: check that it is the right log, then rebuild the store from it",
    )
