"""A snapshot checked against the log by anyone who has both: recomputed at the snapshot's own offsets, without any service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallyroom.auditor.books import Books
from tallyroom.auditor.compare import Difference
from tallyroom.auditor.derived import Prefix
from tallyroom.auditor.published import Reading, Unusable, frozen_prefixes, prefix_of, snapshot
from tallyroom.domain.election import Definition
from tallyroom.log.base import EventLog

_BATCH: Final = 5000


class _Hashes(msgspec.Struct):
    configuration: str
    build: str


class Shown(msgspec.Struct):
    """What is needed of a snapshot to know what it is to be compared with."""

    election: str
    environment: str
    revision: int
    as_of: dict[str, dict[str, int]]
    definition: str
    hashes: _Hashes
    events: dict[str, int]
    quarantined: dict[str, int]
    contests: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a comparison came to. ``areas``: how many were compared; ``build``: the version that made the snapshot."""

    revision: int
    records: int
    areas: int
    differences: list[Difference]
    build: str


def read_snapshot(data: bytes, where: str) -> tuple[Shown, Mapping[str, Any]]:
    """The snapshot in ``data``, as it is needed and whole. Raises Unusable."""
    action = "save what a gateway answers at /v1/elections/ELECTION/snapshot, unchanged"
    try:
        shown = msgspec.json.decode(data, type=Shown)
        whole = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"{where} is not a snapshot: {error}.", action) from error
    partitions = sorted(shown.as_of.get("events", {}))
    if partitions != sorted(map(str, range(len(partitions)))) or not partitions:
        raise Unusable(f"{where} does not say which offsets of the log it covers (as_of).", action)
    return shown, whole


async def verify(
    snapshot_read: tuple[Shown, Mapping[str, Any]], definition: tuple[Definition, str], log: tuple[EventLog, str]
) -> Verified:
    """Derive the snapshot anew from the log at its ``as_of`` and compare all of it. Raises Unusable, LogError."""
    shown, whole = snapshot_read
    start, chain = definition
    if (shown.election, shown.environment) != (start.election, str(start.environment)):
        raise Unusable(
            f"The snapshot is of {shown.election} ({shown.environment}), the definition of {start.election} "
            f"({start.environment}).",
            "name the log and the definition of the snapshot's own election",
        )
    if shown.hashes.configuration != chain:
        raise Unusable(
            f"The night of this snapshot started from definition {shown.hashes.configuration[:16]}, not from {chain[:16]}.",
            "name that definition's file with --election",
        )
    partitions = len(shown.as_of["events"])
    prefix = prefix_of(shown.as_of["events"])
    books = await _books(prefix, Books(start, chain, partitions), log)
    earlier = {
        other: (await _books(other, Books(start, chain, partitions, totals_only=True), log)).sums()
        for other in frozen_prefixes(shown.contests)
    }
    found = snapshot(Reading(books, earlier), whole)
    areas = sum(len(contest.get("areas", ())) for contest in shown.contests)
    return Verified(shown.revision, sum(offset for _, offset in prefix), areas, found, shown.hashes.build)


async def _books(prefix: Prefix, books: Books, log: tuple[EventLog, str]) -> Books:
    """The books after exactly this prefix."""
    events, topic = log
    bounds = await events.bounds(topic)
    if len(bounds) != len(books.books):
        raise Unusable(
            f"The log has {len(bounds)} partitions, the snapshot covers {len(books.books)}.",
            "name the log that the snapshot was made from",
        )
    for partition, until in prefix:
        if bounds[partition].start > 0 or bounds[partition].end < until:
            raise Unusable(
                f"Partition {partition} of the log holds records {bounds[partition].start} to {bounds[partition].end}, "
                f"the snapshot covers the first {until}.",
                "name the whole log that the snapshot was made from",
            )
        while (at := books.offsets[partition]) < until:
            books.read(await events.read(topic, partition, at, min(_BATCH, until - at)))
    return books
