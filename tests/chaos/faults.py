"""What is done to a night. Each fault starts while events flow and returns when it is over; ``schedule`` draws them from a seed."""

import asyncio
import random
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest

from tests.chaos.lines import PUBLISHER, WORKERS, Line
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.scene import SESSION_S, Scene

BESIDE: Final = 1 << 16


@dataclass(frozen=True)
class Fault:
    """One planned fault. ``pause``: seconds after the one before; ``over``: that one is waited for first."""

    name: str
    target: str
    pause: float
    over: bool
    seconds: float
    size: int

    def __str__(self) -> str:
        return f"{self.name} {self.target}"


async def kill(scene: Scene, fault: Fault) -> None:
    """SIGKILL, as the kernel does it when memory is short."""
    async with scene.lock(fault.target):
        await scene.services[fault.target].kill()


async def freeze(scene: Scene, fault: Fault) -> None:
    """SIGSTOP past the session's (or lease's) end, then SIGCONT: it wakes, still thinking that it owns everything."""
    past = SESSION_S if fault.target in WORKERS else 5
    async with scene.lock(fault.target):
        await scene.services[fault.target].freeze(past + fault.seconds)


async def storm(scene: Scene, fault: Fault) -> None:
    """Rebalances in a row: members are put out of the group again and again, and come back."""
    group = f"tallyroom.{scene.election}.test.tabulator"
    for _ in range(3 + fault.size % 5):
        async with scene.lock("broker"):  # a broker that is being killed puts nobody out
            await _put_out(scene.servers.broker.bootstrap, group, fault.size)
        await asyncio.sleep(0.3 + fault.seconds / 3)


async def _put_out(bootstrap: str, group: str, dice: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_consumer_groups([group])
        members = described.groups[0][5]
        if members:
            request = LeaveGroupRequest(group, members[dice % len(members)][0])
            await admin._send_request(request, await admin.find_coordinator(group))
    finally:
        await admin.close()


async def weather(proxy: Proxy, bad: Weather, seconds: float, *, reset: bool) -> None:
    """The line is bad for so long."""
    proxy.become(bad)
    if bad.closed:
        proxy.reset()
    await asyncio.sleep(seconds)
    proxy.become(Weather())
    if reset:
        proxy.reset()


def _proxy(scene: Scene, fault: Fault) -> Proxy:
    name, _, side = fault.target.partition("-")
    line = scene.servers.lines[name]
    return line.kafka if side == "broker" else line.store


async def delayed(scene: Scene, fault: Fault) -> None:
    """Everything on the line takes a while."""
    async with scene.lock(fault.target):
        await weather(_proxy(scene, fault), Weather(delay_s=0.05 + fault.seconds / 5), 3.0, reset=False)


async def slow(scene: Scene, fault: Fault) -> None:
    """A line of a few kB/s."""
    async with scene.lock(fault.target):
        await weather(_proxy(scene, fault), Weather(bytes_per_s=20_000 + fault.size), 3.0, reset=False)


async def half_open(scene: Scene, fault: Fault) -> None:
    """Connections stay and nothing passes; then they are reset."""
    async with scene.lock(fault.target):
        await weather(_proxy(scene, fault), Weather(silent=True), 2.0 + 2 * fault.seconds, reset=bool(fault.size % 2))


async def reset(scene: Scene, fault: Fault) -> None:
    """Connections are reset, and new ones too for a moment."""
    async with scene.lock(fault.target):
        for _ in range(1 + fault.size % 4):
            await weather(_proxy(scene, fault), Weather(closed=True), fault.seconds / 4, reset=True)
            await asyncio.sleep(0.2)


async def lost_answers(scene: Scene, fault: Fault) -> None:
    """Requests arrive and are carried out; their answers never come back."""
    async with scene.lock(fault.target):
        await weather(_proxy(scene, fault), Weather(lose_answers=True), 0.5 + fault.seconds, reset=True)


async def cut_off(scene: Scene, fault: Fault) -> None:
    """The worker's network is unplugged past the session's end, in a network namespace of its own."""
    line: Line = scene.servers.lines[fault.target]
    assert line.space is not None
    async with scene.lock(fault.target):
        line.space.plugged(up=False)
        try:
            await asyncio.sleep(SESSION_S + fault.seconds)
        finally:
            line.space.plugged(up=True)


async def broker_killed(scene: Scene, fault: Fault) -> None:
    """SIGKILL of the broker, and a start on the same data."""
    async with scene.lock("broker"):
        await asyncio.to_thread(scene.servers.broker.kill)
        await asyncio.sleep(fault.seconds / 2)
        await asyncio.to_thread(scene.servers.broker.start)


def newest_part(folder: Path) -> Path:
    """The part of the append-only file that is written to."""
    return max((folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime_ns)


async def store_cut(scene: Scene, fault: Fault) -> None:
    """SIGKILL of the store, its file cut at any byte of the end, and two restarts: repair, start, rewrite, each time."""
    async with scene.lock("store"):
        await asyncio.to_thread(scene.store.kill)
        part = newest_part(scene.servers.disk / scene.election)
        size = part.stat().st_size
        with part.open("r+b") as file:
            file.truncate(max(0, size - fault.size))
        await asyncio.to_thread(scene.store.start)
        await asyncio.sleep(fault.seconds / 4)
        await asyncio.to_thread(scene.store.kill)
        await asyncio.to_thread(scene.store.start)


async def store_flushed(scene: Scene, fault: Fault) -> None:
    """Everything goes: totals, revisions, at times the functions. The log is the truth."""
    async with scene.lock("store"), scene.admin() as redis:
        await redis.flushall()
        if fault.size % 2:
            await redis.function_flush("SYNC")


async def store_replaced(scene: Scene, fault: Fault) -> None:
    """Another, empty server at the same address."""
    async with scene.lock("store"):
        await asyncio.to_thread(scene.store.kill)
        shutil.rmtree(scene.servers.disk / scene.election)
        await asyncio.sleep(fault.seconds / 4)
        await asyncio.to_thread(scene.store.start)


async def store_rolled_back(scene: Scene, fault: Fault) -> None:
    """Partitions return to what they were a moment ago, without a broken connection: a failover to a replica that lagged."""
    async with scene.lock("store"), scene.admin() as redis:
        keys = [scene.key(number) for number in range(9) if (fault.size >> number) & 1 or number == 0]
        kept = {key: await redis.dump(key) for key in keys}
        await asyncio.sleep(0.3 + fault.seconds / 2)
        for key, value in kept.items():
            if value is not None:
                await redis.restore(key, 0, value, replace=True)


async def disk_full(scene: Scene, fault: Fault) -> None:
    """The store's disk is full for a while: it refuses every write."""
    async with scene.lock("store"):
        filler = scene.servers.disk / "filler"
        try:
            await asyncio.to_thread(_fill, filler)
            await asyncio.sleep(2 + fault.seconds)
        finally:
            filler.unlink()


def _fill(path: Path) -> None:
    size = 1 << 20
    with path.open("wb", buffering=0) as file:
        while size >= 1:
            try:
                if file.write(b"\0" * size) < size:
                    size //= 2
            except OSError:
                size //= 2


async def clock_jumps(scene: Scene, fault: Fault) -> None:
    """The process's clock jumps hours ahead and back again."""
    clock = clock_of(scene.servers.folder, fault.target)
    for hours in (3 + fault.size % 40, -(fault.size % 30), 0):
        clock.write_text(f"{hours:+d}h\n")
        await asyncio.sleep(0.7 + fault.seconds / 3)


def clock_of(folder: Path, name: str) -> Path:
    """The file that a service's clock is read from."""
    return folder / f"clock-{name}"


FAULTS: Final[dict[str, Callable[[Scene, Fault], Coroutine[Any, Any, None]]]] = {
    function.__name__: function
    for function in (
        kill, freeze, storm, delayed, slow, half_open, reset, lost_answers, cut_off, broker_killed, store_cut,
        store_flushed, store_replaced, store_rolled_back, disk_full, clock_jumps,
    )
}  # fmt: skip

_SIDES: Final = tuple(f"{name}-{side}" for name in (*WORKERS, PUBLISHER) for side in ("store", "broker"))
_STORES: Final = tuple(f"{name}-store" for name in (*WORKERS, PUBLISHER))
_TARGETS: Final[dict[str, tuple[str, ...]]] = {
    "kill": (*WORKERS, *WORKERS, PUBLISHER),
    "freeze": (*WORKERS, *WORKERS, PUBLISHER),
    "cut_off": WORKERS,
    "clock_jumps": (*WORKERS, PUBLISHER),
    "lost_answers": (*_STORES, *_SIDES),
    "storm": ("group",),
    "broker_killed": ("broker",),
    **dict.fromkeys(("delayed", "slow", "half_open", "reset"), _SIDES),
    **dict.fromkeys(
        ("store_cut", "store_flushed", "store_replaced", "store_rolled_back", "disk_full"), ("store",)
    ),
}  # fmt: skip
_WEIGHTS: Final = {
    "kill": 5, "freeze": 3, "lost_answers": 4, "store_cut": 3, "storm": 2, "half_open": 2, "cut_off": 2,
    "store_flushed": 2, "store_rolled_back": 2,
}  # fmt: skip


def schedule(dice: random.Random, possible: frozenset[str], number: int) -> list[Fault]:
    """So many faults, the same for the same dice."""
    names = sorted(possible)
    return [planned(dice, dice.choices(names, [_WEIGHTS.get(name, 1) for name in names])[0]) for _ in range(number)]


def planned(dice: random.Random, name: str) -> Fault:
    """One fault of this name with drawn particulars."""
    target = dice.choice(_TARGETS[name])
    return Fault(name, target, round(dice.uniform(0.1, 1.5), 2), dice.random() < 0.4, round(dice.uniform(0.3, 2.0), 2),
                 dice.randrange(1, BESIDE))  # fmt: skip


def possible(*, spaces: bool, small_disk: bool, clock: bool) -> frozenset[str]:
    """Faults that this machine can do."""
    out = {"cut_off"} if not spaces else set()
    out |= {"disk_full"} if not small_disk else set()
    out |= {"clock_jumps"} if not clock else set()
    return frozenset(FAULTS) - out
