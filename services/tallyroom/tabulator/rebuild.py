"""Totals folded anew beside those in use, and put in their place once they have caught up (docs/exactly-once.md, "Rebuild").

Tabulators and publisher may go on meanwhile: readers see the old totals until the exchange. An owner of an exchanged partition is
fenced at its next apply, claims, and reads on from where the rebuild stopped.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.log.base import EventLog
from tallyroom.store.base import Answer, TotalsStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Owned, Prepared
from tallyroom.tabulator.quarantine import quarantine_entry

_BATCH: Final = 5000
"""Records read and folded at once: about a tenth of a second, after which the store takes them as one pipeline."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to."""

    partitions: int
    records: int
    units: int
    seconds: float


class Rebuild:
    """One rebuild of all partitions. ``progress`` is told how many records of how many are folded."""

    def __init__(
        self,
        store: TotalsStore,
        log: tuple[EventLog, tuple[str, str]],
        plan: Plan,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self._store = store
        self._log, (self._events, self._quarantine) = log
        self._plan = plan
        self._progress = progress
        self._done = self._of = 0
        self._refuse = False

    async def run(self) -> Rebuilt:
        """Fold everything, then exchange partition by partition.

        Raises StoreMismatch, StoreUnavailable, LogError, and RebuildRequired if the definition is too wide for the store.
        """
        began = time.monotonic()
        partitions = await self._log.partitions(self._events)
        meta = await self._store.meta()
        if meta is None or meta.partitions != partitions:
            await self._store.open(self._plan.chain, partitions)  # makes it, or says what is wrong
        else:
            self._refuse = meta.definition != self._plan.chain  # by another definition other records are refused
        bounds = await self._log.bounds(self._events)
        self._of = sum(bound.end for bound in bounds.values())
        folds = [Owned(await self._store.begin(partition), self._plan, partitions) for partition in range(partitions)]
        for owned in folds:
            await self._fold(owned, bounds[owned.partition].end)
        for owned in folds:
            await self._fold(owned, (await self._log.bounds(self._events))[owned.partition].end)
            answer = await self._store.exchange(owned.partition, owned.epoch)
            _require(answer, owned.partition)
        await self._store.adopt(self._plan.chain, partitions)
        await self._store.announce("totals")
        units = sum(len(owned.fold.units()) for owned in folds)
        return Rebuilt(partitions, sum(owned.next for owned in folds), units, time.monotonic() - began)

    async def _fold(self, owned: Owned, end: int) -> None:
        """Fold the partition's records up to this offset; what was folded before is written meanwhile."""
        writing: asyncio.Task[None] | None = None
        try:
            while owned.next < end:
                limit = min(_BATCH, end - owned.next)
                records = await self._log.read(self._events, owned.partition, owned.next, limit)
                prepared = list(owned.prepare(records))
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(owned.partition, prepared), name="rebuild")
                self._done += len(records)
                self._progress(self._done, max(self._of, self._done))
        finally:
            if writing is not None:
                await writing

    async def _write(self, partition: int, prepared: Sequence[Prepared]) -> None:
        if self._refuse:
            await self._write_refused(prepared)
        for answer in await self._store.apply_beside([item.step for item in prepared]):
            _require(answer, partition)

    async def _write_refused(self, prepared: Sequence[Prepared]) -> None:
        """As a tabulator does: what is refused stands in the quarantine before the step that passes it."""
        entries = [
            quarantine_entry(item.record, item.refused, self._events) for step in prepared for item in step.refused
        ]
        await self._log.append(self._quarantine, entries)


def _require(answer: Answer, partition: int) -> None:
    if answer is not Answer.OK:
        raise StoreUnavailable(
            f"Rebuilding partition {partition} was answered {answer}.",
            "see that no other rebuild runs, then start it again; the totals in use are whole",
        )
