"""Group commit: whatever waits, of all partitions, is folded and goes to the store as one pipeline; meanwhile the next gathers.

The store's answer decides everything (docs/exactly-once.md, 2): on any answer but OK the partition's memory is void; it is claimed
again, reloaded, and the source is told where to read on. Nothing here is kept across such an answer.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from tallyroom.domain.errors import LogUnavailable, RebuildRequired, StoreUnavailable
from tallyroom.log.base import EventLog, Record
from tallyroom.store.base import Answer, TotalsStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Gap, Owned, Prepared, fingerprint
from tallyroom.tabulator.quarantine import quarantine_entry
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import TabulatorMetrics

Seek = Callable[[int, int], Awaitable[None]]
"""Tell the source to read a partition on from an offset."""

_T = TypeVar("_T")

HEARTBEAT_S: Final = 0.5
"""A partition that had no apply for this long gets an empty one (docs/exactly-once.md, 6)."""

WAITING_LIMIT: Final = 20_000
"""Records that may wait before ``offer`` blocks: about a quarter second of work, 10 MB."""

HINT_S: Final = 0.02
"""Least time between two announcements of new totals."""

CLAIMS_AT_ONCE: Final = 3
"""More would wait for each other at the store's connection until their time is over: a claim brings a whole partition."""

OUTAGE_S: Final = 30.0
"""A worker that has not reached the store or the log for so long ends: what it holds may be within reach of another one."""

AWAY_S: Final = 0.5
"""Longest pause between two questions whether store and log are back: readers wait for it as well."""

_RETRY_S: Final = (0.05, 2.0)  # first and longest pause between claims of a partition that somebody else keeps taking


class Applier:
    """Owns the claimed partitions of one worker and applies their records in order, exactly once."""

    def __init__(
        self,
        store: TotalsStore,
        log: EventLog,
        topics: tuple[str, str],
        plan: Plan,
        metrics: TabulatorMetrics,
    ) -> None:
        self._store = store
        self._log = log
        self._events, self._quarantine = topics
        self._plan = plan
        self._metrics = metrics
        self.partitions = 0  # of the events topic, from ``open`` on
        self._owned: dict[int, Owned] = {}
        self._acknowledged: dict[int, int] = {}
        self._waiting: list[tuple[Owned, Sequence[Record]]] = []
        self._waiting_records = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hinted_at = 0.0
        self._fenced_in_a_row: dict[int, int] = {}
        self._seek: Seek | None = None
        self._claims = asyncio.Semaphore(CLAIMS_AT_ONCE)
        self._logger = get_logger("tabulator")

    @property
    def owned(self) -> Mapping[int, int]:
        """Next offset to fold of every claimed partition."""
        return {partition: owned.next for partition, owned in self._owned.items()}

    async def open(self, seek: Seek) -> None:
        """Meet the store and the log before anything is claimed. Raises StoreMismatch, StoreUnavailable, TopicMissing."""
        self._seek = seek
        self.partitions = await self._log.partitions(self._events)
        await self._log.append(self._quarantine, [])  # connects: the first refusal should not have to wait for that
        await self._store.open(self._plan.chain, self.partitions)

    async def claim(self, partition: int) -> int:
        """Take a partition: the offset to read from. Raises StoreUnavailable, RebuildRequired."""
        return self._own(await self._claimed(partition))

    async def _claimed(self, partition: int) -> Owned:
        async with self._claims:
            claim = await self._store.claim(partition)
            if await self._store.meta() is None:  # flushed since: who claims first never hears EMPTY
                await self._store.open(self._plan.chain, self.partitions)
            self._metrics.claims.inc()
            owned = Owned(claim, self._plan, self.partitions)
            await self._recognise(owned)
        return owned

    def _own(self, owned: Owned) -> int:
        partition, known = owned.partition, self._acknowledged.get(owned.partition, 0)
        if owned.next < known:
            self._metrics.store_rollbacks.inc()
            self._logger.warning(
                "the store went back; folding again from there",
                partition=partition,
                acknowledged=known,
                offset=owned.next,
            )
        self._acknowledged[partition] = owned.next
        self._owned[partition] = owned
        self._metrics.partitions_owned.set(len(self._owned))
        return owned.next

    async def take(self, partition: int, patience_s: float) -> int:
        """Claim a partition; while store or log are away, again and again for so long. Raises as ``claim`` does."""
        return await self._retry(lambda: self.claim(partition), patience_s)

    def release(self, partitions: Iterable[int]) -> None:
        """Forget partitions that belong to somebody else now; what waits for them is dropped."""
        for partition in partitions:
            owned = self._owned.pop(partition, None)
            if owned is not None:
                owned.lost = True
        self._metrics.partitions_owned.set(len(self._owned))

    async def offer(self, fetch: Mapping[int, Sequence[Record]]) -> None:
        """Hand over fetched records by partition; waits while too many wait already."""
        for partition, records in fetch.items():
            owned = self._owned.get(partition)
            if owned is not None and records:
                self._waiting.append((owned, records))
                self._waiting_records += len(records)
        if self._waiting:
            self._idle.clear()
            self._wake.set()
        if self._waiting_records > WAITING_LIMIT:
            self._room.clear()
            await self._room.wait()

    async def drained(self, timeout: float) -> bool:
        """Wait until everything offered is applied, at most this long."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Apply what is offered until cancelled. Raises RebuildRequired and whatever the log or store cannot recover from."""
        flying: asyncio.Task[None] | None = None
        try:
            while True:
                batch = await self._gathered()
                prepared = await self._fold(batch)  # while the commit before it is on its way, and its refusals as well
                written = asyncio.create_task(self._write_refused(prepared), name="quarantine")
                if flying is not None:
                    await flying
                fresh = [item for item in prepared if not item.owned.lost]
                flying = asyncio.create_task(self._commit(fresh + self._heartbeats(), written), name="commit")
                if not self._waiting:
                    await flying
                    flying = None
                    if not self._waiting:
                        self._idle.set()
        finally:
            if flying is not None:
                flying.cancel()
                await asyncio.gather(flying, return_exceptions=True)

    async def _gathered(self) -> Sequence[tuple[Owned, Sequence[Record]]]:
        """What waits; nothing if nothing came for half a heartbeat."""
        try:
            async with asyncio.timeout(HEARTBEAT_S / 2):
                await self._wake.wait()
        except TimeoutError:
            return ()
        self._wake.clear()
        batch, self._waiting, self._waiting_records = self._waiting, [], 0
        self._room.set()
        return batch

    def _heartbeats(self) -> list[Prepared]:
        due = time.monotonic() - HEARTBEAT_S
        return [owned.heartbeat() for owned in self._owned.values() if owned.applied_at < due and not owned.lost]

    async def _fold(self, batch: Sequence[tuple[Owned, Sequence[Record]]]) -> list[Prepared]:
        prepared: list[Prepared] = []
        gaps: list[Owned] = []
        for owned, records in batch:
            if owned.lost or self._owned.get(owned.partition) is not owned:
                continue
            try:
                prepared.extend(owned.prepare(records))
            except Gap as gap:
                self._logger.info("the source dropped records; reading again", gap=str(gap))
                owned.lost = True
                gaps.append(owned)
        await _all([self._again(owned) for owned in gaps])
        return [item for item in prepared if not item.owned.lost]

    async def _write_refused(self, prepared: Sequence[Prepared]) -> None:
        """Put what was refused into the quarantine topic; returns once it is acknowledged."""
        refused = [item for step in prepared for item in step.refused]
        if refused:
            entries = [quarantine_entry(item.record, item.refused, self._events) for item in refused]
            await self._log.append(self._quarantine, entries)

    async def _commit(self, prepared: list[Prepared], written: "asyncio.Task[None]") -> None:
        """Quarantine first, then apply; every answer but OK voids the partition."""
        await written
        if not prepared:
            return
        started = time.monotonic()
        answers = await self._store.apply([item.step for item in prepared])
        now = time.monotonic()
        self._metrics.apply_seconds.observe(now - started)
        void: dict[int, tuple[Owned, Answer]] = {}
        for item, answer in zip(prepared, answers, strict=True):
            if item.owned.lost:
                continue
            if answer is Answer.OK:
                self._acknowledge(item, now)
            else:
                item.owned.lost = True
                void[item.owned.partition] = (item.owned, answer)
        # Side by side: a store that went back is behind in all partitions at once.
        await _all([self._refused(owned, answer) for owned, answer in void.values()])
        if any(item.step.next > item.step.prev for item in prepared):
            await self._announce(now)

    def _acknowledge(self, item: Prepared, now: float) -> None:
        owned = item.owned
        owned.acknowledged = self._acknowledged[owned.partition] = item.step.next
        owned.applied_at = now
        self._fenced_in_a_row.pop(owned.partition, None)
        records = item.step.next - item.step.prev
        if records:
            self._metrics.count(records, item.fates)
            self._metrics.applied_latency.observe(max(0.0, time.time() - item.appended_at / 1000))
        for item_refused in item.refused:
            self._metrics.quarantined.labels(reason=str(item_refused.refused.refusal)).inc()
        for flag in item.flags:
            self._metrics.flags.labels(code=str(flag)).inc()

    async def _refused(self, owned: Owned, answer: Answer) -> None:
        self._logger.warning("the store refused an apply", partition=owned.partition, answer=str(answer))
        if answer is Answer.FENCED:
            self._metrics.fenced.inc()
        if answer is Answer.EMPTY:
            await self._retry(lambda: self._store.open(self._plan.chain, self.partitions))
        await self._again(owned)

    async def _again(self, owned: Owned) -> None:
        """Claim, reload and seek a partition whose memory is void, if it is still ours."""
        partition = owned.partition
        times = self._fenced_in_a_row.get(partition, 0)
        self._fenced_in_a_row[partition] = times + 1
        if times:
            # Two workers that both think they own it would fence each other for ever: back off, with jitter, and the
            # zombie learns in the meantime that it left the group.
            await asyncio.sleep(min(_RETRY_S[1], _RETRY_S[0] * 2**times) * random.uniform(0.5, 1.5))

        async def claimed() -> Owned | None:
            return await self._claimed(partition) if self._owned.get(partition) is owned else None

        again = await self._retry(claimed)
        # Released, or claimed anew after a rebalance, while this one waited: kept, it would be taken from its owner for ever.
        if again is not None and self._owned.get(partition) is owned and self._seek is not None:
            await self._seek(partition, self._own(again))

    async def _retry(self, call: Callable[[], Awaitable[_T]], patience_s: float = OUTAGE_S) -> _T:
        """The call, again and again while store or log are away: nothing can be folded without them."""
        pause, until = _RETRY_S[0], time.monotonic() + patience_s
        while True:
            try:
                return await call()
            except (StoreUnavailable, LogUnavailable) as error:
                if time.monotonic() + pause > until:
                    raise
                away = "the store" if isinstance(error, StoreUnavailable) else "the log"
                self._logger.warning(f"{away} is away; trying again", error=error.what, pause=pause)  # noqa: G004
                await asyncio.sleep(pause)
                pause = min(AWAY_S, pause * 2)

    async def _recognise(self, owned: Owned) -> None:
        """Compare the fingerprints with the log: a topic made anew keeps its name. Raises RebuildRequired."""
        bounds = (await self._log.bounds(self._events))[owned.partition]
        action = "start over (docs/operating.md), or restore the topic that these totals were made from"
        where = f"Partition {owned.partition} of {self._events}"
        if owned.next > bounds.end or (owned.next == 0 and bounds.start > 0):
            raise RebuildRequired(
                f"{where} holds records {bounds.start} to {bounds.end}, its totals stand at {owned.next}.", action
            )
        for known, offset in ((owned.origin.first, 0), (owned.origin.last, owned.next - 1)):
            if known is None or offset < bounds.start:
                continue
            records = await self._log.read(self._events, owned.partition, offset, 1)
            if not records or fingerprint(records[0]) != known:
                raise RebuildRequired(f"{where}: record {offset} is not the one that was folded.", action)

    async def _announce(self, now: float) -> None:
        if now - self._hinted_at >= HINT_S:
            self._hinted_at = now
            await self._store.announce("totals")


async def _all(calls: Sequence[Awaitable[None]]) -> None:
    """All of them to their end, then the first failure: none may go on behind the back of a worker that ends."""
    for found in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
