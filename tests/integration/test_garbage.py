"""One per cent of garbage in a night: all of it in quarantine with its reason, every total as if it had not been there."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer

from tallyroom.codec.events import MAX_EVENT_BYTES, decode_event, partition_key
from tallyroom.domain.partition import partition_of
from tallyroom.log import LogRecord
from tallyroom.recordings.format import About, Recording, TimedEvent, open_recording, write_recording
from tallyroom.settings import DEFAULT_PARTITIONS
from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import ReplayedNight, StartNight
from tests.support.golden import roots
from tests.support.nights import on_kafka

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

SEED: Final = 20230319
SHARE: Final = 0.01
TOMBSTONES: Final = 5


@dataclass(frozen=True)
class Spoiled:
    """What a sound event became, and the reason with which it must be refused."""

    event: TimedEvent
    reason: str


def spoil(event: TimedEvent, how: int, chance: random.Random) -> Spoiled:
    """The event damaged in one of twelve ways."""
    value, sound = event.value, json.loads(event.value)
    key = partition_key(decode_event(value))
    wrong = (partition_of(key, DEFAULT_PARTITIONS) + 1) % DEFAULT_PARTITIONS
    first = next(iter(sound["counts"]))

    def changed(**members: Any) -> bytes:
        return json.dumps({**sound, **members}).encode()

    def counts(number: Any) -> bytes:
        return changed(counts={**sound["counts"], first: number})

    made: tuple[tuple[bytes, str, int | None], ...] = (
        (value[: chance.randrange(1, len(value))], "not_json", None),
        (counts("many"), "schema", None),
        (counts(-1), "schema", None),
        (counts(1.5), "schema", None),
        (counts(10**13), "schema", None),
        (changed(surprise=chance.random()), "schema", None),
        (changed(type="rumour"), "schema", None),
        (value, "wrong_partition", wrong),
        (b"\xff" + chance.randbytes(chance.randrange(400)), "not_json", None),
        (value[:-1] + b',"ext":{"deep":' + b"[" * chance.randrange(5_000, 50_000), "schema", None),
        (value[:-1] + b',"ext":{"deep":' + b"[" * 40 + b"]" * 40 + b"}}", "schema", None),
        (b"", "not_json", None),
    )
    bad, reason, partition = made[how % len(made)]
    return Spoiled(TimedEvent(event.at, bad, key, partition), reason)


def mixed(recording: Recording, spoiled: list[Spoiled]) -> Iterator[TimedEvent]:
    """The recorded events, and after one in a hundred of the reports the same one spoiled; those are listed, too."""
    chance = random.Random(SEED)
    for event in recording.events():
        yield event
        if chance.random() < SHARE and b'"type":"report"' in event.value:
            spoiled.append(spoil(event, len(spoiled), chance))
            yield spoiled[-1].event
    bloated = TimedEvent(event.at, event.value[:-1] + b" " * MAX_EVENT_BYTES + b"}", b"list|SIM-1")
    spoiled.append(Spoiled(bloated, "too_large"))
    yield bloated


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, list[Spoiled]]:
    """The night of 2023 with garbage in it."""
    folder, spoiled = tmp_path_factory.mktemp("dirty") / "kz-2023-dirty", list[Spoiled]()
    clean = open_recording("kz-2023")
    about = About(name=folder.name, title="kz-2023 with one per cent of garbage", real=False, licence="Apache-2.0")
    write_recording(folder, clean.definition(), mixed(clean, spoiled), about)
    return Recording(folder), spoiled


async def everything(night: ReplayedNight) -> dict[tuple[int, int], LogRecord]:
    """All records of the events topic by position."""
    return {(record.partition, record.offset): record for record in await night.records()}


async def check(night: ReplayedNight, snapshot: dict[str, Any], spoiled: list[Spoiled], tombstones: int = 0) -> None:
    """Totals are those of the clean night; the quarantine holds exactly the garbage and the night's own three."""
    manifest = open_recording("kz-2023").manifest
    assert roots(snapshot) == dict(manifest.golden)
    own = manifest.expect["quarantined"]
    expected = Counter({**own}) + Counter(item.reason for item in spoiled) + Counter(not_json=tombstones)
    assert snapshot["quarantined"] == dict(expected)

    sent = await everything(night)
    refused: dict[tuple[int, int], LogRecord] = {}
    for record in await night.quarantined():  # doubles are dropped by source position
        headers = {name: value.decode() for name, value in record.headers}
        position = int(headers["tallyroom_partition"]), int(headers["tallyroom_offset"])
        refused[position] = record
        assert record.value == sent[position].value[:MAX_EVENT_BYTES]
        assert record.key == sent[position].key
        assert headers["tallyroom_topic"] == f"tallyroom.{night.election}.simulation.events"
        assert int(headers["tallyroom_timestamp"]) == sent[position].timestamp
        assert headers["tallyroom_detail"]
    found = Counter((record.value, dict(record.headers)["tallyroom_reason"].decode()) for record in refused.values())
    garbage = Counter((item.event.value[:MAX_EVENT_BYTES], item.reason) for item in spoiled)
    garbage += Counter({(b"", "not_json"): tombstones})
    assert garbage <= found
    assert Counter(reason for _, reason in (found - garbage).elements()) == own


async def test_garbage_on_the_embedded_default(
    tallyroom_night: StartNight, dirty: tuple[Recording, list[Spoiled]]
) -> None:
    recording, spoiled = dirty
    assert len(spoiled) > 0.009 * recording.manifest.events
    async with tallyroom_night(recording.folder) as night:
        await check(night, await night.run_to_end(), spoiled)


@pytest.mark.kafka
async def test_garbage_on_kafka(
    tallyroom_night: StartNight, kafka_broker: KafkaBroker, dirty: tuple[Recording, list[Spoiled]]
) -> None:
    recording, spoiled = dirty
    async with tallyroom_night(recording.folder, held=True, servers=on_kafka(kafka_broker)) as night:
        await night.run_to("2023-03-20T00:00:00+06:00")
        async with foreign_producer(kafka_broker) as producer:  # ours never writes a record without a value
            for number in range(TOMBSTONES):
                topic = f"tallyroom.{night.election}.simulation.events"
                await producer.send_and_wait(topic, key=b"list|gone", value=None, partition=number)
        await check(night, await night.run_to_end(), spoiled, TOMBSTONES)


@asynccontextmanager
async def foreign_producer(broker: KafkaBroker) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that is not ours."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
