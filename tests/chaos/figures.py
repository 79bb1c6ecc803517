"""The figures of docs/reliability.md that are times: after a kill, after a rollback on a quiet night, for a rebuild."""

import os
import random
import signal
import time
from dataclasses import dataclass, field

from tests.bench.material import cpu_seconds
from tests.chaos.epilogues import quiet_rollback
from tests.chaos.lines import WORKERS
from tests.chaos.material import made, tail
from tests.chaos.rounds import binary_of
from tests.chaos.scene import PARTITIONS, SESSION_S, Scene, Servers, scene, until

UNITS = 100_000
TIMES = 3


@dataclass
class Figures:
    """Seconds, one value a measurement."""

    kill: list[float] = field(default_factory=list)
    quiet_rollback: list[float] = field(default_factory=list)
    rebuild: list[float] = field(default_factory=list)
    rebuild_published: list[float] = field(default_factory=list)
    rebuild_cpu: list[float] = field(default_factory=list)  # of the tabulators together
    load: list[float] = field(default_factory=list)  # processes that wanted a core, before and after
    units: int = 0
    differences: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """As they are printed."""
        return [
            f"progress of all partitions after a kill (session time-out {SESSION_S} s): {_told(self.kill)}, "
            f"at most {SESSION_S + 5} s wanted",
            f"a rollback on a quiet night is healed: {_told(self.quiet_rollback)}, less than 2 s wanted",
            f"a rebuild of {self.units:,} units: {_told(self.rebuild)}, published {_told(self.rebuild_published)}, "
            f"less than 20 s wanted; CPU of the tabulators: {_told(self.rebuild_cpu)}",
            f"{os.cpu_count()} cores, load average {' to '.join(f'{load:.1f}' for load in self.load)}",
            *self.differences,
        ]


async def measured(shared: Servers, seed: int, *, quick: bool) -> Figures:
    """All of them, on a night of a small election and one of a hundred thousand units; ``quick``: without the second."""
    figures = Figures(load=[os.getloadavg()[0]])
    election = f"figures-{seed}-{time.time_ns() % 10**9}"
    async with scene(shared, made(seed, 30_000, PARTITIONS, election), binary_of("redis"), {}) as stage:
        await _kills(stage, figures)
        dice = random.Random(seed)
        for _ in range(TIMES):
            times: dict[str, float] = {}
            verdict = await quiet_rollback(stage, dice, times)
            figures.quiet_rollback.append(times["quiet_rollback_s"])
            figures.differences += verdict.lost + verdict.doubled
    figures.load.append(os.getloadavg()[0])
    if quick:
        return figures
    units = made(seed, UNITS, PARTITIONS, f"{election}-units", UNITS // 2)
    async with scene(shared, units, binary_of("redis"), {}) as stage:
        await _rebuild(stage, figures)
    figures.load.append(os.getloadavg()[0])
    return figures


async def _kills(stage: Scene, figures: Figures) -> None:
    """A worker dies and nobody starts it again: another one must take over, as soon as its session ends."""
    await stage.append(stage.material.records)
    await stage.healed("the night so far")
    for number in range(TIMES):
        victim = stage.services[WORKERS[number % len(WORKERS)]]
        started = time.monotonic()
        victim.held = True
        victim.signal(signal.SIGKILL)
        await stage.append(tail(stage.material, random.Random(number)))
        ends = await stage.ends()
        await until(lambda ends=ends: stage.folded(ends), "the others to take over")  # type: ignore[misc]
        figures.kill.append(round(time.monotonic() - started, 2))
        await victim.start()
        await stage.settled()


async def _rebuild(stage: Scene, figures: Figures) -> None:
    """Everything in the store is lost; the log is folded again by the workers that are there."""
    await stage.append(stage.material.records)
    ends = await stage.ends()
    await stage.healed("all units")
    fields = await stage.hashes()
    figures.units = sum(name.startswith(b"u:") for hashed in fields.values() for name in hashed)
    for _ in range(TIMES):
        started, burnt = time.monotonic(), _cpu(stage)
        async with stage.admin() as redis:
            await redis.flushall()
        await until(lambda: stage.folded(ends), "everything to be folded again")
        figures.rebuild.append(round(time.monotonic() - started, 2))
        figures.rebuild_cpu.append(round(_cpu(stage) - burnt, 2))
        await stage.healed("the rebuilt totals")
        figures.rebuild_published.append(round(time.monotonic() - started, 2))
    again = await stage.hashes()
    changed = [
        name for n, hashed in fields.items() for name in hashed if name[:1] in b"tu" and again[n][name] != hashed[name]
    ]
    figures.differences += [f"{name.decode()} is another one after the rebuild" for name in changed[:20]]


def _cpu(stage: Scene) -> float:
    return sum(cpu_seconds(pid) for name in WORKERS if (pid := stage.services[name].pid) is not None)


def _told(values: list[float]) -> str:
    return ", ".join(f"{value:.2f} s" for value in values)
