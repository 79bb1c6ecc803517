"""Wake-ups over PUBLISH and SUBSCRIBE. Losing one costs a poll, never a figure."""

import asyncio
import contextlib
from typing import Any, Final

from redis.exceptions import RedisError

_AGAIN_S: Final = 1.0
"""Pause before subscribing again after the connection was lost; meanwhile everybody polls."""


class RedisHints:
    """``Hints`` on a Redis client; one listening connection for all channels."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._hint_client = client
        self._hint_prefix = prefix
        self._events: dict[str, asyncio.Event] = {}
        self._listener: asyncio.Task[None] | None = None

    async def announce(self, channel: str) -> None:
        """See ``Hints.announce``."""
        with contextlib.suppress(RedisError, OSError, asyncio.TimeoutError):
            await self._hint_client.publish(self._hint_prefix + channel, b"")

    async def hint(self, channel: str, timeout: float) -> bool:
        """See ``Hints.hint``."""
        if channel not in self._events:
            self._events[channel] = asyncio.Event()
            if self._listener is None:
                self._listener = asyncio.create_task(self._listen(), name="hints")
        event = self._events[channel]
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def close_hints(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError, asyncio.TimeoutError):
                async with self._hint_client.pubsub() as pubsub:
                    await pubsub.psubscribe(self._hint_prefix + "*")
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_AGAIN_S)
                        if message is not None:
                            self._wake(message["channel"].decode().removeprefix(self._hint_prefix))
            await asyncio.sleep(_AGAIN_S)

    def _wake(self, channel: str) -> None:
        if channel in self._events:
            self._events[channel].set()
