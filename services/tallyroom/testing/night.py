"""A recorded night that a test holds in its hand: run to a time, step on, inject events, look at what is published.

Every move returns once all that it sent is published, so that what the gateway serves next is no matter of luck.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from tallyroom.codec.events import decode_event
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import TallyroomError
from tallyroom.log import LogRecord, Position
from tallyroom.night.group import ProcessGroup
from tallyroom.night.night import Night, NotInTime, Ports, free_port
from tallyroom.producer.entries import recorded_entries
from tallyroom.producer.pace import FullSpeed, Held, Timed
from tallyroom.producer.replay import replay
from tallyroom.recordings.format import Recording, TimedEvent, open_recording
from tallyroom.settings import Settings
from tallyroom.testing.servers import drop_keys, drop_topics, replayable, take_keys, take_topics

Speed = float | Literal["max"]
"""How many times faster than the recorded night, or as fast as it goes."""

_READ: Final = 5000
_LAST_LINES: Final = 5


class NightError(TallyroomError):
    """A night was asked for what it cannot do."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where a night runs. None: an SQLite log, a Valkey server of its own; both end with the night.

    ``clear``: delete what is there of the election before the night starts; else it refuses to start on top of it.
    """

    kafka_url: str | None = None
    redis_url: str | None = None
    clear: bool = False


class StartNight(Protocol):
    """The type of the fixture `tallyroom_night`."""

    def __call__(
        self,
        recording: str | Path,
        *,
        speed: Speed = "max",
        held: bool = False,
        servers: Servers | None = None,
        timeout: float = 120.0,
    ) -> AbstractAsyncContextManager["ReplayedNight"]:
        """Run the services and replay this recording (a built-in night or a folder) into them.

        ``held``: nothing is sent until ``run_to``, ``step`` or ``run_to_end``. ``timeout``: seconds in which what was sent
        must be published, and the longest silence while sending.
        """


class ReplayedNight:
    """A night that runs. Times are datetimes with a zone, or RFC 3339 text."""

    def __init__(self, night: Night, recording: Recording, held: Held, timeout: float) -> None:
        self._night = night
        self._held = held
        self._timeout = timeout
        self._injected = 0
        self._clock: datetime | None = None
        self.recording = recording
        self.sent = 0  # recorded events sent so far
        events = replay(night.log, night.topic, recording.events(), held, self._progress)
        self._replay = asyncio.create_task(events, name=f"replay {recording.manifest.name}")

    @property
    def url(self) -> str:
        """Address of the gateway: the page is at ``/``, the snapshot at ``/v1/elections/ELECTION/snapshot``."""
        return self._night.url

    @property
    def ops_url(self) -> str:
        """Address of the gateway's ops port: ``/metrics``, ``/livez``, ``/readyz``."""
        return self._night.ops_url

    @property
    def election(self) -> str:
        """The election's id."""
        return self._night.election

    @property
    def definition(self) -> Definition:
        """The election as the night starts."""
        return self._night.definition

    @property
    def clock(self) -> datetime | None:
        """Election time of the last recorded event that was sent."""
        return self._clock

    @property
    def data(self) -> Path:
        """Folder of the night's files, the embedded log among them: ``TALLYROOM_DATA`` for commands beside it."""
        return self._night.settings.data

    @property
    def services(self) -> ProcessGroup:
        """The processes of the night, to be killed, frozen or restarted: ``services["publisher"].pid``."""
        return self._night.group

    @property
    def redis_url(self) -> str:
        """Address of the store, to be flushed or read."""
        return self._night.redis_url

    async def run_to(self, at: datetime | str) -> dict[str, Any]:
        """Send everything that arrived up to this election time; the snapshot then. Raises NightError if it is not held."""
        await self._held.run_to(_time(at))
        return await self._settle()

    async def step(self, events: int = 1) -> dict[str, Any]:
        """Send the next recorded events; the snapshot then."""
        await self._held.step(events)
        return await self._settle()

    async def run_to_end(self) -> dict[str, Any]:
        """Send the rest, at the night's speed; the snapshot then."""
        await self._held.release()
        await self._sending(asyncio.get_running_loop().create_future())
        return await self.published()

    async def inject(
        self, event: Mapping[str, Any] | bytes, *, key: bytes | None = None, partition: int | None = None
    ) -> list[Position]:
        """Send an event of your own and wait until it is published or refused; where it stands in the log.

        A mapping gets the members ``id``, ``election``, ``environment`` and ``reported_at`` where it has none, and must then
        be an event (ValueError says why it is not). Bytes go as they are, with the key that their event has, if they are one.
        """
        value = event if isinstance(event, bytes) else self._completed(event)
        at = self._clock or self.recording.manifest.first
        if at is None:
            raise NightError("The recording has no event, so the night has no time.", "send bytes with their own times")
        log, topic = self._night.log, self._night.topic
        entries = recorded_entries(TimedEvent(at, value, key, partition), await log.partitions(topic))
        placed = await log.append(topic, entries)
        await self.published()
        return placed

    async def snapshot(self, **filters: str) -> dict[str, Any]:
        """The snapshot that the gateway serves now; ``filters`` as its query: contest, area, level."""
        return await self._night.snapshot(**filters)

    async def ends(self) -> dict[str, int]:
        """Next offset to be written of every partition, to be compared with a snapshot's ``as_of``."""
        return await self._night.ends()

    async def published(self) -> dict[str, Any]:
        """Wait until everything that is in the log now is published; the snapshot. Raises NotInTime, ServiceFailed."""
        return await self._night.wait_published(self._timeout)

    async def records(self) -> list[LogRecord]:
        """Everything that the events topic holds now, partition by partition."""
        return await self._read(self._night.topic)

    async def quarantined(self) -> list[LogRecord]:
        """What was refused so far, as it stands in the quarantine topic: headers name reason, detail and source position."""
        return await self._read(self._night.quarantine)

    async def end(self) -> None:
        """Stop sending. A failure of the replay that nobody has seen yet is raised."""
        self._replay.cancel()
        await asyncio.wait({self._replay})
        if not self._replay.cancelled():
            self._replay.result()

    async def _read(self, topic: str) -> list[LogRecord]:
        found: list[LogRecord] = []
        for partition, bounds in sorted((await self._night.log.bounds(topic)).items()):
            offset = bounds.start
            while offset < bounds.end:
                records = await self._night.log.read(topic, partition, offset, _READ)
                found += records
                offset = records[-1].offset + 1
        return found

    def _progress(self, sent: int, at: datetime) -> None:
        self.sent, self._clock = sent, at

    def _completed(self, event: Mapping[str, Any]) -> bytes:
        self._injected += 1
        at = self._clock or self.recording.manifest.first
        known = {
            "id": f"injected-{self._injected}",
            "election": self.election,
            "environment": str(self.definition.environment),
            "reported_at": None if at is None else at.isoformat(),
        }
        value = json.dumps({**known, **event}, ensure_ascii=False, default=_jsonable).encode()
        decode_event(value)
        return value

    async def _settle(self) -> dict[str, Any]:
        """Wait until the replay stands still again, and what it sent is published."""
        if self._held.released:
            raise NightError("The night runs by itself; it cannot be held now.", "start it with held=True")
        waiting = asyncio.create_task(self._held.wait_held(), name="wait until held")
        try:
            await self._sending(waiting)
        finally:
            waiting.cancel()
        return await self.published()

    async def _sending(self, until: "asyncio.Future[None]") -> None:
        """Wait for this, for the replay's end or for a failure; as long as it goes on, however long that takes."""
        failed = self._night.group.failed
        before = -1
        while self.sent > before:
            before = self.sent
            ends: set[asyncio.Future[Any]] = {until, self._replay, failed}
            done, _ = await asyncio.wait(ends, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if failed in done:
                raise failed.result()
            if self._replay in done:
                self._replay.result()
            if done:
                return
        raise NotInTime(f"Nothing was sent for {self._timeout:g} s.", "give the night a longer timeout, or more speed")


@asynccontextmanager
async def replayed_night(
    recording: str | Path, folder: Path, servers: Servers, pacing: tuple[Speed, bool], timeout: float
) -> AsyncIterator[ReplayedNight]:
    """Run a recorded night on free ports with its files in ``folder``. ``pacing``: speed, and whether it starts held.

    Raises RecordingError, Occupied, ServiceFailed, NotInTime and what the servers raise.
    """
    opened = open_recording(str(recording))
    definition = opened.definition()
    speed, held = pacing
    clock = Held(FullSpeed() if speed == "max" else Timed(float(speed)))
    settings = Settings(kafka_url=servers.kafka_url, redis_url=servers.redis_url, data=folder)
    night = Night(settings, str(recording), definition, Ports(free_port(), free_port()))
    async with AsyncExitStack() as stack:
        await _take(servers, settings, night, stack)
        await stack.enter_async_context(night)
        replayed = ReplayedNight(night, opened, clock, timeout)
        stack.push_async_callback(replayed.end)
        if not held:
            await clock.release()
        try:
            yield replayed
        except BaseException as error:
            error.add_note(_last_words(folder / "logs"))
            raise


async def _take(servers: Servers, settings: Settings, night: Night, stack: AsyncExitStack) -> None:
    """Make room for the night on given servers, and see that its end clears it."""
    replayable(str(night.definition.environment))
    topics = (night.topic, night.quarantine)
    if servers.kafka_url is not None:
        await take_topics(settings.bootstrap, topics, clear=servers.clear)
        stack.push_async_callback(drop_topics, settings.bootstrap, topics)
    if servers.redis_url is not None:
        prefix = f"tallyroom:{{{night.election}.{night.definition.environment}}}:"
        await take_keys(servers.redis_url, prefix, clear=servers.clear)
        stack.push_async_callback(drop_keys, servers.redis_url, prefix)


def _last_words(logs: Path) -> str:
    """The ends of what the services wrote, for a test that failed."""
    said = [f"The night's services wrote, in {logs}:"]
    for path in sorted(logs.glob("*.log")):
        said += [f"{path.name}:", *path.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]]
    return "\n".join(said)


def _time(at: datetime | str) -> datetime:
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    if found.tzinfo is None:
        raise NightError(f"{at} has no time zone.", "write it as 2023-03-19T22:00:00+06:00")
    return found


def _jsonable(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an event")
