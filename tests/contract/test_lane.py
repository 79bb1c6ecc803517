"""The connection to the store's server when it is reset under our hands, on both event loops."""

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest
import uvloop

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.store.hints import Listener
from tallyroom.store.lane import Lane, accessed, packed

pytestmark = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
_COMMAND: Final = re.compile(rb"\*\d+\r\n")
Run = Callable[[Coroutine[Any, Any, None]], None]


class Resetting:
    """A server that says PONG to whatever it is sent, and resets every connection when it is told to."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.accepted = 0

    async def __aenter__(self) -> "Resetting":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reset()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.writers.append(writer)
        try:
            while sent := await reader.read(1 << 16):
                writer.write(b"+PONG\r\n" * len(_COMMAND.findall(sent)))
        except OSError:
            return

    def reset(self) -> None:
        """RST, not FIN: what a killed server's host sends for what is still on its way."""
        for writer in self.writers:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.writers.clear()


def test_a_connection_that_was_reset_while_idle_is_made_again(run: Run) -> None:
    async def main() -> None:
        async with Resetting() as server:
            lane = Lane(accessed(server.url))
            assert await lane.read(packed("PING")) == [b"PONG"]
            server.reset()
            async with asyncio.timeout(5):
                while lane._connection._reader is not None and lane._connection._reader.exception() is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await lane.read(packed("PING")) == [b"PONG"]
            await lane.close()
            assert server.accepted == 2

    run(main())


def test_a_connection_that_is_reset_in_the_moment_of_a_write_is_a_store_that_is_away(run: Run) -> None:
    async def main() -> None:
        async with Resetting() as server:
            lane = Lane(accessed(server.url))
            await lane.read(packed("PING"))
            writer = lane._connection._writer
            assert writer is not None
            writer.transport.abort()  # closed below, before anything above has been told
            with pytest.raises(StoreUnavailable):
                await lane.read(packed("PING"))
            assert await lane.read(packed("PING")) == [b"PONG"]
            await lane.close()

    run(main())


def test_a_listener_outlives_a_reset(run: Run) -> None:
    async def main() -> None:
        async with Resetting() as server:
            listener = Listener(accessed(server.url), "channel")
            async with asyncio.timeout(10):
                for connections in (1, 2, 3):
                    while server.accepted < connections:  # noqa: ASYNC110 - it tells nobody
                        await asyncio.sleep(0.01)
                    server.reset()
            await listener.close()

    run(main())
