"""A group of child processes: started, started again when they die, ended by the process ids that were started."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tallyroom.domain.errors import TallyroomError

STOP_S: Final = 10.0
RESTART_S: Final = (0.5, 10.0)  # first and longest pause before a dead process is started again
QUICK_S: Final = 3.0
"""A process that lives shorter than this at its first start is not started again: its settings are wrong."""


class ServiceFailed(TallyroomError):
    """A service ended at once; its last lines say why."""


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    watcher: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process is not None else None


class ProcessGroup:
    """Children of this process. Use as ``async with``; leaving it ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, Child] = {}
        self._ending = False
        self.failed: asyncio.Future[ServiceFailed] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> "ProcessGroup":
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.end()

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    async def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start ``python -m tallyroom ARGUMENTS`` with these variables on top of ours; its output goes to a file."""
        child = Child(name, arguments, environment, self._folder / f"{name}.log")
        self._children[name] = child
        await self._spawn(child)
        child.watcher = asyncio.create_task(self._watch(child), name=f"watch {name}")
        return child

    async def restart(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process with a signal; the group starts it again."""
        child = self._children[name]
        if child.pid is not None:
            os.kill(child.pid, how)

    async def end(self) -> None:
        """SIGTERM to all, then SIGKILL to those that do not end in time."""
        self._ending = True
        for child in self._children.values():
            if child.watcher is not None:
                child.watcher.cancel()
            if child.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGCONT)  # a frozen one could not end
                    os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for child in self._children.values():
            if child.process is not None:
                await _reap(child.process, max(0.1, deadline - time.monotonic()))

    async def _spawn(self, child: Child) -> None:
        child.starts += 1
        with child.output.open("ab") as output:
            child.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tallyroom", *child.arguments,
                env={**os.environ, **child.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )  # fmt: skip

    async def _watch(self, child: Child) -> None:
        pause = RESTART_S[0]
        while not self._ending:
            started = time.monotonic()
            code = await child.process.wait() if child.process is not None else 0
            lived = time.monotonic() - started
            if child.starts == 1 and lived < QUICK_S and code != 0 and code != -signal.SIGKILL:
                self._give_up(child, code)
                return
            pause = RESTART_S[0] if lived > RESTART_S[1] else min(RESTART_S[1], pause * 2)
            await asyncio.sleep(pause)
            await self._spawn(child)

    def _give_up(self, child: Child, code: int) -> None:
        if not self.failed.done():
            lines = child.output.read_text(errors="replace").strip().splitlines()[-15:]
            self.failed.set_result(
                ServiceFailed(
                    f"The {child.name} ended at once with {code}. Its last lines:\n" + "\n".join(lines) + "\n",
                    f"correct what it names; the whole output is in {child.output}",
                )
            )


async def _reap(process: asyncio.subprocess.Process, seconds: float) -> None:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
