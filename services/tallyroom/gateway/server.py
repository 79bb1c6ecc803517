"""Runs a gateway: feed, HTTP server (granian, in this event loop) and ops port, until it is told to stop."""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.types import ASGIApp

from tallyroom.domain.election import Definition
from tallyroom.domain.errors import TallyroomError
from tallyroom.gateway.access import Doorkeeper
from tallyroom.gateway.app import Showing, build_app
from tallyroom.gateway.feed import Feed, Published
from tallyroom.gateway.hub import Hub
from tallyroom.gateway.keyring import KeyRing
from tallyroom.gateway.units import UnitStore
from tallyroom.settings import DEFAULT_OPS_PORT, Settings
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import GatewayMetrics, gateway_metrics, new_registry
from tallyroom.telemetry.ops import Health, OpsServer, bound_socket

_STOP_S: Final = 5.0
_BACKLOG: Final = 2048
"""Connections that may wait to be accepted: an audience comes back at the same second when a proxy restarts."""


class ServerFailed(TallyroomError):
    """The HTTP server ended by itself."""


class GatewayStore(Published, UnitStore, Protocol):
    """What a gateway needs of a store: published revisions, and single units."""


async def run_gateway(settings: Settings, definition: Definition, store: GatewayStore, stop: asyncio.Event) -> None:
    """Serve this election until ``stop`` is set. Raises SettingError for a taken port, ServerFailed."""
    registry = new_registry("gateway")
    metrics = gateway_metrics(registry)
    showing = Showing(Hub(), store)
    access = settings.access
    keys = KeyRing(access.keys)
    keys.load()
    door = Doorkeeper(access, keys, metrics)
    feed = Feed(store, (definition.election, str(definition.environment)), metrics, showing.moved)
    _measure_age(metrics, feed)
    ops_port = DEFAULT_OPS_PORT if settings.ops_port is None else settings.ops_port
    port = _free(settings.host, settings.http_port)
    async with OpsServer(registry, lambda: _health(feed), ops_port, settings.host) as ops:
        app = build_app(definition.election, showing, metrics, door, access.frame_ancestors)
        server = http_server(app, settings.host, port)
        get_logger("gateway").info(
            "serving", election=definition.election, url=f"http://{settings.host}:{port}", ops=ops.url
        )
        await _until_stopped((feed.run(), keys.follow()), server, showing.hub, stop)


def http_server(app: ASGIApp, host: str, port: int) -> Server:
    """A server of this application; ``serve`` runs it in the current event loop, ``stop`` ends it."""
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
    )


async def _until_stopped(
    following: Iterable[Coroutine[None, None, None]], server: Server, hub: Hub, stop: asyncio.Event
) -> None:
    serving = asyncio.create_task(server.serve(), name="http server")
    tasks = [asyncio.create_task(work) for work in following]
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({serving, stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        hub.close()
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=_STOP_S)
        serving.cancel()
    if not stop.is_set():
        for task in (*tasks, serving):
            if task.done() and not task.cancelled():
                task.result()
        raise ServerFailed("The HTTP server ended by itself.", "read the lines before; the supervisor starts it again")


def _free(host: str, port: int) -> int:
    """The port, once it is known that nobody listens there; a free one for 0. Raises SettingError.

    The server's own socket shares its port with others that ask to (SO_REUSEPORT): two gateways would answer in turn.
    """
    with bound_socket(host, port, "TALLYROOM_HTTP_PORT") as probe:
        found: int = probe.getsockname()[1]
        return found


def _health(feed: Feed) -> Health:
    """A stale gateway is ready: it serves the last good revision and says so."""
    if feed.state is None:
        return Health(False, ["no revision yet", feed.reason])
    return Health(True)


def _measure_age(metrics: GatewayMetrics, feed: Feed) -> None:
    def age() -> float:
        state = feed.state
        return 0.0 if state is None else (datetime.now(UTC) - state.edition.head.generated_at).total_seconds()

    metrics.snapshot_age.set_function(age)
