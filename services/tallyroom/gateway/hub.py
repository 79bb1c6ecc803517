"""Who listens to the stream: one queue a client, bounded, all holding the same frames."""

import asyncio
from collections import deque
from typing import Final

from tallyroom.gateway import frames
from tallyroom.gateway.representation import State

WAITING_FRAMES: Final = 64
"""Frames a client may be behind: twelve seconds of a busy night. Beyond, it is cut and resumes by its Last-Event-ID."""

_KEPT_FRAMES: Final = 256
_KEPT_BYTES: Final = 16_000_000
"""Deltas kept for clients that resume: a minute of a busy night; who is away for longer gets the whole state."""


class Listener:
    """One client's frames. ``next`` gives None on a timeout; ``cut`` is set when it fell too far behind."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self.cut = False
        self.ended = False

    def put(self, frame: bytes) -> None:
        """Queue a frame, or cut the client if it has too many waiting."""
        if len(self._waiting) >= WAITING_FRAMES:
            self.cut = True
            self._waiting.clear()
        elif not self.cut:
            self._waiting.append(frame)
        self._arrived.set()

    def end(self) -> None:
        """Wake the client's task for the last time."""
        self.ended = True
        self._arrived.set()

    async def next(self, timeout: float) -> bytes | None:
        """Everything that waits, joined; None if nothing came in time or the stream is over."""
        try:
            async with asyncio.timeout(timeout):
                await self._arrived.wait()
        except TimeoutError:
            return None
        self._arrived.clear()
        frames_waiting = b"".join(self._waiting)
        self._waiting.clear()
        return frames_waiting or None


class Hub:
    """All listeners of one election, and the deltas of the last revisions for those who resume."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._deltas: deque[frames.Delta] = deque()
        self._bytes = 0
        self._full: tuple[State, bytes] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def moved(self, before: State | None, now: State) -> None:
        """Tell everybody what changed."""
        if before is None:
            self._tell(frames.full(now))
            return
        if before.edition is not now.edition:
            delta = frames.delta(before, now)
            self._keep(delta)
            self._tell(delta.data)
        if before.stale_since != now.stale_since:
            self._tell(frames.condition(now))

    def join(self, state: State | None, last_event_id: str | None) -> Listener:
        """A new listener, with what it needs to be where we are already queued."""
        listener = Listener()
        if state is not None:
            for frame in self._opening(state, last_event_id):
                listener.put(frame)
        self._listeners.add(listener)
        if self._closed:
            listener.end()
        return listener

    def leave(self, listener: Listener) -> None:
        """The client is gone."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """End all streams; clients reconnect elsewhere or later."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    def _opening(self, state: State, last_event_id: str | None) -> list[bytes]:
        number = state.edition.number
        if last_event_id == str(number):
            return [frames.condition(state)]
        missed = self._since(last_event_id)
        if missed:
            return [b"".join(missed), frames.condition(state)]
        if self._full is None or self._full[0] is not state:
            self._full = (state, frames.full(state))
        return [self._full[1]]

    def _since(self, last_event_id: str | None) -> list[bytes]:
        """The deltas after a revision, empty if they do not reach back to it."""
        deltas = list(self._deltas)
        for index, delta in enumerate(deltas):
            if str(delta.before) == last_event_id:
                return [later.data for later in deltas[index:]]
        return []

    def _keep(self, delta: frames.Delta) -> None:
        self._deltas.append(delta)
        self._bytes += len(delta.data)
        while len(self._deltas) > _KEPT_FRAMES or self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._deltas.popleft().data)

    def _tell(self, frame: bytes) -> None:
        for listener in self._listeners:
            listener.put(frame)
