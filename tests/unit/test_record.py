"""A topic written back into a recording: each partition keeps its order, and replaying it makes the same topic."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import Amendment, Report, ReregisterUnit, decode_event, encode_event, partition_key
from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    ReportingUnit,
    Selection,
    Source,
)
from tallyroom.domain.errors import RecordingError, TopicMissing
from tallyroom.domain.partition import partition_of
from tallyroom.log import Bounds, Entry, EventLog, LogRecord, SqliteLog
from tallyroom.log.memory import MemoryLog
from tallyroom.producer.entries import recorded_entries
from tallyroom.recordings.format import About, Recording, TimedEvent, open_recording
from tallyroom.recordings.record import TIME_HEADER, Taken, merged, record

TOPIC = "tallyroom.mini.test.events.v1"
PARTITIONS = 3
NOON = datetime(2024, 5, 5, 12, tzinfo=UTC)
UNITS = tuple(f"unit-{n}" for n in range(12))
ABOUT = About(name="again", title="A night recorded", real=False, licence="CC0-1.0")
MINI = Definition(
    election="mini",
    environment=Environment.TEST,
    names={},
    date=date(2024, 5, 5),
    time_zones=("UTC",),
    languages=("en",),
    sources=(Source(id="hall", names={}, may_report=("report",)),),
    areas=(Area(id="town", level="town", names={}),),
    units=tuple(ReportingUnit(id=unit, registered=50) for unit in UNITS),
    contests=(
        Contest(
            id="mayor",
            names={},
            selections=(Selection(id="x", names={}),),
            accounting=Accounting(measures=("cast",), cast="cast"),
            areas={"town": None},
            units=dict.fromkeys(UNITS, "town"),
            source="hall",
        ),
    ),
)


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventLog]:
    """A log of each kind with an empty topic."""
    opened: EventLog = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "log.sqlite")
    await opened.create(TOPIC, PARTITIONS)
    yield opened
    await opened.close()


def sheet(unit: str, version: int = 1) -> bytes:
    """A report."""
    return encode_event(
        Report(
            id=f"{unit}/{version}",
            election="mini",
            environment="test",
            source="hall",
            reported_at=NOON,
            contest="mayor",
            unit=unit,
            version=version,
            counts={"x": version},
            ballots={"cast": version},
        )
    )


def amendment(number: int = 0) -> bytes:
    """An amendment; only the first one continues the definition's chain."""
    return encode_event(
        Amendment(
            id=f"amendment-{number}",
            election="mini",
            environment="test",
            source="hall",
            reported_at=NOON,
            previous=definition_hash(MINI),
            changes=(ReregisterUnit(unit="unit-0", registered=number),),
        )
    )


def night() -> list[TimedEvent]:
    """Reports around an amendment, rubbish with and without a key, a report in the wrong partition."""
    values = [*map(sheet, UNITS[:6]), *map(sheet, UNITS[6:]), *(sheet(unit, 2) for unit in UNITS)]
    events = [TimedEvent(NOON, value) for value in values]
    events.insert(9, TimedEvent(NOON, amendment(), every_partition=True))
    events.insert(11, TimedEvent(NOON, b"\xffrubbish", b"mayor|unit-3"))
    events.insert(13, TimedEvent(NOON, b"{}", None, 2))
    wrong = next(n for n in range(PARTITIONS) if n != _partition(events[0]))
    events.insert(15, TimedEvent(NOON, sheet(UNITS[0], 3), None, wrong))
    return [event._replace(at=NOON + timedelta(seconds=n)) for n, event in enumerate(events)]


def _partition(event: TimedEvent) -> int:
    return partition_of(partition_key(decode_event(event.value)), PARTITIONS)


async def send(log: EventLog, topic: str, events: Sequence[TimedEvent], *, timed: bool = True) -> None:
    """Append events as a replay does."""
    for event in events:
        headers = ((TIME_HEADER, event.at.isoformat().encode()),) if timed else ()
        key = event.key
        if key is None and event.partition is None and not event.every_partition:
            key = partition_key(decode_event(event.value))
        places = range(PARTITIONS) if event.every_partition else (event.partition,)
        await log.append(topic, [Entry(key, event.value, headers, place) for place in places])


async def values(log: EventLog, topic: str) -> list[list[bytes]]:
    """What each partition holds."""
    return [[item.value for item in await log.read(topic, number, 0, 1000)] for number in range(PARTITIONS)]


async def test_a_recorded_topic_is_the_night_that_was_sent(log: EventLog, tmp_path: Path) -> None:
    await send(log, TOPIC, night())
    manifest = await record(log, TOPIC, MINI, tmp_path / "out", ABOUT)
    recording = open_recording(str(tmp_path / "out"))
    recording.verify()
    assert list(recording.events()) == night()
    assert recording.definition() == MINI
    assert manifest.golden["mayor"].units_reported == len(UNITS)
    assert manifest.golden["mayor"].voters_registered == 50 * (len(UNITS) - 1)


@pytest.mark.parametrize("timed", [True, False])
async def test_a_replay_makes_the_same_partitions(log: EventLog, tmp_path: Path, timed: bool) -> None:
    await send(log, TOPIC, night(), timed=timed)
    await record(log, TOPIC, MINI, tmp_path / "out", ABOUT)
    await log.create("again", PARTITIONS)
    await send(log, "again", list(Recording(tmp_path / "out").events()))
    assert await values(log, "again") == await values(log, TOPIC)


async def test_a_time_header_that_cannot_be_read_gives_way_to_the_append(log: EventLog, tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    for header in (b"yesterday", b"2024-05-05T12:00:00", b"\xff"):
        await log.append(TOPIC, [Entry(b"k", sheet("unit-0"), ((TIME_HEADER, header),))])
    manifest = await record(log, TOPIC, MINI, tmp_path / "out", ABOUT)
    assert manifest.first is not None
    assert manifest.first > before


async def test_an_empty_or_missing_topic(log: EventLog, tmp_path: Path) -> None:
    assert (await record(log, TOPIC, MINI, tmp_path / "out", ABOUT)).events == 0
    with pytest.raises(TopicMissing):
        await record(log, "nowhere", MINI, tmp_path / "out", ABOUT)


class ShortenedLog(MemoryLog):
    """A log whose retention has removed the first record of partition 0."""

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        """The bounds after the removal."""
        found = await super().bounds(topic)
        return {**found, 0: Bounds(1, found[0].end)}

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[LogRecord]:
        """Never asked for what is gone."""
        raise AssertionError((topic, partition, offset, limit))


async def test_a_topic_without_its_beginning_is_refused(tmp_path: Path) -> None:
    log = ShortenedLog()
    await log.create(TOPIC, 1)
    await log.append(TOPIC, [Entry(b"k", sheet("unit-0")), Entry(b"k", sheet("unit-1"))])
    with pytest.raises(RecordingError, match="begins at offset 1, its first events are gone"):
        await record(log, TOPIC, MINI, tmp_path / "out", ABOUT)


def taken(second: int, value: bytes, *, is_amendment: bool = False) -> Taken:
    """A record of a partition."""
    return Taken(NOON + timedelta(seconds=second), None, value, is_amendment)


def test_no_report_passes_an_amendment() -> None:
    """Copies stand at different times: reports stay on the side of it on which their own partition has them."""
    change = amendment()
    left = [taken(0, b"l0"), taken(1, change, is_amendment=True), taken(2, b"l1")]
    right = [taken(4, b"r0"), taken(5, change, is_amendment=True), taken(6, b"r1")]
    events = list(merged([left, right, [taken(3, b"m0"), taken(5, change, is_amendment=True)]]))
    assert [event.value for event in events] == [b"l0", b"m0", b"r0", change, b"l1", b"r1"]
    assert [event.every_partition for event in events] == [False, False, False, True, False, False]
    assert [event.at for event in events] == sorted(event.at for event in events)


async def test_a_copy_that_nobody_signed_takes_no_other_one_s_place(tmp_path: Path) -> None:
    """The same bytes without their signature, in front of the signed copy and behind it: each partition is replayed as it was."""
    change, signature = amendment(), ("tallyroom-signature", b"hall-1:x")
    whole = Entry(b"amendment", change, (signature,))
    before = [[Entry(b"amendment", change), whole], [whole], [whole, Entry(b"amendment", change)], [whole]][:PARTITIONS]
    first, second = MemoryLog(), MemoryLog()
    for log in (first, second):
        await log.create(TOPIC, PARTITIONS)
    for number, entries in enumerate(before):
        await first.append(TOPIC, [entry._replace(partition=number) for entry in entries])
    await record(first, TOPIC, MINI, tmp_path / "night", ABOUT)
    for timed in Recording(tmp_path / "night").events():
        await second.append(TOPIC, recorded_entries(timed, PARTITIONS))
    assert await signatures(second) == await signatures(first)


async def signatures(log: EventLog) -> list[list[bytes | None]]:
    """The signature of each record, by partition."""
    return [
        [dict(item.headers).get("tallyroom-signature") for item in await log.read(TOPIC, number, 0, 100)]
        for number in range(PARTITIONS)
    ]


def test_amendments_in_contrary_orders_and_twice_are_written_once() -> None:
    one, two = amendment(1), amendment(2)
    left = [taken(0, one, is_amendment=True), taken(1, two, is_amendment=True), taken(2, one, is_amendment=True)]
    right = [taken(0, two, is_amendment=True), taken(1, one, is_amendment=True), taken(2, b"r")]
    assert [event.value for event in merged([left, right])] == [one, two, b"r"]
