"""What every event log promises, asked of each of them: memory, SQLite and a real Kafka broker."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tallyroom.domain.errors import LogError, TopicMismatch, TopicMissing
from tallyroom.domain.partition import partition_of
from tallyroom.log import (
    MAX_VALUE_BYTES,
    Bounds,
    Entry,
    EventLog,
    KafkaLog,
    LogRecord,
    MemoryLog,
    Position,
    SqliteLog,
    wait_for_records,
)
from tallyroom.testing.kafka import KafkaBroker

PARTITIONS = 3
KAFKA = pytest.param("kafka", marks=pytest.mark.kafka)


@pytest.fixture(params=["memory", "sqlite", KAFKA])
def kind(request: pytest.FixtureRequest) -> str:
    """Which log."""
    return str(request.param)


@pytest.fixture
def opener(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EventLog]:
    """Opens another log object on the same records (memory: the same object, it has no other)."""
    if kind == "kafka":
        broker: KafkaBroker = request.getfixturevalue("kafka_broker")
        return lambda: KafkaLog(broker.bootstrap)
    if kind == "sqlite":
        return lambda: SqliteLog(tmp_path / "log.sqlite3")
    memory = MemoryLog()
    return lambda: memory


@pytest.fixture
async def log(opener: Callable[[], EventLog]) -> AsyncIterator[EventLog]:
    """An open log."""
    opened = opener()
    yield opened
    await opened.close()


@pytest.fixture
async def topic(log: EventLog) -> str:
    """An empty topic of this test's own."""
    name = f"tallyroom.test-{uuid.uuid4().hex[:8]}.test.events"
    await log.create(name, PARTITIONS)
    return name


def entries(count: int, partition: int | None = None) -> list[Entry]:
    """Records with distinct keys and values."""
    return [Entry(b"mayor|unit-%d" % n, b"value-%d" % n, (), partition) for n in range(count)]


async def read_all(log: EventLog, topic: str, partition: int, limit: int = 1000) -> list[LogRecord]:
    """Every record of a partition, read in steps of ``limit``."""
    found: list[LogRecord] = []
    while step := await log.read(topic, partition, len(found), limit):
        found += step
    return found


async def test_create_again_does_nothing(log: EventLog, topic: str) -> None:
    await log.append(topic, entries(2, partition=1))
    await log.create(topic, PARTITIONS)
    assert await log.partitions(topic) == PARTITIONS
    assert (await log.bounds(topic))[1] == Bounds(0, 2)


async def test_create_with_another_number_is_refused(log: EventLog, topic: str) -> None:
    with pytest.raises(TopicMismatch, match=f"{PARTITIONS} partitions, not {PARTITIONS + 1}"):
        await log.create(topic, PARTITIONS + 1)
    assert await log.partitions(topic) == PARTITIONS


async def test_two_may_create_at_once(opener: Callable[[], EventLog]) -> None:
    logs = [opener() for _ in range(4)]
    name = f"tallyroom.test-{uuid.uuid4().hex[:8]}.test.events"
    await asyncio.gather(*(one.create(name, PARTITIONS) for one in logs))
    assert [await one.partitions(name) for one in logs] == [PARTITIONS] * 4
    await asyncio.gather(*(one.close() for one in logs))


async def test_a_missing_topic_stays_missing(log: EventLog) -> None:
    name = "tallyroom.nobody.test.events"
    with pytest.raises(TopicMissing, match="tallyroom topics create"):
        await log.partitions(name)
    with pytest.raises(TopicMissing):
        await log.bounds(name)
    with pytest.raises(TopicMissing):
        await log.append(name, entries(1))
    with pytest.raises(TopicMissing):
        await log.read(name, 0, 0, 10)


async def test_keys_choose_the_partition_alike(log: EventLog, topic: str) -> None:
    given = entries(50)
    placed = await log.append(topic, given)
    assert [position.partition for position in placed] == [partition_of(e.key or b"", PARTITIONS) for e in given]
    assert {position.partition for position in placed} == set(range(PARTITIONS))


async def test_an_explicit_partition_wins_over_the_key(log: EventLog, topic: str) -> None:
    assert await log.append(topic, entries(3, partition=2)) == [Position(2, 0), Position(2, 1), Position(2, 2)]


async def test_a_partition_that_is_not_there_is_refused(log: EventLog, topic: str) -> None:
    for partition in (-1, PARTITIONS):
        with pytest.raises(LogError, match=f"no partition {partition}"):
            await log.append(topic, entries(1, partition=partition))
        with pytest.raises(LogError, match=f"no partition {partition}"):
            await log.read(topic, partition, 0, 1)
    assert set((await log.bounds(topic)).values()) == {Bounds(0, 0)}


async def test_offsets_are_contiguous_and_order_is_kept(log: EventLog, topic: str) -> None:
    given = entries(2500)
    placed = await log.append(topic, given[:2000]) + await log.append(topic, given[2000:])
    for partition in range(PARTITIONS):
        mine = [entry for entry, position in zip(given, placed, strict=True) if position.partition == partition]
        assert [p.offset for p in placed if p.partition == partition] == list(range(len(mine)))
        records = await read_all(log, topic, partition)
        assert [(r.partition, r.offset) for r in records] == [(partition, n) for n in range(len(mine))]
        assert [(r.key, r.value) for r in records] == [(entry.key, entry.value) for entry in mine]


async def test_bounds_follow_appends(log: EventLog, topic: str) -> None:
    assert await log.bounds(topic) == {n: Bounds(0, 0) for n in range(PARTITIONS)}
    await log.append(topic, entries(7, partition=0) + entries(4, partition=2))
    assert await log.bounds(topic) == {0: Bounds(0, 7), 1: Bounds(0, 0), 2: Bounds(0, 4)}


async def test_nothing_to_append(log: EventLog, topic: str) -> None:
    assert await log.append(topic, []) == []


async def test_ranges_in_any_order(log: EventLog, topic: str) -> None:
    await log.append(topic, entries(300, partition=1))
    for offset, limit in ((250, 10), (0, 5), (5, 5), (5, 5), (299, 100), (100, 1)):
        found = await log.read(topic, 1, offset, limit)
        assert [record.offset for record in found] == list(range(offset, min(300, offset + limit)))
        assert found[0].value == b"value-%d" % offset


async def test_the_end_is_empty_and_never_waited_for(log: EventLog, topic: str) -> None:
    assert await log.read(topic, 1, 0, 10) == []
    await log.append(topic, entries(5, partition=1))
    started = time.monotonic()
    assert len(await log.read(topic, 1, 0, 10)) == 5
    for _ in range(10):
        assert await log.read(topic, 1, 5, 10) == []
    assert time.monotonic() - started < 5
    await log.append(topic, entries(2, partition=1))
    assert [record.offset for record in await log.read(topic, 1, 5, 10)] == [5, 6]


@pytest.mark.parametrize("offset", [-1, 4, 1_000_000])
async def test_an_offset_out_of_range_is_an_error(log: EventLog, topic: str, offset: int) -> None:
    await log.append(topic, entries(3, partition=0))
    with pytest.raises(LogError, match=rf"Offset {offset} of .*/0 is outside of the log's 0 to 3\..*rebuild"):
        await log.read(topic, 0, offset, 10)
    assert len(await log.read(topic, 0, 0, 10)) == 3


async def test_headers_and_missing_keys(log: EventLog, topic: str) -> None:
    headers = (("reason", b"unknown-unit"), ("source", b"\x00\xff"), ("reason", b"again"))
    placed = await log.append(topic, [Entry(None, b"{}", headers, 1), Entry(None, b"", ()), Entry(b"", b"x", ())])
    assert placed[1].partition == placed[2].partition == partition_of(b"", PARTITIONS)
    record = (await log.read(topic, 1, placed[0].offset, 1))[0]
    assert (record.key, record.value, tuple(record.headers)) == (None, b"{}", headers)
    bare = (await log.read(topic, placed[1].partition, placed[1].offset, 1))[0]
    assert (bare.key, bare.value, tuple(bare.headers)) == (None, b"", ())
    assert (await log.read(topic, placed[2].partition, placed[2].offset, 1))[0].key == b""


async def test_timestamps_are_wall_time(log: EventLog, topic: str) -> None:
    before = time.time_ns() // 1_000_000
    await log.append(topic, entries(1, partition=0))
    assert before <= (await log.read(topic, 0, 0, 1))[0].timestamp <= time.time_ns() // 1_000_000


async def test_large_values(log: EventLog, topic: str) -> None:
    values = [bytes([n]) * size for n, size in enumerate((1024 * 1024, 10, MAX_VALUE_BYTES, 1024 * 1024))]
    await log.append(topic, [Entry(b"key", value, (), 1) for value in values])
    assert [record.value for record in await read_all(log, topic, 1)] == values
    with pytest.raises(LogError, match="4,194,305 bytes"):
        await log.append(topic, [Entry(b"key", bytes(MAX_VALUE_BYTES + 1))])
    assert (await log.bounds(topic))[1] == Bounds(0, 4)


async def test_appenders_at_once_lose_and_mix_nothing(
    log: EventLog, opener: Callable[[], EventLog], topic: str
) -> None:
    others = [opener() for _ in range(2)]

    async def appender(one: EventLog, name: int) -> list[tuple[Position, bytes]]:
        done: list[tuple[Position, bytes]] = []
        for batch in range(10):
            values = [b"%d-%d-%d" % (name, batch, n) for n in range(40)]
            placed = await one.append(topic, [Entry(value, value) for value in values])
            done += zip(placed, values, strict=True)
        return done

    answers = await asyncio.gather(*(appender(one, n) for n, one in enumerate([log, log, *others])))
    expected = {position: value for answer in answers for position, value in answer}
    assert len(expected) == 4 * 10 * 40
    found = {
        Position(record.partition, record.offset): record.value
        for partition in range(PARTITIONS)
        for record in await read_all(log, topic, partition, 100)
    }
    assert found == expected
    if not isinstance(log, MemoryLog):
        await asyncio.gather(*(one.close() for one in others))


async def test_readers_at_once(log: EventLog, topic: str) -> None:
    await log.append(topic, entries(900))
    read = await asyncio.gather(*(read_all(log, topic, partition, 37) for partition in (0, 1, 2, 1)))
    assert sum(map(len, read[:3])) == 900
    assert read[1] == read[3]


@pytest.mark.parametrize("kind", ["sqlite", KAFKA], indirect=True)
async def test_another_log_object_sees_the_records(opener: Callable[[], EventLog], topic: str) -> None:
    writer = opener()
    placed = await writer.append(topic, entries(20, partition=2))
    await writer.close()
    await writer.close()  # closing twice is no error
    reader = opener()
    assert [Position(r.partition, r.offset) for r in await reader.read(topic, 2, 0, 100)] == placed
    assert await reader.append(topic, entries(1, partition=2)) == [Position(2, 20)]
    await reader.close()


async def test_waiting_for_records(log: EventLog, opener: Callable[[], EventLog], topic: str) -> None:
    positions = dict.fromkeys(range(PARTITIONS), 0)
    assert await wait_for_records(log, topic, positions, 0.05) is False
    waiting = asyncio.create_task(wait_for_records(log, topic, positions, 20.0))
    writer = opener()
    await writer.append(topic, entries(1, partition=1))
    assert await waiting is True
    assert await wait_for_records(log, topic, {**positions, 1: 1}, 0.05) is False
    if not isinstance(writer, MemoryLog):
        await writer.close()
