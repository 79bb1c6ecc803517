"""The applier over a log and a store in memory: quarantine before the apply that passes it, and answers that are not OK."""

import asyncio
from collections.abc import Sequence

import pytest

from tallyroom.codec import packed
from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import encode_event
from tallyroom.log.base import Entry, Position
from tallyroom.log.memory import MemoryLog
from tallyroom.store.base import Answer, Apply
from tallyroom.store.memory import MemoryStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.applier import Applier
from tallyroom.telemetry.metrics import new_registry, tabulator_metrics
from tests.support.elections import Sent, election
from tests.support.publishing import until

EVENTS, QUARANTINE = "events", "quarantine"


class SlowQuarantine(MemoryLog):
    """A log whose quarantine topic acknowledges only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.allowed = asyncio.Event(), asyncio.Event()

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        if topic == QUARANTINE and entries:
            self.asked.set()
            await self.allowed.wait()
        return await super().append(topic, entries)


async def seek(partition: int, offset: int) -> None:
    """Nobody reads on in this test."""


async def test_the_store_passes_a_refused_record_only_when_the_quarantine_has_it() -> None:
    log, store, definition = SlowQuarantine(), MemoryStore(), election(2)
    for topic in (EVENTS, QUARANTINE):
        await log.create(topic, 1)
    await log.append(EVENTS, [Entry(b"list|u1", b"not json")])
    plan = Plan(definition, definition_hash(definition))
    applier = Applier(store, log, (EVENTS, QUARANTINE), plan, tabulator_metrics(new_registry("tabulator")))
    await applier.open(seek)
    await applier.claim(0)
    running = asyncio.create_task(applier.run())
    try:
        await applier.offer({0: await log.read(EVENTS, 0, 0, 10)})
        async with asyncio.timeout(5):
            await log.asked.wait()
        for _ in range(100):  # every chance to go ahead
            await asyncio.sleep(0)
        assert await store.offsets() == {0: 0}
        log.allowed.set()
        assert await applier.drained(5)
        assert await store.offsets() == {0: 1}
        assert [record.value for record in await log.read(QUARANTINE, 0, 0, 10)] == [b"not json"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Unreliable(MemoryStore):
    """A store whose first answer to a step with fields is another one than OK."""

    def __init__(self, answer: Answer, *, applied: bool) -> None:
        super().__init__()
        self._answer, self._applied, self.spoiled = answer, applied, False

    async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
        if self.spoiled or not any(step.fields for step in steps):
            return await super().apply(steps)
        self.spoiled = True
        if self._applied:
            await super().apply(steps)
        return [self._answer for _ in steps]


@pytest.mark.parametrize(
    ("answer", "applied"),
    [(Answer.LOST, True), (Answer.LOST, False), (Answer.MOVED, False), (Answer.FENCED, False), (Answer.NOLIB, False)],
)
async def test_any_answer_but_ok_is_claimed_again_and_counted_once(answer: Answer, applied: bool) -> None:
    log, store, definition = MemoryLog(), Unreliable(answer, applied=applied), election(2)
    for topic in (EVENTS, QUARANTINE):
        await log.create(topic, 1)
    report = Sent("list", "u1").event(definition)
    await log.append(EVENTS, [Entry(b"list|u1", encode_event(report))])
    plan = Plan(definition, definition_hash(definition))
    applier = Applier(store, log, (EVENTS, QUARANTINE), plan, tabulator_metrics(new_registry("tabulator")))
    sought: list[int] = []

    async def read_on(partition: int, offset: int) -> None:
        sought.append(offset)
        await applier.offer({partition: await log.read(EVENTS, partition, offset, 10)})

    await applier.open(read_on)
    await applier.claim(0)
    running = asyncio.create_task(applier.run())
    try:
        await applier.offer({0: await log.read(EVENTS, 0, 0, 10)})
        await until(lambda: bool(sought))
        assert await applier.drained(5)
        assert await store.offsets() == {0: 1}
        assert sought == [1 if applied else 0]
        cut = await store.cut(0, [packed.cell_name("list", "A"), packed.TALLIES])
        assert cut is not None
        cell, tallies = cut.values
        assert cell is not None
        assert packed.unpack(cell)[0] == 1
        assert packed.unpack_tallies(tallies).accepted == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
