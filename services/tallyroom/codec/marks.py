"""What stands in the mark by which the auditor freezes publication, and which act of the desk lifts it."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from tallyroom.codec.events import Desk

SHOWN = 20
"""Differences that are written into the mark; their number is complete."""


class Why(msgspec.Struct, frozen=True):
    """Why publication was frozen. ``ends``: the log's end of each partition then, so that an older thaw lifts nothing.

    ``differences``: the first of them in words; ``places``: where each is, whatever the values. ``revision``: the published
    revision in which figures differ; None: only the store differs.
    """

    at: datetime
    ends: dict[str, int]
    count: int
    differences: list[str]
    places: list[str]
    revision: int | None = None


class Thaw(msgspec.Struct, frozen=True):
    """An act of the desk that lets publication go on: the event, who stands behind it, and where it is in the log."""

    event: str
    operators: tuple[str, ...]
    at: datetime
    partition: int
    offset: int
    reason: str | None = None


def thaw_of(event: Desk, partition: int, offset: int) -> Thaw | None:
    """The thaw that an accepted act of the desk is: one about no contest and no source."""
    if event.act != "thaw" or event.contest is not None or event.target_source is not None:
        return None
    return Thaw(event.id, event.operators, event.reported_at, partition, offset, event.reason)


def lifting(why: Why, thaws: Iterable[Thaw]) -> Thaw | None:
    """The first act that lifts the mark: one that was written after it."""
    later = (thaw for thaw in thaws if thaw.offset >= why.ends.get(str(thaw.partition), 0))
    return min(later, key=lambda thaw: (thaw.at, thaw.partition, thaw.offset), default=None)
