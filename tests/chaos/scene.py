"""The stage of a round: servers, lines, processes, the log being written, and the questions that faults ask of them."""

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tallyroom.log import KafkaLog, events_topic, quarantine_topic
from tallyroom.store import EmbeddedValkey
from tallyroom.testing.kafka import KafkaBroker
from tests.chaos.audience import Audience
from tests.chaos.lines import PUBLISHER, WORKERS, BrokerBehindProxies, Line, faketime, lines, small_disk
from tests.chaos.material import Material, Sending
from tests.chaos.oracle import Read
from tests.chaos.processes import Nursery, Service, nursery
from tests.chaos.proxy import Weather, free_port

PARTITIONS: Final = 9
SESSION_S: Final = 3
DISK_MB: Final = 160
HEALS_S: Final = 90.0
CHUNK: Final = 200


class NotHealed(AssertionError):
    """What must come back did not."""


@dataclass
class Servers:
    """What all rounds of a run share."""

    broker: KafkaBroker
    lines: dict[str, Line]
    folder: Path
    disk: Path
    disk_is_small: bool
    nursery: Nursery


@asynccontextmanager
async def servers(folder: Path, *, direct: bool = False) -> AsyncIterator[Servers]:
    """A broker with a way for each line, and a small disk for the store. ``direct``: without lines, for measuring."""
    async with AsyncExitStack() as stack:
        found = {} if direct else stack.enter_context(lines())
        small = stack.enter_context(small_disk(folder / "disk", DISK_MB))
        for line in found.values():
            for proxy in (line.kafka, line.store):
                await proxy.start()
                stack.push_async_callback(proxy.stop)
        broker = BrokerBehindProxies(folder / "kafka")
        broker.ways = [line.way for line in found.values()]
        stack.callback(broker.stop)
        await asyncio.to_thread(broker.start)
        forks = await stack.enter_async_context(nursery())
        yield Servers(broker, found, folder, folder / "disk", small, forks)


@dataclass
class Scene:
    """One round's night."""

    servers: Servers
    material: Material
    store: EmbeddedValkey
    folder: Path
    services: dict[str, Service] = field(default_factory=dict)
    audience: Audience = field(default_factory=lambda: Audience(""))
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    log: KafkaLog = field(init=False)
    redis: "Redis" = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.log = KafkaLog(self.servers.broker.bootstrap)
        self.redis = Redis.from_url(self.store.url, socket_timeout=5, retry_on_error=[])

    @property
    def election(self) -> str:
        """Its name."""
        return self.material.definition.election

    @property
    def topic(self) -> str:
        """The log."""
        return events_topic(self.election, "test")

    @property
    def definition(self) -> Path:
        """The file that the services were given."""
        return self.folder / f"{self.election}.json"

    def lock(self, target: str) -> asyncio.Lock:
        """One fault at a time for each target."""
        return self.locks.setdefault(target, asyncio.Lock())

    async def ends(self, topic: str | None = None) -> dict[int, int]:
        """Next offset of each partition of the log."""
        return {number: bounds.end for number, bounds in (await self.log.bounds(topic or self.topic)).items()}

    @asynccontextmanager
    async def admin(self) -> AsyncIterator["Redis"]:
        """The store's server, straight, on a connection of its own."""
        redis = Redis.from_url(self.store.url, socket_timeout=5)
        try:
            yield redis
        finally:
            await redis.aclose()

    def key(self, partition: int) -> str:
        """The hash of a partition."""
        return f"tallyroom:{{{self.election}.test}}:p:{partition}"

    async def offsets(self) -> dict[int, int]:
        """What the store says; nothing while it is away."""
        asked = self.redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            asked.hget(self.key(number), "off")
        try:
            answers = await asked.execute()
        except (RedisError, OSError, TimeoutError):
            return {}
        return {number: int(answer) for number, answer in enumerate(answers) if answer is not None}

    async def close(self) -> None:
        """Release connections."""
        await self.log.close()
        await self.redis.aclose()

    async def hashes(self) -> dict[int, dict[bytes, bytes]]:
        """All fields of all partitions."""
        return {number: await self.redis.hgetall(self.key(number)) for number in range(PARTITIONS)}  # type: ignore[misc]

    async def folded(self, ends: Mapping[int, int]) -> bool:
        """Whether the store has come this far."""
        at = await self.offsets()
        return all(at.get(number, -1) >= end for number, end in ends.items())

    async def healed(self, what: str) -> tuple[float, float]:
        """Seconds until the store, and until the public, have all that is in the log now. Raises NotHealed."""
        started = time.monotonic()
        ends = await self.ends()
        await until(lambda: self.folded(ends), f"{what}: the store to come to {ends}")
        progress = time.monotonic() - started

        async def shown() -> bool:
            return self.audience.reached(ends)

        await until(shown, f"{what}: the public to see {ends}")
        return progress, time.monotonic() - started

    async def audited(self) -> list[str]:
        """What the auditor holds against the night once it has looked at all of it. Raises NotHealed if it never does."""
        why: list[str] = []

        async def looked() -> bool:
            key = f"tallyroom:{{{self.election}.test}}:mark"
            found: list[Any] = await self.redis.hmget(key, ["why", "audited"])
            why[:] = [f"the auditor froze publication: {found[0].decode()[:300]}"] if found[0] else []
            return bool(why) or int(found[1] or 0) >= self.audience.latest["revision"]

        await until(looked, "the auditor to find the last revision right")
        return why

    async def records(self, topic: str | None = None) -> dict[int, list[Read]]:
        """The whole log, read without any of the product's code."""
        name = topic or self.topic
        found: dict[int, list[Read]] = {}
        ends = await self.ends(name)
        reader = AIOKafkaConsumer(bootstrap_servers=self.servers.broker.bootstrap, auto_offset_reset="earliest")
        await reader.start()
        try:
            reader.assign([TopicPartition(name, number) for number in ends])
            found = {number: [] for number in ends}
            async with asyncio.timeout(HEALS_S):
                while any(len(found[number]) < end for number, end in ends.items()):
                    for tp, batch in (await reader.getmany(timeout_ms=500)).items():
                        found[tp.partition] += [Read(tp.partition, r.offset, r.key, r.value) for r in batch]
        finally:
            await reader.stop()
        return found

    async def quarantined(self) -> list[tuple[int, int]]:
        """Source positions of what stands in the quarantine topic."""
        name = quarantine_topic(self.election, "test")
        reader = AIOKafkaConsumer(bootstrap_servers=self.servers.broker.bootstrap, auto_offset_reset="earliest")
        ends = await self.ends(name)
        kept: list[tuple[int, int]] = []
        await reader.start()
        try:
            reader.assign([TopicPartition(name, number) for number in ends])
            async with asyncio.timeout(HEALS_S):
                while len(kept) < sum(ends.values()):
                    for batch in (await reader.getmany(timeout_ms=500)).values():
                        for record in batch:
                            said = dict(record.headers)
                            kept.append((int(said["tallyroom_partition"]), int(said["tallyroom_offset"])))
        finally:
            await reader.stop()
        return kept

    async def send(self, over_s: float) -> None:
        """Write the material into the log, in chunks spread over so many seconds; at once when ``hurry`` is set."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers.broker.bootstrap, enable_idempotence=True)
        await producer.start()
        chunks = [self.material.records[at : at + CHUNK] for at in range(0, len(self.material.records), CHUNK)]
        try:
            for chunk in chunks:
                await _append(producer, self.topic, chunk)
                self.sent += len(chunk)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.hurry.wait(), over_s / len(chunks))
        finally:
            await producer.stop()

    async def append(self, records: Sequence[Sending]) -> None:
        """Write these into the log, all at once."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers.broker.bootstrap, enable_idempotence=True)
        await producer.start()
        try:
            await _append(producer, self.topic, records)
        finally:
            await producer.stop()

    async def settled(self) -> None:
        """Wait until every tabulator is a member of the group and the partitions are shared out."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers.broker.bootstrap)
        await admin.start()

        async def shared() -> bool:
            (told,) = await admin.describe_consumer_groups([f"tallyroom.{self.election}.test.tabulator"])
            _, _, state, _, _, members, *_ = told.groups[0]
            return state == "Stable" and len(members) == len(WORKERS)

        try:
            await until(shared, "all tabulators to be in the group")
        finally:
            await admin.close()

    async def enough_sent(self, share: float) -> None:
        """Wait until this share of the material is in the log."""
        while self.sent < share * len(self.material.records):  # noqa: ASYNC110 - the sender tells nobody
            await asyncio.sleep(0.02)

    def environment(self, name: str, clock: Path | None = None) -> dict[str, str]:
        """Settings of a service. ``clock``: the file that its clock is read from."""
        own = {
            "TALLYROOM_DATA": str(self.folder / name),
            "TALLYROOM_SESSION_TIMEOUT": str(SESSION_S),
            "TALLYROOM_LOG_FORMAT": "json",
        }
        line = self.servers.lines.get(name)
        own |= {"TALLYROOM_REDIS_URL": self.store.url, "TALLYROOM_KAFKA_URL": self.servers.broker.url}
        own |= line.environment() if line is not None else {}
        library = faketime() if clock is not None else None
        if clock is not None and library is not None:
            clock.write_text("+0\n")
            own |= {
                "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1",
            }  # fmt: skip
        return own

    def said(self, event: str) -> int:
        """How often the services' logs hold this text."""
        return sum(service.output.read_text(errors="replace").count(event) for service in self.services.values())


async def _append(producer: AIOKafkaProducer, topic: str, chunk: Sequence[Sending]) -> None:
    sent: list[Awaitable[object]] = [
        await producer.send(topic, value, key=key, partition=partition) for key, value, partition in chunk
    ]
    await asyncio.wait_for(asyncio.gather(*sent), HEALS_S)


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = HEALS_S) -> None:
    """Wait until it holds. Raises NotHealed."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise NotHealed(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def scene(shared: Servers, material: Material, binary: Path, clocks: Mapping[str, Path]) -> AsyncIterator[Scene]:
    """A night that is up: every partition claimed, the audience asking. Everything of it is gone at the end."""
    folder = shared.folder / material.definition.election
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        store = EmbeddedValkey(shared.disk / material.definition.election, binary)
        stack.callback(shutil.rmtree, shared.disk / material.definition.election, ignore_errors=True)
        stack.callback(store.stop)
        await asyncio.to_thread(store.start)
        for line in shared.lines.values():
            line.store.target = store.port
        stage = Scene(shared, material, store, folder)
        stack.push_async_callback(stage.close)
        for topic in (stage.topic, quarantine_topic(stage.election, "test")):
            await stage.log.create(topic, PARTITIONS)
        stack.push_async_callback(_end, stage)
        await _start(stage, clocks)
        watching = asyncio.create_task(stage.audience.watch())
        stack.callback(watching.cancel)

        async def claimed() -> bool:
            return len(await stage.offsets()) == PARTITIONS

        await until(claimed, "the partitions to be claimed")
        yield stage


async def _start(stage: Scene, clocks: Mapping[str, Path]) -> None:
    definition = str(stage.material.write(stage.folder))
    assert definition == str(stage.definition)
    port = free_port()
    stage.audience.base = f"http://127.0.0.1:{port}/v1/elections/{stage.election}"
    commands = {
        **dict.fromkeys(WORKERS, "tabulator"),
        **{name: name for name in ("gateway", "auditor")},
        PUBLISHER: "publisher",
    }
    for name, command in commands.items():
        line = stage.servers.lines.get(name)
        environment = stage.environment(name, clocks.get(name))
        if name == "gateway":
            environment |= {"TALLYROOM_HTTP_PORT": str(port), "TALLYROOM_OPS_PORT": "0"}
        space = line.space.name if line is not None and line.space is not None else ""
        output = stage.folder / f"{name}.log"
        stage.services[name] = Service(name, (command, definition), environment, output, stage.servers.nursery, space)
        await stage.services[name].start()


async def _end(stage: Scene) -> None:
    """Nothing is waited for in order: the next round starts from nothing."""
    for line in stage.servers.lines.values():
        line.kafka.become(Weather())
        line.store.become(Weather())
    for service in stage.services.values():
        service.held = True
        service.signal(signal.SIGKILL)
    await asyncio.gather(*(service.end() for service in stage.services.values()))
