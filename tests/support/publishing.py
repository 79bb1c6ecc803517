"""A publisher over a store and a log in memory, with totals that are folded when the test says so."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tallyroom.codec.events import AnyEvent, encode_event
from tallyroom.domain.election import Definition
from tallyroom.log import MemoryLog
from tallyroom.producer.entries import entries_of
from tallyroom.publisher.keep import Keeper
from tallyroom.publisher.revision import Head, document_hash
from tallyroom.publisher.service import Publisher
from tallyroom.store.base import Answer
from tallyroom.tabulator.owned import Owned
from tallyroom.telemetry.metrics import new_registry, publisher_metrics
from tests.support.elections import plan_of
from tests.support.store_fixtures import AnyStore

TOPIC: Final = "tallyroom.test-2030.test.events"
WAIT_S: Final = 20.0
_POLL_S: Final = 0.02


class Room:
    """One election of two partitions: a log, a store, and the folder that publishers keep their last revision in."""

    def __init__(self, store: AnyStore, folder: Path, definition: Definition) -> None:
        self.store = store
        self.log = MemoryLog()
        self.plan = plan_of(definition)
        self.keeper = Keeper(folder)
        self.registry = new_registry("publisher")  # of the publisher that was started last

    async def open(self) -> "Room":
        """Create topic and store."""
        await self.log.create(TOPIC, 2)
        await self.store.open(self.plan.chain, 2)
        await self.fold()
        return self

    async def send(self, *events: AnyEvent) -> None:
        """Append the events as a producer does, and fold what is there."""
        for event in events:
            await self.log.append(TOPIC, entries_of(event, encode_event(event), event.reported_at, 2))
        await self.fold()

    async def fold(self, partitions: Iterable[int] = (0, 1)) -> None:
        """Fold these partitions to the end of the log, as a worker does that has just taken them over."""
        for partition in partitions:
            owned = Owned(await self.store.claim(partition), self.plan, 2)
            records = await self.log.read(TOPIC, partition, owned.next, 10_000)
            for prepared in owned.prepare(records) if records else ():
                assert await self.store.apply([prepared.step]) == [Answer.OK]
        await self.store.announce("totals")

    @asynccontextmanager
    async def publishing(self, owner: str = "one") -> AsyncIterator[Publisher]:
        """A publisher that runs; it is stopped at the end, and its errors are the test's."""
        self.registry = new_registry("publisher")
        metrics = publisher_metrics(self.registry)
        publisher = Publisher((self.store, self.store), (self.log, TOPIC), self.plan, self.keeper, metrics)
        stop = asyncio.Event()
        task = asyncio.create_task(publisher.run(owner, stop))
        try:
            yield publisher
        finally:
            stop.set()
            await asyncio.wait_for(task, WAIT_S)

    async def published(self) -> tuple[Head, dict[str, Any]] | None:
        """The revision as readers see it. Every document must be the one that the head names."""
        revision, documents = await self.store.documents()
        if revision is None:
            return None
        head = msgspec.json.decode(revision.head, type=Head)
        assert head.revision == revision.number
        assert {name: document_hash(data) for name, data in documents.items()} == head.documents
        return head, {name: json.loads(data) for name, data in documents.items()}

    async def when(self, wanted: Callable[[Head, dict[str, Any]], bool]) -> tuple[Head, dict[str, Any]]:
        """The first revision seen that is as wanted."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self.published()
                if found is not None and wanted(*found):
                    return found
                await asyncio.sleep(_POLL_S)

    async def covered(self) -> tuple[Head, dict[str, Any]]:
        """The first revision that covers all of the log."""
        ends = {str(number): bound.end for number, bound in (await self.log.bounds(TOPIC)).items()}
        return await self.when(lambda head, _: head.as_of["events"] == ends)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - services announce nothing to tests
            await asyncio.sleep(_POLL_S)
