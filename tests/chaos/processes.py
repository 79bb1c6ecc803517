"""Processes of a round: started, killed, frozen, and started again when they end, as any supervisor does."""

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RESTART_S: Final = 0.5
END_S: Final = 5.0
START_S: Final = 60.0
_POLL_S: Final = 0.02


class Nursery:
    """Our side of nursery.py: asks for processes and hears of their ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._started: dict[int, asyncio.Future[int]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}

    async def start(self, service: "Service") -> tuple[int, "asyncio.Future[int]"]:
        """(process id, future of its exit code)."""
        number = next(self._numbers)
        request = {
            "request": number, "arguments": list(service.arguments), "environment": dict(service.environment),
            "output": str(service.output), "space": service.space,
        }  # fmt: skip
        self._started[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        pid = await asyncio.wait_for(self._started[number], START_S)
        return pid, self._end_of(pid)

    async def listen(self) -> None:
        """Take its answers until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            if "request" in answer:
                self._ended.pop(answer["pid"], None)  # the number may have been another process's before
                self._started.pop(answer["request"]).set_result(answer["pid"])
            else:
                self._end_of(answer["pid"]).set_result(answer["code"])
        for waiting in (*self._started.values(), *self._ended.values()):
            if not waiting.done():
                waiting.set_result(-signal.SIGKILL)  # whoever it has started ended with it

    def _end_of(self, pid: int) -> "asyncio.Future[int]":
        return self._ended.setdefault(pid, asyncio.get_running_loop().create_future())


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """A nursery for as long as the block lasts; whoever it has started ends with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.nursery", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the round, which ends its services one by one
    )  # fmt: skip
    made = Nursery(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening


@dataclass
class Service:
    """One supervised ``tallyroom`` process. ``space``: the network namespace that it lives in, empty for ours."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    nursery: Nursery
    space: str = ""
    running: int | None = None
    ours: set[int] = field(default_factory=set)  # process ids that the round itself ended
    ends: list[str] = field(default_factory=list)  # processes that ended by themselves, with their code
    begun: int = 0  # length of the output when the process that runs was started
    held: bool = False  # not to be started again
    watcher: "asyncio.Task[None] | None" = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.running

    async def start(self) -> None:
        """Run it, and again whenever it ends."""
        self.held = False
        ended = await self._spawn()
        self.watcher = asyncio.create_task(self._watch(ended), name=f"watch {self.name}")

    def signal(self, how: signal.Signals) -> int | None:
        """Send a signal; the process id that got it, None if none runs."""
        pid = self.running
        if pid is not None:
            if how in (signal.SIGKILL, signal.SIGTERM):
                self.ours.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        return pid

    async def kill(self) -> None:
        """SIGKILL, and wait until another process runs in its place."""
        pid = self.signal(signal.SIGKILL)
        while self.running in (None, pid):  # noqa: ASYNC110 - a child's end tells only its watcher
            await asyncio.sleep(_POLL_S)

    async def freeze(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        pid = self.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def end(self) -> None:
        """SIGTERM, then SIGKILL; it is not started again."""
        self.held = True
        if self.watcher is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        await asyncio.wait({self.watcher}, timeout=END_S)
        self.signal(signal.SIGKILL)
        await self.watcher

    async def _spawn(self) -> "asyncio.Future[int]":
        self.begun = self.output.stat().st_size if self.output.exists() else 0
        if "LD_PRELOAD" not in self.environment:
            self.running, ended = await self.nursery.start(self)
            return ended
        prefix = ("ip", "netns", "exec", self.space) if self.space else ()
        with self.output.open("ab") as output:  # what is to be preloaded must be there when a program starts
            process = await asyncio.create_subprocess_exec(
                *prefix, sys.executable, "-m", "tallyroom", *self.arguments,
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )  # fmt: skip
        self.running = process.pid
        return asyncio.ensure_future(process.wait())

    def _last_words(self) -> str:
        """The last line of the process that has just ended: an error's, if it printed one."""
        lines = self.output.read_bytes()[self.begun :].decode(errors="replace").splitlines()
        said = [
            line
            for line in lines
            if line.startswith("error: ") or re.match(r"[\w.]+(Error|Exception|Required)\b", line)
        ]
        return (said or lines or [""])[-1].strip()[:300]

    async def _watch(self, ended: "asyncio.Future[int]") -> None:
        while True:
            started, pid = time.monotonic(), self.running
            code = await ended
            self.running = None
            if pid not in self.ours:
                after = time.monotonic() - started
                self.ends.append(f"{self.name} ended with {code} after {after:.1f} s: {self._last_words()}")
            if not self.held:
                await asyncio.sleep(RESTART_S)
            if self.held:
                return
            ended = await self._spawn()
