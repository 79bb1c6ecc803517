"""One client's event stream: shared frames, a heartbeat, and an end for who does not keep up."""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from tallyroom.gateway.access import Client, Doorkeeper
from tallyroom.gateway.answers import header, respond
from tallyroom.gateway.encoding import SECURITY, Headers
from tallyroom.gateway.frames import HEARTBEAT, OPENING
from tallyroom.gateway.hub import Hub, Listener
from tallyroom.gateway.query import parameters
from tallyroom.gateway.representation import State
from tallyroom.telemetry.metrics import GatewayMetrics

HEARTBEAT_S: Final = 10.0
"""Proxies drop a silent connection after 15 seconds and more."""

SEND_S: Final = 15.0
"""A client that takes nothing for this long is gone or stuck, and would hold its frames in memory."""

_HEADERS: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"access-control-allow-origin", b"*"),
    *SECURITY,
    (b"x-accel-buffering", b"no"),  # a proxy that collects the response would hold back every event
]


def last_event_id(scope: Scope) -> str | None:
    """Where the client is: the header a browser sends when it reconnects, or the parameter for a first connection.

    Raises Problem 400 for any other parameter.
    """
    given = parameters(scope["query_string"], ("last_event_id",)) if scope["query_string"] else {}
    asked = given.get("last_event_id", [None])[0]
    return header(scope, b"last-event-id") or asked


class Streams:
    """Serves streams from a hub."""

    def __init__(
        self,
        hub: Hub,
        metrics: GatewayMetrics,
        door: Doorkeeper,
        heartbeat: float = HEARTBEAT_S,
        patience: float = SEND_S,
    ) -> None:
        self._hub = hub
        self._door = door
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._patience = patience

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, client: Client, current: Callable[[], State | None]
    ) -> None:
        """Send events until the client leaves, falls behind, or the gateway ends. Raises Problem 400, 429, 503."""
        known = last_event_id(scope)
        if scope["method"] == "HEAD":
            await respond(send, 200, _HEADERS, b"")
            return
        self._door.enter(client)
        try:
            await self._serve(receive, send, known, current)
        finally:
            self._door.leave(client)

    async def _serve(
        self, receive: Receive, send: Send, known: str | None, current: Callable[[], State | None]
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        listener = self._hub.join(current(), known)
        watcher = asyncio.create_task(_until_gone(receive, listener), name="stream client")
        self._metrics.stream_clients.inc()
        try:
            await self._send(send, OPENING)
            await self._follow(listener, send)
        except TimeoutError:
            listener.cut = True
        finally:
            self._hub.leave(listener)
            self._metrics.stream_clients.dec()
            if listener.cut:
                self._metrics.stream_cut.inc()
            watcher.cancel()
        if not listener.cut:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _follow(self, listener: Listener, send: Send) -> None:
        while not listener.ended:
            waiting = await listener.next(self._heartbeat)
            if listener.cut or listener.ended:
                return
            await self._send(send, waiting or HEARTBEAT)

    async def _send(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(self._patience):
            await send({"type": "http.response.body", "body": data, "more_body": True})


async def _until_gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()
