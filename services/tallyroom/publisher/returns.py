"""Reports that waited for an amendment are sent again, so that the log itself says how they were judged then.

A report of a unit that the definition did not know (or had closed) waits in the journal of its partition. Once an amendment names
the unit, its record is appended again: same key, bytes and headers, so that its signature still holds. Whoever replays the log
decides the same; a record that is sent twice, by a restart or by two of these services, is dropped as a duplicate by the unit rule.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Final

from prometheus_client import Counter

from tallyroom.codec import packed
from tallyroom.codec.layout import guarded, unguarded
from tallyroom.domain.errors import LogError, OtherLayout, StoreUnavailable
from tallyroom.domain.events import Refusal
from tallyroom.log.base import Entry, EventLog
from tallyroom.publisher.deriving import followed
from tallyroom.publisher.journal import Journals, entries_between
from tallyroom.results.apart import rejected_places
from tallyroom.store.base import TotalsStore
from tallyroom.tabulation.notes import Wait
from tallyroom.tabulation.plan import Plan
from tallyroom.telemetry.logs import get_logger

HEADER: Final = "tallyroom_returned"
"""Header of a record sent again: PARTITION:OFFSET of the one that was refused. For whoever reads the log; nothing acts on it."""

LOOK_S: Final = 1.0
_NAMED: Final = frozenset({str(Refusal.UNKNOWN_UNIT), str(Refusal.CLOSED_UNIT)})
_FIELDS: Final = guarded((packed.JOURNAL_LENGTH, packed.DEFINITION))


def due(waits: Iterable[tuple[int, Wait]], plan: Plan, rejected: Collection[str]) -> list[tuple[int, Wait]]:
    """Of the reports that wait (with their partitions) those whose unit is expected by now, oldest first in each partition.

    ``rejected``: places (PARTITION:OFFSET) of reports that an operator decided not to take.
    """
    found = []
    for partition, wait in waits:
        contest = plan.contests.get(wait.contest)
        if contest is None or wait.code not in _NAMED or f"{partition}:{wait.offset}" in rejected:
            continue
        if wait.unit in contest.contest.units and wait.unit not in contest.contest.closed_units:
            found.append((partition, wait))
    return sorted(found, key=lambda item: (item[0], item[1].offset))


class Returns:
    """Watches the journals and sends again what is due. Any number may run."""

    def __init__(self, store: TotalsStore, log: tuple[EventLog, str], plan: Plan, returned: Counter) -> None:
        self._store = store
        self._log, self._topic = log
        self._plan = plan
        self._returned = returned
        self._journals = Journals()
        self._read: dict[int, tuple[int, int]] = {}  # partition -> offset and journal length read
        self._chains: dict[int, str] = {}
        self._sent: set[tuple[int, int, str]] = set()  # partition, offset, definition: sent once under each
        self._logger = get_logger("returns")

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a second until ``stop`` is set."""
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self.look()
            except (StoreUnavailable, OtherLayout, LogError) as error:
                self._logger.warning("cannot look for reports that wait; trying again", error=str(error))
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, LOOK_S - (time.monotonic() - started)))
            except TimeoutError:
                continue

    async def look(self) -> int:
        """Send again what is due now; how many. Raises StoreUnavailable, OtherLayout, LogError."""
        for partition, offset in sorted((await self._store.offsets()).items()):
            await self._follow(partition, offset)
        chains = set(self._chains.values())
        if len(chains) != 1:
            return 0  # no partition yet, or an amendment is on its way
        self._plan = followed(self._plan, self._journals.amendments.values(), chains)
        if chains != {self._plan.chain}:
            return 0
        rejected = rejected_places(self._journals.asides())
        waiting = [
            (partition, wait)
            for partition, wait in due(self._journals.waits(), self._plan, rejected)
            if (partition, wait.offset, self._plan.chain) not in self._sent
        ]
        for partition, wait in waiting:
            await self._send(partition, wait)
        return len(waiting)

    async def _follow(self, partition: int, offset: int) -> None:
        """Read what the partition's journal says since the last look; from its start if the store went back."""
        read_at, length = self._read.get(partition, (-1, 0))
        if offset == read_at:
            return
        cut = await self._store.cut(partition, _FIELDS)
        if cut is None:
            return
        if cut.offset < read_at:
            self._journals.forget(partition)
            length = 0
        journal, chain = unguarded(cut.values, partition)
        end = int(journal or b"0")
        entries = await entries_between(self._store, partition, length, end)
        if entries is None:
            return  # read again next time
        for entry in entries:
            self._journals.remember(partition, entry)
        self._read[partition] = (cut.offset, end)
        self._chains[partition] = chain.decode() if chain else self._plan.chain

    async def _send(self, partition: int, wait: Wait) -> None:
        told = (partition, wait.offset, self._plan.chain)
        records = await self._log.read(self._topic, partition, wait.offset, 1)
        if not records:
            self._sent.add(told)  # below the log's start: it was deleted, and nothing can be judged
            return
        record = records[0]
        place = f"{partition}:{wait.offset}"
        headers = [(name, value) for name, value in record.headers if name != HEADER]
        await self._log.append(
            self._topic, [Entry(record.key, record.value, (*headers, (HEADER, place.encode())), partition)]
        )
        self._sent.add(told)  # not before: a log that is away must not cost a report its return
        self._returned.inc()
        self._logger.info("sent again", contest=wait.contest, unit=wait.unit, version=wait.version, refused=place)
