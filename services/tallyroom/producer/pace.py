"""The election clock of a replay: when each recorded event is due."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol

MAX_GAP: Final = timedelta(minutes=10)
"""Longest silence that a replay keeps; more is cut, because nobody watches an idle night."""


class Pace(Protocol):
    """Says when the next event may be sent."""

    async def until(self, at: datetime) -> None:
        """Return when the event that arrived at election time ``at`` is due."""

    def due(self, at: datetime) -> bool:
        """Whether it is due already (then it goes into the current batch)."""

    def resume(self) -> None:
        """The clock stood still since the last event and goes on from there now."""


class FullSpeed:
    """Everything is due at once."""

    async def until(self, at: datetime) -> None:
        """Return at once."""

    def due(self, at: datetime) -> bool:
        """Always."""
        return True

    def resume(self) -> None:
        """There is no clock."""


class Timed:
    """Election time runs ``speed`` times as fast as the wall; silences above ``max_gap`` are cut to it."""

    def __init__(self, speed: float, max_gap: timedelta = MAX_GAP) -> None:
        self._speed = speed
        self._max_gap = max_gap
        self._last: datetime | None = None
        self._elapsed = timedelta()  # election time since the start, without what was cut
        self._started = 0.0

    async def until(self, at: datetime) -> None:
        """Sleep until the event is due."""
        self._advance(at)
        pause = self._due_at() - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)

    def due(self, at: datetime) -> bool:
        """Whether the event is due by now. Moves the clock only if it is."""
        if self._last is None:
            return False
        ahead = min(max(at - self._last, timedelta()), self._max_gap)
        if self._started + (self._elapsed + ahead).total_seconds() / self._speed > time.monotonic():
            return False
        self._advance(at)
        return True

    def resume(self) -> None:
        """Count from now: the time that was held is not caught up."""
        self._started = time.monotonic() - self._elapsed.total_seconds() / self._speed

    def _advance(self, at: datetime) -> None:
        if self._last is None:
            self._last, self._started = at, time.monotonic()
        self._elapsed += min(max(at - self._last, timedelta()), self._max_gap)
        self._last = max(at, self._last)

    def _due_at(self) -> float:
        return self._started + self._elapsed.total_seconds() / self._speed


class Held:
    """A clock that somebody moves: nothing is due until it is let run to a time, or on to the next event.

    ``running``: how fast it runs where it is let.
    """

    def __init__(self, running: Pace | None = None) -> None:
        self._running = running or FullSpeed()
        self._until: datetime | None = None
        self._steps = 0
        self._free = False
        self._moved = asyncio.Condition()
        self.waiting_at: datetime | None = None  # the event that waits

    async def run_to(self, at: datetime) -> None:
        """Let everything through that arrived at or before ``at``."""
        async with self._moved:
            self._until = at if self._until is None else max(self._until, at)
            self._moved.notify_all()

    async def step(self, events: int = 1) -> None:
        """Let the next events through."""
        async with self._moved:
            self._steps += events
            self._moved.notify_all()

    async def release(self) -> None:
        """Let everything through."""
        async with self._moved:
            self._free = True
            self._moved.notify_all()

    @property
    def released(self) -> bool:
        """Whether everything may pass."""
        return self._free

    async def wait_held(self) -> None:
        """Wait until the replay waits at an event that is not due."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.waiting_at is not None and not self._open(self.waiting_at))

    async def until(self, at: datetime) -> None:
        """Wait until the clock is moved far enough, and the event is due at the speed at which it runs."""
        if not self._open(at):
            async with self._moved:
                self.waiting_at = at
                self._moved.notify_all()
                await self._moved.wait_for(lambda: self._open(at))
                self.waiting_at = None
            self._running.resume()
        self._pass(at)
        await self._running.until(at)

    def due(self, at: datetime) -> bool:
        """Whether the event may go with the current batch."""
        if not self._open(at) or not self._running.due(at):
            return False
        self._pass(at)
        return True

    def resume(self) -> None:
        """As the speed at which it runs does."""
        self._running.resume()

    def _open(self, at: datetime) -> bool:
        return self._free or self._steps > 0 or (self._until is not None and at <= self._until)

    def _pass(self, at: datetime) -> None:
        if not self._free and (self._until is None or at > self._until):
            self._steps -= 1


def span(times: Iterable[datetime], max_gap: timedelta = MAX_GAP) -> timedelta:
    """How long a replay at speed 1 takes, with silences cut."""
    total, last = timedelta(), None
    for at in times:
        if last is not None:
            total += min(max(at - last, timedelta()), max_gap)
        last = at if last is None else max(at, last)
    return total
