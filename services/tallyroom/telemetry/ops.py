"""The ops port of a service: /metrics, /livez, /readyz, in the service's own event loop.

/livez answers as long as the loop turns; /readyz says whether work can be sent here, and why not.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from tallyroom.domain.errors import SettingError

_STOP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can do its work, and what keeps it from it."""

    ready: bool
    reasons: Sequence[str] = ()


def bound_socket(host: str, port: int, setting: str) -> socket.socket:
    """A socket bound to this address, not listening yet; port 0 takes a free one.

    Raises SettingError naming ``setting`` if the port is taken or the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(128)  # only listening tells a port that another process listens on
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingError(
                f"Port {port} on {host} is taken.", f"set {setting} to a free port, or end what listens there"
            ) from error
        raise SettingError(
            f"Port {port} on {host} cannot be used: {error.strerror}.", f"change {setting} or TALLYROOM_HOST"
        ) from error
    made.setblocking(False)
    return made


class OpsServer:
    """Serves the ops port while entered (``async with``). ``port`` None or 0: a free one, then known as ``port``.

    ``routes``: what a service serves there besides.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        health: Callable[[], Health],
        port: int | None = None,
        host: str = "127.0.0.1",
        routes: Sequence[web.RouteDef] = (),
    ) -> None:
        self._registry = registry
        self._routes = routes
        self._health = health
        self._host = host
        self._runner: web.AppRunner | None = None
        self.port = port or 0

    @property
    def url(self) -> str:
        """Address of the ops port, without a trailing slash."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> int:
        """Listen; the port. Raises SettingError naming TALLYROOM_OPS_PORT if it is taken."""
        bound = bound_socket(self._host, self.port, "TALLYROOM_OPS_PORT")
        self.port = bound.getsockname()[1]
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
        await self._runner.setup()
        await web.SockSite(self._runner, bound).start()
        return self.port

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # Encoding may take a few milliseconds: not in the loop that answers readers.
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _livez(self, _: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        health = self._health()
        if health.ready:
            return web.json_response({"ready": True})
        reasons = [reason for reason in health.reasons if reason]
        problem = {
            "type": "urn:tallyroom:problem:not-ready",
            "title": "Not ready",
            "status": 503,
            "detail": "; ".join(reasons) or "The service does not say why.",
            "reasons": reasons,
        }
        return web.json_response(problem, status=503, content_type="application/problem+json")
