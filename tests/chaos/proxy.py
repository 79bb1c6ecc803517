"""A small TCP proxy that can be told to misbehave: slow, silent, resetting, or losing the answers to requests it passed on."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 1 << 16
_LINGER_NONE: Final = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """How the line behaves now. The defaults are fair."""

    delay_s: float = 0.0  # each way
    bytes_per_s: float = 0.0  # 0: as fast as it goes
    silent: bool = False  # half open: connections stay, nothing passes
    closed: bool = False  # new connections are reset
    lose_answers: bool = False  # a request is passed on; at its answer the connection is reset


class Proxy:
    """Listens on ``host:port`` and connects to ``target`` on the loopback interface. All of it in the running loop."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self.host, self.port = host, port
        self.target = 0
        self.weather = Weather()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fair = asyncio.Event()
        self._fair.set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)

    async def stop(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        self.reset()
        self._fair.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def become(self, weather: Weather) -> None:
        """From now on the line behaves like this."""
        self.weather = weather
        if weather.silent:
            self._fair.clear()
        else:
            self._fair.set()

    def reset(self) -> None:
        """RST on every connection, both ways: nobody is told that it ends."""
        for writer in list(self._writers):
            _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.weather.closed:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, far_writer, answers=False))
                both.create_task(self._pass(far_reader, writer, answers=True))
        except* OSError:
            pass
        finally:
            for one in (writer, far_writer):
                self._writers.discard(one)
                _reset(one)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(_CHUNK):
            await self._fair.wait()
            weather = self.weather
            if weather.delay_s:
                await asyncio.sleep(weather.delay_s)
            if weather.bytes_per_s:
                await asyncio.sleep(len(data) / weather.bytes_per_s)
            if answers and weather.lose_answers:
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one side ended: so does the other


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    with contextlib.suppress(RuntimeError):  # the loop may be closed already
        writer.transport.abort()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
