"""Claims of a real Faust worker on Kafka: a store that contradicts the log ends the process, it does not go on live and idle."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from redis.asyncio import Redis

from tallyroom.codec.events import encode_event
from tallyroom.domain.errors import RebuildRequired, StoreUnavailable
from tallyroom.log import KafkaLog, events_topic, quarantine_topic
from tallyroom.log.base import Entry
from tallyroom.settings import Settings
from tallyroom.store import EmbeddedValkey, RedisStore
from tallyroom.tabulator.service import Tabulator
from tallyroom.telemetry.metrics import new_registry, tabulator_metrics
from tallyroom.testing.kafka import KafkaBroker
from tests.support.elections import CHAIN, ELECTION, Sent, election

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(200)]

DEFINITION = election(2)
TOPIC = events_topic(ELECTION, "test")
KEY = f"tallyroom:{{{ELECTION}.test}}:p:0"


async def filled(broker: KafkaBroker) -> None:
    """The topics of the election, made anew, with three reports."""
    log = KafkaLog(broker.bootstrap)
    for topic in (TOPIC, quarantine_topic(ELECTION, "test")):
        await log.create(topic, 1)
    values = [encode_event(Sent("list", unit).event(DEFINITION)) for unit in ("u1", "u2", "u3")]
    await log.append(TOPIC, [Entry(f"list|u{n}".encode(), value) for n, value in enumerate(values, 1)])
    await log.close()


async def run(settings: Settings, store: RedisStore, until: int | None = None) -> None:
    """One worker, until the store stands at this offset, or until it ends by itself."""
    worker = Tabulator(settings, DEFINITION, CHAIN, store, tabulator_metrics(new_registry("tabulator")))
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(90):
        while until is not None and not running.done() and await _offset(store) != until:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        if until is not None:
            stop.set()
        await running


async def _offset(store: RedisStore) -> int | None:
    with contextlib.suppress(
        StoreUnavailable
    ):  # Faust's start holds the loop up: the client may think that nobody answers
        return (await store.offsets()).get(0)
    return None


async def test_a_worker_ends_where_store_and_log_contradict_each_other(
    kafka_broker_alone: KafkaBroker, valkey_server: EmbeddedValkey, tmp_path: Path
) -> None:
    await filled(kafka_broker_alone)
    settings = Settings(kafka_url=kafka_broker_alone.url, redis_url=valkey_server.url, data=tmp_path)
    store = RedisStore(settings.store, ELECTION, "test")
    redis: Any = Redis.from_url(valkey_server.url)  # what its methods return differs between releases of the client
    try:
        await run(settings, store, until=3)
        folded = await redis.hget(KEY, "log")
        await redis.hset(KEY, "log", json.dumps({**json.loads(folded), "first": "another", "last": "another"}))
        with pytest.raises(RebuildRequired, match="record 0 is not the one that was folded"):
            await run(settings, store)
        await redis.hset(KEY, mapping={"log": folded, "off": "9"})
        with pytest.raises(RebuildRequired, match="its totals stand at 9"):
            await run(settings, store)
        await redis.delete(KEY)
        await _shorten(kafka_broker_alone.bootstrap)
        with pytest.raises(RebuildRequired, match="holds records 2 to 3, its totals stand at 0"):
            await run(settings, store)
    finally:
        await redis.flushall()
        await redis.aclose()
        await store.close()


async def _shorten(bootstrap: str) -> None:
    """Records 0 and 1 are deleted, as a retention time would do it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(TOPIC, 0): RecordsToDelete(before_offset=2)})
    finally:
        await admin.close()
