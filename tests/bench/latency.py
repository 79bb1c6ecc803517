"""Publish -> applied -> in the snapshot at a fixed rate, record by record.

The load comes from a process of its own: sending 8,000 records a second keeps a Python loop busy, and a busy observer would
see everything late. Both use the same monotonic clock, which is one for the whole machine.
"""

import asyncio
import bisect
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from tallyroom.store import open_store
from tests.bench.material import now

TICK_S = 0.005
POLL_S = 0.003


@dataclass
class Watch:
    """When an offset of a partition was first seen to be passed: (offset, time) pairs, both rising."""

    seen: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def note(self, offsets: Mapping[int, int], at: float) -> None:
        """Offsets as read at a time."""
        for partition, offset in offsets.items():
            listed = self.seen.setdefault(partition, [])
            if not listed or listed[-1][0] < offset:
                listed.append((offset, at))

    def passed(self, partition: int, offset: int) -> float | None:
        """When the record at this offset was first covered."""
        listed = self.seen.get(partition, [])
        index = bisect.bisect_right(listed, (offset, float("inf")))
        return listed[index][1] if index < len(listed) else None


async def observe(redis_url: str, election: str, applied: Watch, published: Watch, stop: asyncio.Event) -> None:
    """Poll the store's offsets and the revision's head until stopped."""
    store = open_store(redis_url, election, "test")
    number = 0
    while not stop.is_set():
        applied.note(await store.offsets(), now())
        head = await store.head()
        if head is not None and head.number != number:
            number = head.number
            as_of = json.loads(head.head)["as_of"]["events"]
            published.note({int(partition): offset for partition, offset in as_of.items()}, now())
        await asyncio.sleep(POLL_S)
    await store.close()


async def produce(
    bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes]], rate: int
) -> list[tuple[int, int, float]]:
    """Send at a rate; (partition, offset, time of sending) of every record."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=2)
    await producer.start()
    sent: list[tuple[asyncio.Future[RecordMetadata], float]] = []
    started = now()
    try:
        for index, (key, value) in enumerate(records):
            due = started + index / rate
            if due > now():
                await asyncio.sleep(TICK_S)
            at = now()
            sent.append((await producer.send(topic, value, key=key), at))
        metas = await asyncio.gather(*(future for future, _ in sent))
    finally:
        await producer.stop()
    return [(meta.partition, meta.offset, at) for meta, (_, at) in zip(metas, sent, strict=True)]


def _load(
    results: "multiprocessing.SimpleQueue[list[tuple[int, int, float]]]",
    bootstrap: str,
    topic: str,
    records: Sequence[tuple[bytes, bytes]],
    rate: int,
) -> None:
    results.put(uvloop.run(produce(bootstrap, topic, records, rate)))


async def produce_apart(
    bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes]], rate: int
) -> list[tuple[int, int, float]]:
    """`produce` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.SimpleQueue[list[tuple[int, int, float]]] = context.SimpleQueue()
    process = context.Process(target=_load, args=(results, bootstrap, topic, records, rate))
    process.start()
    try:
        return await asyncio.to_thread(results.get)
    finally:
        process.join(30)


def percentiles(latencies: list[float]) -> dict[str, float]:
    """p50 and p99 in ms."""
    ordered = sorted(latencies)

    def pick(share: float) -> float:
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    return {"p50_ms": pick(0.50), "p99_ms": pick(0.99)}


async def measure(
    bootstrap: str, redis_url: str, election: str, topic: str, records: Sequence[tuple[bytes, bytes]], rate: int
) -> dict[str, dict[str, float]]:
    """Latency of these records at this rate; a running tabulator and publisher are needed."""
    applied, published, stop = Watch(), Watch(), asyncio.Event()
    watching = asyncio.create_task(observe(redis_url, election, applied, published, stop))
    sent = await produce_apart(bootstrap, topic, records, rate)
    deadline = now() + 30
    while now() < deadline and any(published.passed(p, o) is None for p, o, _ in sent[-200:]):
        await asyncio.sleep(0.05)
    stop.set()
    await watching
    skip = len(sent) // 10  # the first tenth warms up
    found: dict[str, dict[str, float]] = {}
    for name, watch in (("applied", applied), ("published", published)):
        times = [(watch.passed(partition, offset), at) for partition, offset, at in sent[skip:]]
        if any(passed is None for passed, _ in times):
            raise RuntimeError(f"some records were never {name}")
        found[name] = percentiles([passed - at for passed, at in times if passed is not None])
    return found
