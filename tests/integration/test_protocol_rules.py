"""Rules of docs/exactly-once.md over the applier, log and store in memory: recognising the log, rollbacks, old offers, zombies."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from tallyroom.codec import packed
from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import encode_event
from tallyroom.domain.errors import LogUnavailable, RebuildRequired
from tallyroom.log.base import Bounds, Entry, LogRecord
from tallyroom.log.memory import MemoryLog
from tallyroom.store.base import Answer, Apply, Claim
from tallyroom.store.memory import MemoryStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.applier import HEARTBEAT_S, Applier
from tallyroom.telemetry.metrics import new_registry, tabulator_metrics
from tests.support.elections import Sent, election
from tests.support.publishing import until

TOPICS = ("events", "quarantine")
DEFINITION = election(2)


def entry(unit: str, version: int = 1, votes: int = 1) -> Entry:
    """A sound report."""
    return Entry(
        f"list|{unit}".encode(), encode_event(Sent("list", unit, version=version, numbers=(votes,)).event(DEFINITION))
    )


@dataclass
class Room:
    """A worker over one partition."""

    log: MemoryLog = field(default_factory=MemoryLog)
    store: MemoryStore = field(default_factory=MemoryStore)
    registry: CollectorRegistry = field(default_factory=lambda: new_registry("tabulator"))
    sought: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan = Plan(DEFINITION, definition_hash(DEFINITION))
        self.applier = Applier(self.store, self.log, TOPICS, plan, tabulator_metrics(self.registry))

    async def open(self, *entries: Entry) -> "Room":
        """With these events in the log."""
        for topic in TOPICS:
            await self.log.create(topic, 1)
        await self.log.append(TOPICS[0], entries)
        await self.applier.open(self._read_on)
        return self

    async def _read_on(self, partition: int, offset: int) -> None:
        self.sought.append(offset)
        await self.offer(offset)

    async def offer(self, offset: int) -> None:
        """What a consumer would fetch from there."""
        await self.applier.offer({0: await self.log.read(TOPICS[0], 0, offset, 100)})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The applier at work; what it ends with is the test's."""
        task = asyncio.create_task(self.applier.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def fold(self) -> None:
        """Claim and fold everything."""
        await self.offer(await self.applier.claim(0))
        async with self.running():
            assert await self.applier.drained(10)

    def counted(self, name: str) -> float:
        """A metric of the worker."""
        return self.registry.get_sample_value(f"tallyroom_{name}_total") or 0.0

    async def accepted(self) -> int:
        """Reports in the totals, as stored."""
        (tallies,) = await self.store.units(0, [packed.TALLIES])
        return packed.unpack_tallies(tallies).accepted


# -- rule 1: whoever claims compares the fingerprints with the log


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ((entry("u2"), entry("u1")), "record 0 is not the one that was folded"),
        ((entry("u1"), entry("u2", votes=9)), "record 1 is not the one that was folded"),
        ((entry("u1"),), "holds records 0 to 1, its totals stand at 2"),
    ],
)
async def test_a_topic_made_anew_is_recognised_when_it_is_claimed(other: Sequence[Entry], message: str) -> None:
    room = await Room().open(entry("u1"), entry("u2"))
    await room.fold()
    anew = await Room(store=room.store).open(*other)
    with pytest.raises(RebuildRequired, match=message):
        await anew.applier.claim(0)


async def test_the_same_topic_is_claimed_again_and_again_as_it_grows() -> None:
    room = await Room().open(entry("u1"), entry("u2"))
    await room.fold()
    await room.log.append(TOPICS[0], [entry("u3")])
    assert [await room.applier.claim(0) for _ in range(3)] == [2, 2, 2]


class Shortened(MemoryLog):
    """A log whose beginning was deleted."""

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        return {number: Bounds(1, bound.end) for number, bound in (await super().bounds(topic)).items()}


async def test_totals_cannot_begin_in_the_middle_of_a_log() -> None:
    room = await Room(log=Shortened()).open(entry("u1"), entry("u2"))
    with pytest.raises(RebuildRequired, match="holds records 1 to 2, its totals stand at 0"):
        await room.applier.claim(0)


# -- rules 2 and 6: an idle partition notices by its heartbeat that the store went back; only that is an alarm


async def test_a_rollback_on_a_quiet_night_is_noticed_healed_and_told() -> None:
    room = await Room().open(entry("u1"))
    await room.fold()
    earlier = room.store.snapshot()
    await room.log.append(TOPICS[0], [entry("u2"), entry("u3")])
    await room.offer(1)
    async with room.running():
        assert await room.applier.drained(10)
        assert await room.store.offsets() == {0: 3}
        room.store.rollback_to(earlier)
        await until(lambda: room.sought == [1])  # nothing was sent: the heartbeat found out
        assert await room.applier.drained(10)
        assert (await room.store.offsets(), await room.accepted()) == ({0: 3}, 3)
    assert room.counted("store_rollbacks") == 1


async def test_a_flush_on_a_quiet_night_is_healed_from_the_first_record() -> None:
    room = await Room().open(entry("u1"), entry("u2"))
    await room.fold()
    async with room.running():
        room.store.flush()
        await until(lambda: room.sought == [0])
        assert await room.applier.drained(10)
        assert (await room.store.offsets(), await room.accepted()) == ({0: 2}, 2)


async def test_a_store_flushed_right_before_a_claim_has_its_identity_again() -> None:
    """Nobody is told EMPTY then, and without it no publisher would publish."""
    room = await Room().open(entry("u1"))
    await room.fold()
    room.store.flush()
    assert await room.applier.claim(0) == 0
    meta = await room.store.meta()
    assert meta is not None
    assert meta.partitions == 1


async def test_a_lost_answer_is_no_rollback() -> None:
    class Losing(MemoryStore):
        lost = False

        async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
            answers = await super().apply(steps)
            if self.lost or not any(step.fields for step in steps):
                return answers
            self.lost = True
            return [Answer.LOST for _ in steps]

    room = await Room(store=Losing()).open(entry("u1"))
    await room.applier.claim(0)
    async with room.running():
        await room.offer(0)
        await until(lambda: room.sought == [1])
        assert await room.applier.drained(10)
        assert await room.accepted() == 1
    assert room.counted("store_rollbacks") == 0


# -- rule 7: what was fetched for a former claim, or with a hole in it, is not folded


@pytest.mark.parametrize("released", [True, False])
async def test_offers_of_a_former_claim_are_dropped(released: bool) -> None:
    room = await Room().open(entry("u1"), entry("u2"))
    await room.applier.claim(0)
    await room.offer(0)  # waits; then the group is rebalanced, and the partition goes away and comes back, or stays
    if released:
        room.applier.release([0])
    assert await room.applier.claim(0) == 0
    async with room.running():
        assert await room.applier.drained(10)
        assert await room.store.offsets() == {0: 0}, "nothing of the former claim was folded"
        await room.offer(0)
        assert await room.applier.drained(10)
        assert (await room.store.offsets(), await room.accepted()) == ({0: 2}, 2)


async def test_a_released_partition_takes_nothing_more() -> None:
    room = await Room().open(entry("u1"))
    await room.applier.claim(0)
    room.applier.release([0])
    await room.offer(0)
    async with room.running():
        await asyncio.sleep(0)
        assert await room.store.offsets() == {0: 0}


@pytest.mark.parametrize("dropped", [slice(0, 1), slice(1, 2)])
async def test_a_fetch_that_faust_dropped_records_of_is_read_again(dropped: slice) -> None:
    room = await Room().open(entry("u1"), entry("u2"), entry("u3"))
    await room.applier.claim(0)
    records: list[LogRecord] = await room.log.read(TOPICS[0], 0, 0, 100)
    del records[dropped]
    async with room.running():
        await room.applier.offer({0: records})
        await until(lambda: room.sought == [0])
        assert await room.applier.drained(10)
        assert (await room.store.offsets(), await room.accepted()) == ({0: 3}, 3)


async def test_two_workers_that_both_think_they_own_it_count_once_and_back_off() -> None:
    """A zombie may win a claim; the true owner is fenced, claims again, and it goes on."""
    log, store = MemoryLog(), MemoryStore()
    one = await Room(log, store).open(entry("u1"))
    other = await Room(log, store).open()
    for room in (one, other):
        await room.applier.claim(0)
        await room.offer(0)
    async with one.running(), other.running():
        assert await one.applier.drained(20)
        assert await other.applier.drained(20)
        assert (await store.offsets(), await one.accepted()) == ({0: 1}, 1)
    assert one.counted("fenced") >= 1


class Waiting(MemoryStore):
    """A store whose claims are answered when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answer, self.asked = asyncio.Event(), 0
        self.answer.set()

    async def claim(self, partition: int) -> Claim:
        self.asked += 1
        await self.answer.wait()
        return await super().claim(partition)


async def test_a_partition_that_is_released_while_it_is_claimed_again_stays_released() -> None:
    """Kept, it would be taken away from its new owner with every heartbeat, for ever."""
    store = Waiting()
    room = await Room(store=store).open(entry("u1"))
    await room.fold()
    other = await Room(room.log, store).open()
    await other.applier.claim(0)
    async with room.running():
        store.answer.clear()
        await until(lambda: store.asked == 3)  # the heartbeat was fenced
        room.applier.release([0])
        store.answer.set()
        await until(lambda: room.counted("claims") == 2)
        await asyncio.sleep(2 * HEARTBEAT_S)  # that nothing follows has no event to wait for
    assert (dict(room.applier.owned), room.sought, store.asked) == ({}, [], 3)


# -- rule 8: what is away for a moment is waited for, what contradicts ends the worker


class Away(MemoryLog):
    """A log whose brokers do not answer for some calls."""

    left = 0

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        if self.left:
            self.left -= 1
            raise LogUnavailable("nobody answers.", "start the brokers")
        return await super().bounds(topic)


async def test_a_log_that_is_away_while_a_partition_is_claimed_again_is_waited_for() -> None:
    log = Away()
    room = await Room(log).open(entry("u1"), entry("u2"))
    await room.fold()
    async with room.running():
        log.left = 3
        room.store.flush()
        await until(lambda: room.sought == [0])
        assert await room.applier.drained(10)
        assert (await room.store.offsets(), await room.accepted(), log.left) == ({0: 2}, 2, 0)


async def test_a_claim_waits_no_longer_than_it_is_told() -> None:
    log = Away()
    room = await Room(log).open(entry("u1"))
    log.left = 2
    assert await room.applier.take(0, 5.0) == 0
    log.left = 100
    with pytest.raises(LogUnavailable):
        await room.applier.take(0, 0.2)


async def test_a_worker_that_reaches_its_store_no_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka would leave it what it owns for ever: it is a living member of the group."""
    monkeypatch.setattr(Applier._retry, "__defaults__", (0.3,))
    log = Away()
    room = await Room(log).open(entry("u1"))
    await room.fold()
    log.left = 1000
    room.store.flush()
    with pytest.raises(LogUnavailable):
        await asyncio.wait_for(room.applier.run(), 10)


async def test_a_contradiction_is_not_waited_for() -> None:
    room = await Room().open(entry("u1"), entry("u2"))
    await room.fold()
    anew = await Room(store=room.store).open(entry("u2"))
    with pytest.raises(RebuildRequired):
        await asyncio.wait_for(anew.applier.take(0, 60.0), 5)
