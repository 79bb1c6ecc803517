"""One seeded round of what goes wrong on real nights: workers killed and frozen, the publisher restarted, the store emptied.

Repeat a round with the seed that it prints: CHAOS_SEED=1234.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx
import pytest
from redis.asyncio import Redis

from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import ReplayedNight, StartNight
from tests.support.golden import assert_golden
from tests.support.nights import on_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(400)]

HEALS_S: Final = 90.0
"""Session time-out (10 s), a restart, a rebuild: on an idle machine a third of it, on a loaded one all of it."""


@dataclass
class Reader:
    """An audience that never stops asking, and what must be true of everything that it is told."""

    night: ReplayedNight
    answers: int = 0
    latest: dict[str, Any] = field(default_factory=dict)
    stale: int = 0
    contents: dict[int, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Ask until cancelled."""
        address = f"{self.night.url}/v1/elections/{self.night.election}/snapshot?contest=list&level=national"
        async with httpx.AsyncClient(timeout=20) as client:
            while True:
                answer = await client.get(address)
                if answer.status_code == 200:
                    self._compare(answer.json())
                else:
                    self.complaints.append(f"answered {answer.status_code}: {answer.text[:200]}")
                await asyncio.sleep(0.03)

    def _compare(self, now: dict[str, Any]) -> None:
        before = self.latest
        if before and now["revision"] < before["revision"]:
            self.complaints.append(f"revision {before['revision']} -> {now['revision']}")
        old = before["as_of"]["events"] if before else {}
        fell = {number: (offset, now["as_of"]["events"].get(number)) for number, offset in old.items()}
        self.complaints += [f"as_of of {n}: {was} -> {is_}" for n, (was, is_) in fell.items() if (is_ or 0) < was]
        content = now["hashes"]["content"]
        if self.contents.setdefault(now["revision"], content) != content:
            self.complaints.append(f"revision {now['revision']} has two contents")
        self.stale += "stale_since" in now
        self.answers += 1
        self.latest = now

    def reached(self, ends: dict[str, int]) -> bool:
        """Whether this much of the log is published."""
        shown = self.latest["as_of"]["events"] if self.latest else {}
        return all(shown.get(number, 0) >= end for number, end in ends.items())


@asynccontextmanager
async def reading(night: ReplayedNight) -> AsyncIterator[Reader]:
    """A reader for as long as the block lasts; it must have had nothing to complain of."""
    reader = Reader(night)
    task = asyncio.create_task(reader.watch())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled(), task.exception()
    assert not reader.complaints, reader.complaints[:20]
    assert reader.answers > 50


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + HEALS_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {HEALS_S:g} s for {what}"
        await asyncio.sleep(0.05)


def send(night: ReplayedNight, service: str, how: signal.Signals) -> int:
    """Signal a process of the night; its id."""
    pid = night.services[service].pid
    assert pid is not None, f"{service} does not run"
    os.kill(pid, how)
    return pid


async def restarted(night: ReplayedNight, service: str, how: signal.Signals) -> None:
    """End a process and wait until the group runs another one in its place."""
    pid = send(night, service, how)
    await until(lambda: night.services[service].pid not in (None, pid), f"{service} to be started again")


@dataclass
class Chaos:
    """What is done to the night. Each fault starts while events flow and returns when it is over."""

    night: ReplayedNight
    reader: Reader
    chance: random.Random

    async def kill_a_tabulator(self) -> None:
        """As the kernel does it when memory is short. The other one takes over and lives on."""
        killed, other = self.chance.sample(["tabulator-1", "tabulator-2"], 2)
        await until(lambda: self.night.services[other].pid is not None, f"{other} to run")
        survivor = self.night.services[other].pid
        await restarted(self.night, killed, signal.SIGKILL)
        ends = await self.night.ends()
        await until(lambda: self.reader.reached(ends), "the partitions of the dead one to go on")
        assert self.night.services[other].pid == survivor, f"{other} ended when it took over"

    async def freeze_a_tabulator(self) -> None:
        """Past the session's end and until the other one has taken over; then it wakes, still thinking that it owns all."""
        name = self.chance.choice(["tabulator-1", "tabulator-2"])
        frozen = send(self.night, name, signal.SIGSTOP)
        self.reader.stale = 0
        await until(lambda: self.reader.stale > 0, "stale_since while partitions stand still")
        ends = await self.night.ends()
        await until(lambda: self.reader.reached(ends), "the other worker to take over")
        os.kill(frozen, signal.SIGCONT)

    async def end_the_publisher(self) -> None:
        """In order."""
        await self._publisher(signal.SIGTERM)

    async def kill_the_publisher(self) -> None:
        """Its lease outlives it."""
        await self._publisher(signal.SIGKILL)

    async def _publisher(self, how: signal.Signals) -> None:
        before = self.reader.latest["revision"]
        await restarted(self.night, "publisher", how)
        await until(lambda: self.reader.latest["revision"] > before, "the next revision of the new publisher")

    async def empty_the_store(self) -> None:
        """Everything goes: totals, revisions, the functions. The log is the truth."""
        store = Redis.from_url(self.night.redis_url)
        await store.flushall()
        if self.chance.random() < 0.5:
            await store.function_flush("SYNC")
        await store.aclose()
        ends = await self.night.ends()
        await until(lambda: self.reader.reached(ends), "the rebuilt totals to be published")
        assert '"event": "the store had lost' in self.night.services["publisher"].output.read_text()

    def faults(self) -> list[Callable[[], Awaitable[None]]]:
        """All of them, in an order of chance."""
        some: list[Callable[[], Awaitable[None]]] = [
            self.kill_a_tabulator, self.freeze_a_tabulator, self.end_the_publisher, self.kill_the_publisher,
            self.empty_the_store,
        ]  # fmt: skip
        self.chance.shuffle(some)
        return some


def stops(night: ReplayedNight, parts: int) -> list[datetime]:
    """Election times that cut the events into equal parts."""
    times = [event.at for event in night.recording.events()]
    return [times[len(times) * part // (parts + 1)] for part in range(1, parts + 1)]


async def test_a_night_of_faults_ends_exactly(tallyroom_night: StartNight, kafka_broker: KafkaBroker) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    async with tallyroom_night("kz-2023", speed=900, held=True, servers=on_kafka(kafka_broker)) as night:
        async with reading(night) as reader:
            chaos = Chaos(night, reader, random.Random(seed))
            faults = chaos.faults()
            for fault, stop in zip(faults, stops(night, len(faults)), strict=True):
                before = night.sent
                moving = asyncio.create_task(night.run_to(stop))
                await until(lambda: night.sent >= before + 300, "events to flow")  # noqa: B023 - awaited at once
                print(f"{night.clock} revision {reader.latest['revision']}: {fault.__name__}")
                started = time.monotonic()
                await fault()
                await moving
                print(f"  over after {time.monotonic() - started:.1f} s, revision {reader.latest['revision']}")
            snapshot = await night.run_to_end()
        assert_golden(snapshot, night.recording.manifest)
