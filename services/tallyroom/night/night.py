"""A night: store and log (embedded or given), topics, tabulators, publisher, auditor and gateway, ready to be replayed into."""

import asyncio
import contextlib
import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tallyroom.domain.election import Definition
from tallyroom.domain.errors import LogError, TallyroomError
from tallyroom.log import events_topic, open_log, quarantine_topic
from tallyroom.log.base import EventLog
from tallyroom.night.group import ProcessGroup
from tallyroom.settings import Settings
from tallyroom.store import EmbeddedValkey

READY_S: Final = 120.0
_POLL_S: Final = 0.1


class NotInTime(TallyroomError):
    """Something that was waited for did not happen."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gateway answers."""

    http: int
    ops: int


class Night:
    """Everything that runs for one election on this machine. Use as ``async with``; leaving it ends what it started.

    ``election``: name or path that the services are given. ``tabulators``: on an embedded log there is one, whatever is asked.
    ``again``: the log may hold records already.
    """

    def __init__(
        self,
        settings: Settings,
        election: str,
        definition: Definition,
        ports: Ports,
        *,
        tabulators: int = 2,
        again: bool = False,
    ) -> None:
        self.settings = settings
        self.definition = definition
        self.election = definition.election
        self.topic = events_topic(self.election, str(definition.environment))
        self.quarantine = quarantine_topic(self.election, str(definition.environment))
        self._argument = election
        self._ports = ports
        self._again = again
        self._tabulators = tabulators if settings.kafka_url else 1
        self._stack = contextlib.AsyncExitStack()
        self.url = f"http://127.0.0.1:{ports.http}"
        self.ops_url = f"http://127.0.0.1:{ports.ops}"
        self.log: EventLog
        self.group: ProcessGroup

    async def __aenter__(self) -> "Night":
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self.settings
        settings.data.mkdir(parents=True, exist_ok=True)
        redis_url = settings.redis_url
        if redis_url is None:
            valkey = EmbeddedValkey(settings.data / "valkey")
            valkey.start()  # in this thread: the kernel ends the server with the thread that started it
            self._stack.push_async_callback(asyncio.to_thread, valkey.stop)
            watching = asyncio.create_task(_keep_running(valkey), name="valkey")
            self._stack.push_async_callback(_cancelled, watching)
            redis_url = valkey.url
        self.redis_url = redis_url
        self.log = open_log(settings)
        self._stack.push_async_callback(self.log.close)
        await self.log.create(self.topic, settings.partitions)
        await self.log.create(self.quarantine, settings.partitions)
        await self._meet_log()
        self.group = await self._stack.enter_async_context(ProcessGroup(settings.data / "logs"))
        await self._start_services(self._environment(redis_url))
        await self.wait_ready()

    async def _meet_log(self) -> None:
        """A log that holds records is replayed into only if asked; for an empty one, an earlier night's revision is nothing."""
        held = sum((await self.ends()).values())
        if held and not self._again:
            raise LogError(
                f"Topic {self.topic} holds {held:,} records already.",
                "use --again to replay on top of them (what is the same is dropped), or use a new topic",
            )
        if not held:
            name = f"{self.election}.{self.definition.environment}"
            shutil.rmtree(self.settings.data / "publisher" / name, ignore_errors=True)

    def _environment(self, redis_url: str) -> dict[str, str]:
        settings = self.settings
        return {
            **settings.environment(),
            "TALLYROOM_REDIS_URL": redis_url,
            "TALLYROOM_DATA": str(settings.data.resolve()),
            "TALLYROOM_PARTITIONS": str(settings.partitions),
            "TALLYROOM_LOG_FORMAT": "json",
            "TALLYROOM_OPS_PORT": "",
        }

    async def _start_services(self, environment: Mapping[str, str]) -> None:
        for number in range(1, self._tabulators + 1):
            await self.group.start(f"tabulator-{number}", ["tabulator", self._argument], environment)
        await self.group.start("publisher", ["publisher", self._argument], environment)
        if self.settings.kafka_url is not None:
            await self.group.start("returns", ["returns", self._argument], environment)
        await self.group.start("auditor", ["auditor", self._argument], environment)
        gateway = {
            "TALLYROOM_HTTP_PORT": str(self._ports.http),
            "TALLYROOM_OPS_PORT": str(self._ports.ops),
            "TALLYROOM_PUBLIC": os.environ.get("TALLYROOM_PUBLIC") or "true",  # a night is there to be looked at
        }
        await self.group.start("gateway", ["gateway", self._argument], {**environment, **gateway})

    async def wait_ready(self, timeout: float = READY_S) -> None:
        """Wait until the gateway serves a first revision. Raises ServiceFailed, NotInTime."""
        async with httpx.AsyncClient() as client:
            await self._until(lambda: _answers(client, f"{self.ops_url}/readyz"), "the gateway to be ready", timeout)

    async def ends(self) -> dict[str, int]:
        """Next offset to be written of every partition."""
        return {str(number): bounds.end for number, bounds in (await self.log.bounds(self.topic)).items()}

    async def wait_published(self, timeout: float = 600.0) -> dict[str, Any]:
        """Wait until everything that is in the log now is published; the snapshot. Raises ServiceFailed, NotInTime."""
        ends = await self.ends()
        found: dict[str, Any] = {}

        async def published() -> bool:
            found.clear()
            found.update(await self.snapshot(contest=self.definition.contests[0].id, area=_root(self.definition)))
            reached = found.get("as_of", {}).get("events", {})
            return all(reached.get(number, 0) >= end for number, end in ends.items()) and "stale_since" not in found

        await self._until(published, "everything in the log to be published", timeout)
        return await self.snapshot()

    async def snapshot(self, **parameters: str) -> dict[str, Any]:
        """The snapshot as JSON, {} while the gateway has none."""
        async with httpx.AsyncClient(timeout=10) as client:
            try:
                answer = await client.get(f"{self.url}/v1/elections/{self.election}/snapshot", params=parameters)
            except httpx.TransportError:
                return {}
        return answer.json() if answer.status_code == 200 else {}

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not await condition():
            if self.group.failed.done():
                raise self.group.failed.result()
            if time.monotonic() > deadline:
                raise NotInTime(
                    f"Waited {timeout:g} s for {what}.", f"read the services' output in {self.settings.data / 'logs'}"
                )
            await asyncio.sleep(_POLL_S)


async def _keep_running(valkey: EmbeddedValkey) -> None:
    """Start the embedded store again when it dies: on the same port and folder, so that everybody finds it."""
    while True:
        await asyncio.sleep(_POLL_S)
        if valkey.pid is None:
            valkey.start()


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _root(definition: Definition) -> str:
    contest = definition.contests[0]
    return next(area for area, parent in contest.areas.items() if parent is None)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Whether something may still listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def night_folder(data: Path, election: str, environment: str) -> Path:
    """Where an embedded night of this election keeps its files."""
    return data / "nights" / f"{election}.{environment}"
