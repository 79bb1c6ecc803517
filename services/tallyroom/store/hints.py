"""Listening to one channel of the server. Nothing rests on it: while it is away, those who wait poll."""

import asyncio
import contextlib
from typing import Final

from redis.exceptions import RedisError

from tallyroom.settings import StoreAccess
from tallyroom.store.lane import ANSWER_S, CONNECT_S, connect

AGAIN_S: Final = 0.5
"""Pause before a lost subscription is made again; callers poll in the meantime."""


class Listener:
    """A subscription that keeps itself alive in a task of its own until closed."""

    def __init__(self, access: StoreAccess, channel: str) -> None:
        self._connection = connect(access)
        self._channel = channel
        self._heard = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"hints {channel}")

    async def wait(self, timeout: float) -> bool:
        """True once something was announced since the last True, False after ``timeout`` seconds."""
        try:
            await asyncio.wait_for(self._heard.wait(), timeout)
        except TimeoutError:
            return False
        self._heard.clear()
        return True

    async def close(self) -> None:
        """End the subscription."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            # A server that is away is no news here: whoever reads totals or revisions says so.
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                await self._listen()
            await asyncio.sleep(AGAIN_S)
            self._heard.set()  # what was announced in between went unheard

    async def _listen(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S + ANSWER_S):
                await self._connection.connect()  # type: ignore[no-untyped-call]
                await self._connection.send_command("SUBSCRIBE", self._channel, check_health=False)
            while True:
                await self._next()
        finally:
            await self._connection.disconnect(nowait=True)

    async def _next(self) -> None:
        """Take one message; a silent server is asked whether it lives. Raises TimeoutError, RedisError."""
        message = await self._connection.read_response(timeout=ANSWER_S, disconnect_on_error=False)
        if message is None:
            await self._connection.send_command("PING", check_health=False)
            message = await self._connection.read_response(timeout=ANSWER_S, disconnect_on_error=False)
            if message is None:
                raise TimeoutError("the subscription is dead")
        if message[0] == b"message":
            self._heard.set()
