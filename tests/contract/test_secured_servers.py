"""The real servers with TLS, users and rights: what each service may do, what it may not, and what nobody learns."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallyroom.domain.errors import LogError, SettingError, StoreUnavailable, TopicMissing
from tallyroom.log import Entry, KafkaLog, events_topic, quarantine_topic
from tallyroom.settings import KafkaSecurity
from tallyroom.store import Apply, RedisStore
from tallyroom.store.base import Answer
from tallyroom.testing.kafka import BrokerUnavailable
from tallyroom.testing.secured import SecuredBroker
from tests.support.certificates import Authority
from tests.support.kafka_fixtures import unavailable
from tests.support.secured import SecuredStore, allow, grants, password_of, refused, secured_kafka
from tests.support.store_fixtures import REAL, binary_of

ELECTION, ENVIRONMENT = "mini", "test"
EVENTS, QUARANTINE = events_topic(ELECTION, ENVIRONMENT), quarantine_topic(ELECTION, ENVIRONMENT)
KEY = f"tallyroom:{{{ELECTION}.{ENVIRONMENT}}}:"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[SecuredBroker]:
    try:
        with secured_kafka(tmp_path_factory.mktemp("secured-kafka"), authority) as running:
            yield running
    except BrokerUnavailable as error:
        unavailable(error)


class Logs:
    """Logs of single users, closed together."""

    def __init__(self, broker: SecuredBroker) -> None:
        self.broker = broker
        self._opened: list[KafkaLog] = []

    def __call__(self, user: str, password: str | None = None) -> KafkaLog:
        return self.of(self.broker.access(user, password))

    def of(self, security: KafkaSecurity) -> KafkaLog:
        log = KafkaLog(self.broker.bootstrap, security=security)
        self._opened.append(log)
        return log

    async def close(self) -> None:
        for log in self._opened:
            await log.close()


@pytest.fixture
async def logs(broker: SecuredBroker) -> AsyncIterator[Logs]:
    made = Logs(broker)
    await allow(broker, ELECTION, ENVIRONMENT)
    creator = made("tallyroom-topics")
    for topic in (EVENTS, QUARANTINE):
        await creator.create(topic, 2)
    yield made
    await made.close()


@pytest.mark.kafka
@pytest.mark.slow
class TestKafka:
    """One secured broker for all of them."""

    async def test_producers_write_events_and_read_nothing(self, logs: Logs) -> None:
        producer = logs("tallyroom-producer")
        (position,) = await producer.append(EVENTS, [Entry(b"k", b"v", (("h", b"1"),))])
        with pytest.raises(LogError):
            await producer.read(EVENTS, position.partition, position.offset, 1)
        with pytest.raises(LogError):
            await producer.append(QUARANTINE, [Entry(b"k", b"v")])
        found = await logs("tallyroom-auditor").read(EVENTS, position.partition, position.offset, 1)
        assert [(item.value, tuple(item.headers)) for item in found] == [(b"v", (("h", b"1"),))]

    async def test_tabulators_write_what_they_refuse_and_no_event(self, logs: Logs) -> None:
        tabulator = logs("tallyroom-tabulator")
        await tabulator.append(QUARANTINE, [Entry(b"k", b"v")])
        with pytest.raises(LogError):
            await tabulator.append(EVENTS, [Entry(b"k", b"v")])

    async def test_publishers_ask_for_the_ends_alone(self, logs: Logs) -> None:
        publisher = logs("tallyroom-publisher")
        bounds = await publisher.bounds(EVENTS)
        assert set(bounds) == {0, 1}
        await logs("tallyroom-producer").append(EVENTS, [Entry(b"k", b"v", partition=0)])
        with pytest.raises(LogError):
            await publisher.read(EVENTS, 0, 0, 1)

    async def test_nobody_but_its_maker_creates_a_topic(self, logs: Logs) -> None:
        with pytest.raises(LogError):
            await logs("tallyroom-producer").create("tallyroom.other.test.events", 1)
        with pytest.raises(LogError):
            await logs("tallyroom-topics").create("elsewhere", 1)

    async def test_a_wrong_password_and_a_wrong_authority_are_refused_and_not_shown(
        self, logs: Logs, tmp_path: Path
    ) -> None:
        for log in (
            logs("tallyroom-producer", "leak-wrong-4711"),
            logs.of(replace(logs.broker.access("tallyroom-producer"), ca=Authority(tmp_path, "another").ca)),
            logs.of(KafkaSecurity("ssl", ca=logs.broker.access("admin").ca)),
            logs.of(KafkaSecurity()),
        ):
            with pytest.raises(LogError, match="did not describe") as caught:
                await log.partitions(EVENTS)
            assert "leak-" not in repr(caught.value) + repr(caught.value.__cause__) + repr(vars(log).get("_admin"))

    async def test_who_is_turned_away_is_told_what_to_do(self, logs: Logs) -> None:
        wrong = logs("tallyroom-producer", "leak-wrong-4711")
        with pytest.raises(LogError, match=r"password of 'tallyroom-producer' .*TALLYROOM_KAFKA_PASSWORD_FILE"):
            await wrong.partitions(EVENTS)
        with pytest.raises(TopicMissing, match=r"is not shown to this user.*TALLYROOM_KAFKA_USERNAME.*acls\.sh"):
            await logs("tallyroom-producer").partitions(QUARANTINE)
        with pytest.raises(LogError, match=r"'tallyroom-publisher' has no right to it .*acls\.sh"):
            await logs("tallyroom-publisher").append(EVENTS, [Entry(b"k", b"v")])

    async def test_a_certificate_for_another_host_is_refused(self, logs: Logs) -> None:
        access = logs.broker.access("tallyroom-producer")
        host = KafkaLog(f"ip6-localhost:{logs.broker.port}", security=access)
        with pytest.raises(LogError):
            await host.partitions(EVENTS)
        await host.close()


def test_a_missing_authority_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="holds no certificates"):
        KafkaLog("127.0.0.1:1", security=KafkaSecurity("ssl", ca=tmp_path / "none"))


def test_the_rights_name_every_service_and_no_wildcard() -> None:
    found = set(grants(ELECTION, ENVIRONMENT))
    assert {user for user, *_ in found} == {
        f"tallyroom-{name}" for name in ("topics", "producer", "tabulator", "publisher", "auditor", "desk")
    }
    assert not [name for _, _, name, _ in found if "*" in name]


@pytest.fixture(scope="module", params=REAL)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[SecuredStore]:
    folder = tmp_path_factory.mktemp("secured-store")
    made = SecuredStore(binary_of(request.param), folder, authority, (ELECTION, ENVIRONMENT))
    with made.running():
        yield made


async def test_each_service_does_its_part_of_the_store(server: SecuredStore) -> None:
    tabulator, publisher, gateway, auditor = (
        RedisStore(server.access(name), ELECTION, ENVIRONMENT)
        for name in ("tabulator", "publisher", "gateway", "auditor")
    )
    try:
        await tabulator.open("0" * 64, 2)
        claim = await tabulator.claim(0)
        assert await tabulator.apply([Apply(0, claim.epoch, 0, 3, {b"u:x": b"1"})]) == [Answer.OK]
        assert await publisher.offsets() == {0: 3}
        lease = await publisher.acquire("me", 60)
        assert lease is not None
        assert await publisher.publish(lease, 1, b"head", {"a": b"1"}) is Answer.OK
        assert await publisher.beat(lease, 60, b"well")
        head = await gateway.head()
        assert head is not None
        assert head.number == 1
        assert (await gateway.documents())[1] == {"a": b"1"}
        assert await gateway.condition() == b"well"
        assert await auditor.units(0, [b"u:x"]) == [b"1"]
        waiting = gateway.hint("revision", 20)
        await publisher.announce("revision")
        assert await waiting in {True, False}  # it is heard or was too early; the next assertion is about the right
        assert await refused(server.access("gateway"), "SUBSCRIBE", f"{KEY}hint:revision") == ""
        await publisher.release(lease)
    finally:
        for store in (tabulator, publisher, gateway, auditor):
            await store.close()


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("gateway", ("HSET", f"{KEY}revision", "revision", "9")),
        ("gateway", ("FCALL", "tallyroom_apply", "1", f"{KEY}p:0", "1", "0", "1")),
        ("gateway", ("PUBLISH", f"{KEY}hint:revision", "")),
        ("auditor", ("HSET", f"{KEY}p:0", "off", "9")),
        ("publisher", ("HSET", f"{KEY}p:0", "off", "9")),
        ("publisher", ("FUNCTION", "FLUSH")),
        ("publisher", ("FUNCTION", "LOAD", "REPLACE", "#!lua name=tallyroom\n")),
        ("tabulator", ("FLUSHALL",)),
        ("tabulator", ("FUNCTION", "FLUSH")),
        ("tabulator", ("HSET", "tallyroom:{other.test}:p:0", "off", "9")),
        ("tabulator", ("EVAL", "return 1", "0")),
        ("tabulator", ("CONFIG", "GET", "*")),
        ("tabulator", ("KEYS", "*")),
    ],
)
async def test_what_a_stolen_password_does_not_open(server: SecuredStore, user: str, command: tuple[str, ...]) -> None:
    assert "permission" in await refused(server.access(user), *command)


async def test_who_is_turned_away_by_the_store_is_told_what_to_do(server: SecuredStore) -> None:
    for access, what in (
        (server.access("gateway", "leak-wrong-4711"), "'tallyroom-gateway' in: .*TALLYROOM_REDIS_PASSWORD_FILE"),
        (server.access("gateway"), r"refused user 'tallyroom-gateway': .*TALLYROOM_REDIS_USERNAME.*users\.acl"),
    ):
        store = RedisStore(access, ELECTION, ENVIRONMENT)
        with pytest.raises(StoreUnavailable, match=what):
            await store.claim(0)
        await store.close()


async def test_the_store_asks_who_is_there(server: SecuredStore, tmp_path: Path) -> None:
    right = server.access("gateway")
    strangers = [server.access("gateway", "leak-wrong-4711"), replace(right, username=None, password=None)]
    if server.tls:
        strangers.append(replace(right, ca=Authority(tmp_path, "another").ca))
        strangers.append(replace(right, url=right.url.replace("rediss", "redis")))
    for access in strangers:
        store = RedisStore(access, ELECTION, ENVIRONMENT, answer_s=2.0)
        with pytest.raises(StoreUnavailable) as caught:
            await store.head()
        assert "leak-" not in repr(caught.value) + repr(caught.value.__cause__) + repr(access)
        await store.close()
    assert password_of("gateway") not in repr(right)
