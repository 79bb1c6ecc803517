"""The gateway's ASGI application: hot routes by hand, ordinary ones by Starlette, every answer counted."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallyroom.codec.apikeys import Scope as KeyScope
from tallyroom.gateway import openapi, pages, representation
from tallyroom.gateway.access import Doorkeeper
from tallyroom.gateway.answers import Served, answer, preflight, private, refuse
from tallyroom.gateway.encoding import Resource
from tallyroom.gateway.hub import Hub
from tallyroom.gateway.lists import LISTS, History, listed
from tallyroom.gateway.problem import Problem, no_such_path, nothing_yet, wrong_method
from tallyroom.gateway.query import flag, number, parameters, snapshot_filter
from tallyroom.gateway.representation import Shelf, State
from tallyroom.gateway.stream import Streams
from tallyroom.gateway.units import Units, UnitStore
from tallyroom.telemetry.metrics import GatewayMetrics

_METHODS: Final = frozenset({"GET", "HEAD"})
_ELECTION: Final = "/v1/elections/{election}"
_STATIC: Final = "/static/{file}"
_SNAPSHOT: Final = f"{_ELECTION}/snapshot"
_UNIT: Final = f"{_ELECTION}/units/{{unit}}"
_STREAM: Final = f"{_ELECTION}/stream"
TEMPLATES: Final[dict[str, KeyScope | None]] = {
    "/": None,
    _STATIC: None,
    "/v1/openapi.json": None,
    "/v1/elections": KeyScope.SNAPSHOT,
    f"{_ELECTION}/definition": KeyScope.SNAPSHOT,
    f"{_ELECTION}/history": KeyScope.SNAPSHOT,
    **{f"{_ELECTION}/{name}": KeyScope.SNAPSHOT for name in LISTS},
    _UNIT: KeyScope.SNAPSHOT,
    _SNAPSHOT: KeyScope.SNAPSHOT,
    _STREAM: KeyScope.STREAM,
}
"""Every route, with the scope that it needs where the gateway is not public. Requests are counted under these, or ``other``."""


class Showing:
    """What the routes read: the feed's state, and the resources made from it so far."""

    def __init__(self, hub: Hub, store: UnitStore) -> None:
        self.hub = hub
        self.units = Units(store)
        self.shelf = Shelf()
        self.history = History()
        self.definitions = Shelf(most_entries=4)  # large, and the same for many revisions: kept apart
        self._state: State | None = None

    def moved(self, before: State | None, now: State) -> None:
        """The feed has a new state."""
        self._state = now
        self.history.moved(before, now)
        self.shelf.clear()
        self.hub.moved(before, now)

    @property
    def current(self) -> State | None:
        """The state, None before the first revision."""
        return self._state

    @property
    def state(self) -> State:
        """The state. Raises Problem 503 before the first revision."""
        if self._state is None:
            raise nothing_yet()
        return self._state


class Gateway:
    """The application of one election."""

    def __init__(
        self,
        election: str,
        showing: Showing,
        streams: Streams,
        metrics: GatewayMetrics,
        door: Doorkeeper,
        frame_ancestors: str = "'self'",
    ) -> None:
        self._election = election
        self._showing = showing
        self._streams = streams
        self._door = door
        self._metrics = metrics
        self._snapshot_path = f"/v1/elections/{election}/snapshot"
        self._stream_path = f"/v1/elections/{election}/stream"
        self._ordinary = self._starlette(frame_ancestors)
        self._seconds = {name: metrics.http_request_seconds.labels(route=name) for name in (*TEMPLATES, "other")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        template = self._template(scope["path"])
        if not self._door.public:
            send = private(send)
        try:
            status = await self._answer(scope, receive, send, template)
        except Problem as problem:
            status = await refuse(scope, send, problem)
        self._metrics.http_requests.labels(route=template, status=str(status)).inc()
        if template != _STREAM:
            self._seconds[template].observe(time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, template: str) -> int:
        method, path = scope["method"], scope["path"]
        client = self._door.admit(scope, TEMPLATES.get(template) if method in _METHODS else None)
        if method == "OPTIONS":
            return await preflight(send)
        if method not in _METHODS:
            raise wrong_method(method)
        if path == self._snapshot_path:
            return await answer(scope, send, self._snapshot(scope["query_string"]))
        if path == self._stream_path:
            await self._streams.serve(scope, receive, send, client, lambda: self._showing.current)
            return 200
        watched = _Watched(send)
        await self._ordinary(scope, receive, watched)
        return watched.status

    def _snapshot(self, query: bytes) -> Resource:
        state = self._showing.state
        wanted = snapshot_filter(query, state.edition.index)
        return self._showing.shelf.get(("snapshot", wanted), lambda: representation.snapshot(state, wanted))

    def _template(self, path: str) -> str:
        if path == self._snapshot_path:
            return _SNAPSHOT
        if path == self._stream_path:
            return _STREAM
        if path.startswith("/static/"):
            return _STATIC
        if path.startswith(f"/v1/elections/{self._election}/units/"):
            return _UNIT
        found = path.replace(f"/v1/elections/{self._election}/", f"{_ELECTION}/", 1)
        return found if found in TEMPLATES else "other"

    def _starlette(self, frame_ancestors: str) -> Starlette:
        files = pages.load(frame_ancestors)
        routes = [
            Route("/", Served(files["index.html"])),
            *(Route(f"/static/{name}", Served(file)) for name, file in files.items() if name != "index.html"),
            Route("/v1/openapi.json", Served(Resource(openapi.encoded(), representation.JSON))),
            Route("/v1/elections", _Route(self._elections)),
            Route("/v1/elections/{election}/units/{unit:path}", _Route(self._unit)),
            Route("/v1/elections/{election}/{resource}", _Route(self._of_election)),
        ]
        handlers = {HTTPException: _unmatched}
        app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
        app.router.redirect_slashes = False
        return app

    async def _elections(self, scope: Scope) -> Resource:
        parameters(scope["query_string"], ())
        state = self._showing.state
        return self._showing.shelf.get("elections", lambda: representation.elections(state))

    def _ours(self, election: str) -> None:
        if election != self._election:
            detail = f"This gateway serves {self._election}, not {election!r}."
            raise Problem(404, "unknown-election", "Unknown election", detail, {"known": [self._election]})

    async def _unit(self, scope: Scope) -> Resource:
        given = scope["path_params"]
        self._ours(given["election"])
        parameters(scope["query_string"], ())
        state, key = self._showing.state, ("unit", given["unit"])
        found = self._showing.shelf.known(key)
        if found is None:
            found = await self._showing.units.find(state, given["unit"])
            if self._showing.current is state:  # else it belongs to a revision that is shown no more
                self._showing.shelf.get(key, lambda: found)
        return found

    async def _of_election(self, scope: Scope) -> Resource:
        given = scope["path_params"]
        self._ours(given["election"])
        resource, query = given["resource"], scope["query_string"]
        if resource == "definition":
            return self._definition(query)
        if resource == "history":
            return self._history(query)
        if resource not in LISTS:
            raise no_such_path(scope["path"])
        state = self._showing.state
        wanted = snapshot_filter(query, state.edition.index, ("contest",))
        return self._showing.shelf.get((resource, wanted), lambda: listed(state, resource, wanted))

    def _definition(self, query: bytes) -> Resource:
        units = flag(parameters(query, ("units",)), "units", default=True)
        edition = self._showing.state.edition
        key = (edition.head.definition, edition.definition.hash, units)
        return self._showing.definitions.get(key, lambda: representation.definition(edition, units=units))

    def _history(self, query: bytes) -> Resource:
        since = number(parameters(query, ("since",)), "since", default=0)
        state = self._showing.state
        return self._showing.shelf.get(("history", since), lambda: self._showing.history.since(state, since))


class _Route:
    """An endpoint that returns a resource. A class, so that Starlette passes requests on as they are."""

    def __init__(self, find: Callable[[Scope], Awaitable[Resource]]) -> None:
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            resource = await self._find(scope)
        except Problem as problem:
            await refuse(scope, send, problem)
        else:
            await answer(scope, send, resource)


class _Watched:
    """A ``send`` that remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


async def _unmatched(request: Request, error: HTTPException) -> Response:
    """Starlette's own refusals as problem documents."""
    problem = no_such_path(request.url.path) if error.status_code == 404 else wrong_method(request.method)
    body = problem.body(request.url.path)
    headers = {name.decode(): value.decode() for name, value in problem.headers(len(body))}
    return Response(b"" if request.method == "HEAD" else body, problem.status, headers)


def build_app(election: str, showing: Showing, metrics: GatewayMetrics, door: Doorkeeper, ancestors: str) -> ASGIApp:
    """The application that serves what ``showing`` holds (a feed moves that) to whom ``door`` admits."""
    return Gateway(election, showing, Streams(showing.hub, metrics, door), metrics, door, ancestors)
