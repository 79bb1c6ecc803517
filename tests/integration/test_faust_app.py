"""What the consumer group must not do to a night: share out nothing, or move a fetch under its own hands."""

import threading
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver

from tallyroom.domain.errors import RebuildRequired
from tallyroom.log import MemoryLog, events_topic, quarantine_topic
from tallyroom.settings import Settings
from tallyroom.store import EmbeddedValkey, MemoryStore, RedisStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.applier import Applier
from tallyroom.tabulator.faust_app import StoreConsumer, build_app
from tallyroom.telemetry.metrics import new_registry, tabulator_metrics
from tallyroom.testing.kafka import KafkaBroker
from tests.integration.test_claims_kafka import filled, run
from tests.support.elections import CHAIN, ELECTION, election

TOPICS: Final = (events_topic(ELECTION, "test"), quarantine_topic(ELECTION, "test"))
PARTITIONS: Final = 9


async def test_a_leader_whose_broker_forgot_the_topic_shares_out_all_partitions(tmp_path: Path) -> None:
    """A broker that was just started tells of no topics. Without partitions the group would stand still for five minutes."""
    log = MemoryLog()
    for topic in TOPICS:
        await log.create(topic, PARTITIONS)
    metrics = tabulator_metrics(new_registry("tabulator"))
    applier = Applier(MemoryStore(), log, TOPICS, Plan(election(2), CHAIN), metrics)
    settings = Settings(kafka_url="kafka://127.0.0.1:1", data=tmp_path)
    app = build_app("group", settings, TOPICS[0], applier, str(tmp_path))

    async def seek(partition: int, offset: int) -> None:
        raise AssertionError((partition, offset))

    await applier.open(seek)
    assignor: Any = app.assignor
    mine = assignor.metadata({TOPICS[0]})
    shared = assignor.assign(ClusterMetadata(), {"t1": mine, "t2": mine})
    assert sorted(number for part in shared.values() for number in _numbers(part)) == list(range(PARTITIONS))
    assert all(_numbers(part) for part in shared.values())


def _numbers(part: ConsumerProtocolMemberAssignment) -> list[int]:
    return [number for topic, numbers in part.assignment if topic == TOPICS[0] for number in numbers]


async def test_a_log_that_lost_what_comes_next_asks_for_a_rebuild(monkeypatch: pytest.MonkeyPatch) -> None:
    async def out_of_range(*_: Any) -> Any:
        raise OffsetOutOfRangeError({TopicPartition(TOPICS[0], 3): 2220})

    monkeypatch.setattr(driver.Consumer, "_getmany", out_of_range)
    consumer = StoreConsumer.__new__(StoreConsumer)
    with pytest.raises(RebuildRequired, match="partition 3 at 2220"):
        await consumer._getmany(None, 1.0)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_seek_happens_on_the_thread_that_fetches(
    kafka_broker_alone: KafkaBroker, valkey_server: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another one it takes away what a fetch is just looking at, and the worker ends."""
    seeking, fetching = set[int](), set[int]()
    seek, fetched = AIOKafkaConsumer.seek, Fetcher.fetched_records

    def watched_seek(self: Any, *arguments: Any) -> None:
        seeking.add(threading.get_ident())
        seek(self, *arguments)

    async def watched_fetch(self: Any, *arguments: Any, **named: Any) -> Any:
        fetching.add(threading.get_ident())
        return await fetched(self, *arguments, **named)

    monkeypatch.setattr(AIOKafkaConsumer, "seek", watched_seek)
    monkeypatch.setattr(Fetcher, "fetched_records", watched_fetch)
    await filled(kafka_broker_alone)
    settings = Settings(kafka_url=kafka_broker_alone.url, redis_url=valkey_server.url, data=tmp_path)
    store = RedisStore(settings.store, ELECTION, "test")
    await run(settings, store, until=3)
    await store.close()
    assert seeking
    assert seeking == fetching
