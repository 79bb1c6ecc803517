"""What the Kafka log does while its broker is away, dies or comes back; what its topics are created with."""

import asyncio
import os
import signal
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

import tallyroom.log.kafka as kafka_log
from tallyroom.domain.errors import LogError, TallyroomError
from tallyroom.log import Bounds, Entry, KafkaLog, open_log
from tallyroom.settings import Settings
from tallyroom.testing.kafka import BrokerUnavailable, KafkaBroker, answers

TOPIC = "tallyroom.mini.test.events"


async def test_a_broker_that_is_not_there_is_explained() -> None:
    log = KafkaLog("127.0.0.1:1")  # nothing listens on port 1
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(LogError, match=r"127\.0\.0\.1:1 did not describe .*TALLYROOM_KAFKA_URL"):
            await log.append(TOPIC, [Entry(b"k", b"v")])
    with pytest.raises(LogError, match="did not create topic"):
        await log.create(TOPIC, 2)
    await log.close()
    assert time.monotonic() - started < 10


@pytest.mark.kafka
async def test_topics_keep_everything(kafka_broker: KafkaBroker) -> None:
    log = open_log(Settings(kafka_url=kafka_broker.url))
    await log.create("tallyroom.config.test.events", 2)
    await log.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    await admin.start()
    wanted = ConfigResource(ConfigResourceType.TOPIC, "tallyroom.config.test.events")
    answer = await admin.describe_configs([wanted])
    await admin.close()
    config = {entry[0]: entry[1] for entry in answer[0].resources[0][4]}
    assert (config["cleanup.policy"], config["retention.ms"], config["retention.bytes"]) == ("delete", "-1", "-1")


@pytest.mark.kafka
async def test_a_refused_topic_is_explained(kafka_broker: KafkaBroker) -> None:
    log = KafkaLog(kafka_broker.bootstrap, replication=(3, 2))
    with pytest.raises(LogError, match=r"refused to create topic .*replication factor"):
        await log.create("tallyroom.three.test.events", 2)
    await log.close()


@pytest.mark.kafka
@pytest.mark.slow
async def test_a_broker_killed_and_restarted(kafka_broker_alone: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acknowledged records survive a kill; an append waits for a restart; an outage is an error, in time."""
    broker = kafka_broker_alone
    log = KafkaLog(broker.bootstrap)
    await log.create(TOPIC, 2)
    placed = await log.append(TOPIC, [Entry(b"%d" % n, b"%d" % n, (), n % 2) for n in range(2000)])
    assert len(await log.read(TOPIC, 0, 0, 10)) == 10

    broker.kill()
    assert not answers(broker.port)
    waiting = asyncio.create_task(log.append(TOPIC, [Entry(b"later", b"later", (), 0)]))
    await asyncio.to_thread(broker.restart)
    assert [position.offset for position in await waiting] == [1000]
    assert await log.bounds(TOPIC) == {0: Bounds(0, 1001), 1: Bounds(0, 1000)}
    assert [r.value for r in await log.read(TOPIC, 1, 0, 5000)] == [b"%d" % n for n in range(1, 2000, 2)]
    assert max(position.offset for position in placed) == 999

    monkeypatch.setattr(kafka_log, "APPEND_TIMEOUT_S", 2.0)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    with pytest.raises(LogError, match="did not acknowledge 1 records"):
        await log.append(TOPIC, [Entry(b"lost", b"lost", (), 1)])
    os.kill(broker.pid, signal.SIGCONT)
    # What was sent before the broker froze may have been written; never anything after the error.
    monkeypatch.setattr(kafka_log, "APPEND_TIMEOUT_S", 60.0)
    end = (await log.append(TOPIC, [Entry(b"after", b"after", (), 1)]))[0].offset
    assert end in (1000, 1001)
    assert (await log.bounds(TOPIC))[1].end == end + 1

    broker.kill()
    monkeypatch.setattr(kafka_log, "APPEND_TIMEOUT_S", 2.0)
    with pytest.raises(LogError):
        await log.append(TOPIC, [Entry(b"lost", b"lost", (), 1)])
    monkeypatch.setattr(kafka_log, "READ_TIMEOUT_S", 2.0)
    with pytest.raises(LogError):
        await log.read(TOPIC, 1, end + 1, 10)
    started = time.monotonic()
    await log.close()
    assert time.monotonic() - started < 15


@pytest.mark.kafka
def test_a_taken_port_is_explained(kafka_broker: KafkaBroker) -> None:
    other = KafkaBroker(port=kafka_broker.port)
    with pytest.raises(BrokerUnavailable, match=f"Port {kafka_broker.port} cannot be used"):
        other.start()
    other.stop()


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TallyroomError, match=r"'java' is needed .*install a Java runtime"):
        KafkaBroker().start()
