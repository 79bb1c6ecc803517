"""Reports per second: our tabulator, a plain Faust agent with HINCRBY, bare aiokafka; same topic, same run."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer
from redis.asyncio import Redis

from tallyroom.log import KafkaLog, events_topic
from tallyroom.store import open_store
from tallyroom.testing.kafka import KafkaBroker
from tests.bench.material import cpu_seconds, now

TIMEOUT_S = 300.0


@contextmanager
def _service(
    name: str, broker: KafkaBroker, redis_url: str, definition: Path, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """One service as its own process; its output goes to a file."""
    environment = {
        **os.environ,
        "TALLYROOM_KAFKA_URL": broker.url,
        "TALLYROOM_REDIS_URL": redis_url,
        "TALLYROOM_DATA": str(folder / definition.stem),
    }
    with (folder / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tallyroom", name, str(definition)],
            env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def tabulator(broker: KafkaBroker, redis_url: str, definition: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One ``tallyroom tabulator`` process."""
    with _service("tabulator", broker, redis_url, definition, folder) as process:
        yield process


@contextmanager
def services(broker: KafkaBroker, redis_url: str, definition: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One ``tallyroom publisher`` process."""
    with _service("publisher", broker, redis_url, definition, folder) as process:
        yield process


async def _until(
    redis_url: str, election: str, done: Mapping[int, int], process: subprocess.Popen[bytes], folder: Path
) -> float:
    """Wait until the store stands at these offsets; when it did."""
    store = open_store(redis_url, election, "test")
    started = now()
    try:
        while True:
            offsets = await store.offsets()
            if all(offsets.get(partition, 0) >= end for partition, end in done.items()):
                return now()
            if process.poll() is not None or now() - started > TIMEOUT_S:
                said = (folder / "tabulator.log").read_text()[-3000:]
                raise RuntimeError(f"the tabulator did not get there: {dict(offsets)} of {dict(done)}: {said}")
            await asyncio.sleep(0.005)
    finally:
        await store.close()


async def ours(
    broker: KafkaBroker, redis_url: str, election: str, definition: Path, folder: Path
) -> tuple[float, float]:
    """(reports/s of wall time, reports per CPU-second of the tabulator) from its first apply to its last."""
    log = KafkaLog(broker.bootstrap)
    ends = {n: bounds.end for n, bounds in (await log.bounds(events_topic(election, "test"))).items()}
    await log.close()
    total = sum(ends.values())
    with tabulator(broker, redis_url, definition, folder) as process:
        await _first(redis_url, election, process, folder)
        started, burnt = now(), cpu_seconds(process.pid)
        ended = await _until(redis_url, election, ends, process, folder)
        used = cpu_seconds(process.pid) - burnt
    return total / (ended - started), total / used


async def _first(redis_url: str, election: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for the first claims: start-up and imports are not the tabulator's work."""
    store = open_store(redis_url, election, "test")
    try:
        while not await store.offsets():
            if process.poll() is not None:
                raise RuntimeError("the tabulator ended: " + (folder / "tabulator.log").read_text()[-3000:])
            await asyncio.sleep(0.005)
    finally:
        await store.close()


async def bare_aiokafka(broker: KafkaBroker, topic: str, total: int) -> float:
    """getmany + JSON decode, nothing else."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    decode = msgspec.json.Decoder().decode
    seen, started = 0, now()
    try:
        while seen < total:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=8000)).values():
                for record in records:
                    decode(record.value)
                seen += len(records)
    finally:
        await consumer.stop()
    return total / (now() - started)


PLAIN = textwrap.dedent(
    """
    import faust, redis.asyncio as redis, sys
    broker, topic, url, group = sys.argv[1:5]
    app = faust.App(group, broker="kafka://" + broker, store="memory://", web_enabled=False, topic_allow_declare=False,
                    topic_disable_leader=True, consumer_auto_offset_reset="earliest")
    store = redis.from_url(url)

    @app.agent(app.topic(topic, value_serializer="json"))
    async def count(stream):
        async for report in stream:
            async with store.pipeline(transaction=False) as pipe:
                for name, votes in report["counts"].items():
                    pipe.hincrby("plain", name, votes)
                pipe.incr("plain:seen")
                await pipe.execute()

    sys.argv[1:] = ["worker", "-l", "error", "--without-web"]
    app.main()
    """
)


async def plain_faust(broker: KafkaBroker, redis_url: str, topic: str, total: int, folder: Path) -> float:
    """An agent as the tutorials write it: event by event, HINCRBY per selection."""
    script = folder / "plain.py"
    script.write_text(PLAIN)
    store = Redis.from_url(redis_url)
    with (folder / "plain.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), broker.bootstrap, topic, redis_url, f"plain-{os.getpid()}"],
            stdout=output, stderr=output, cwd=folder,
        )  # fmt: skip
    try:
        started = 0.0
        while True:
            seen = int(await store.get("plain:seen") or 0)
            if seen and not started:
                started = now()
            if seen >= total:
                return total / (now() - started)
            if process.poll() is not None:
                raise RuntimeError("the plain agent ended: " + (folder / "plain.log").read_text()[-2000:])
            await asyncio.sleep(0.01)
    finally:
        process.terminate()
        process.wait(30)
        await store.aclose()
