"""The desk over HTTP, on the ops port: refused records as JSON, and decisions about them. Never on a port that readers reach.

Reading is open where no API keys are set; to decide, a key with the scope ``ops`` is always needed (docs/quarantine.md).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from tallyroom.codec.apikeys import Scope
from tallyroom.desk.acts import DeskError, Hand, People, chosen
from tallyroom.desk.book import Book, Case, CaseState
from tallyroom.desk.preview import Preview
from tallyroom.desk.views import Filter, Scales, counted, listed, shown
from tallyroom.domain.errors import TallyroomError
from tallyroom.gateway.keyring import KeyRing

MAX_BODY: Final = 64 * 1024
_JSON: Final = "application/json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a decision: who makes it and why."""

    operators: tuple[str, ...]
    reason: str


class DeskApi:
    """Routes for an ops port. ``ring``: the keys in force; ``keyed``: whether there is a file of keys at all."""

    def __init__(self, book: Book, hand: Hand, ring: KeyRing, *, keyed: bool, key: Any = None) -> None:
        self._book, self._hand, self._ring, self._keyed, self._key = book, hand, ring, keyed, key
        self._scales = Scales(book)
        self._preview = Preview(book)

    def routes(self) -> Sequence[web.RouteDef]:
        """What the ops port serves beside its own."""
        return [
            web.get("/v1/board", self._guarded(self._board)),
            web.get("/v1/quarantine", self._guarded(self._list)),
            web.get("/v1/quarantine/{at}", self._guarded(self._show)),
            web.post("/v1/quarantine/{at}/release", self._guarded(self._release)),
            web.post("/v1/quarantine/{at}/reject", self._guarded(self._reject)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            refused = self._denied(request)
            if refused is not None:
                return refused
            try:
                return await handler(request)
            except DeskError as error:
                return problem(409, "not-decided", error.what, action=error.action)
            except TallyroomError as error:
                return problem(503, "unavailable", error.what, action=error.action)

        return answer

    def _denied(self, request: web.Request) -> web.Response | None:
        """Why the request is not answered, if it is not."""
        decides = request.method == "POST"
        if decides and not self._keyed:
            return problem(403, "no-keys", "Decisions over HTTP need API keys.", action="set TALLYROOM_API_KEYS")
        if not self._keyed:
            return None
        key = self._ring.find(request.headers.get("Authorization", ""))
        if key is None:
            return problem(401, "no-key", "This port needs an API key.", action="send Authorization: Bearer KEY")
        if Scope.OPS not in key.scopes:
            return problem(403, "scope", "This key is not for acts of the desk.", action="make one with --scope ops")
        # A page in an operator's browser can post forms, but not JSON, without asking first.
        if decides and request.content_type != _JSON:
            return problem(415, "media-type", f"The body is {request.content_type}.", action=f"send {_JSON}")
        return None

    async def _board(self, _: web.Request) -> web.Response:
        await self._book.follow()
        return respond(self._preview.snapshot())

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        state = asked.get("state", CaseState.WAITING.value)
        if state != "all" and state not in list(CaseState):
            return problem(400, "parameter", f"state={state!r} is none of {', '.join(CaseState)}, all.")
        wanted = Filter(
            state=None if state == "all" else CaseState(state),
            code=asked.get("reason"),
            contest=asked.get("contest"),
            source=asked.get("source"),
        )
        await self._book.follow()
        lines = listed(self._book, wanted, self._scales)
        return respond({"cases": lines, "numbers": counted(lines), "as_of": self._as_of()})

    async def _show(self, request: web.Request) -> web.Response:
        case = await self._case(request)
        return respond({**await shown(self._book, case, self._scales), "as_of": self._as_of()})

    async def _release(self, request: web.Request) -> web.Response:
        return await self._decide(request, self._hand.release)

    async def _reject(self, request: web.Request) -> web.Response:
        return await self._decide(request, self._hand.reject)

    async def _decide(self, request: web.Request, decide: Callable[[Case, People], Awaitable[Any]]) -> web.Response:
        try:
            body = msgspec.json.decode(await request.content.read(MAX_BODY), type=Decision)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return problem(400, "body", f"The body is no decision: {error}.", action="send operators and reason")
        case = await self._case(request)
        event = await decide(
            case, People(tuple(name.strip() for name in body.operators), body.reason.strip(), self._key)
        )
        return respond({"at": str(case.at), "state": str(self._book.state(case)), "event": event.id})

    async def _case(self, request: web.Request) -> Case:
        await self._book.follow()
        (case,) = chosen(self._book, [request.match_info["at"]])
        return case

    def _as_of(self) -> dict[str, dict[str, int]]:
        return {"events": {str(partition): offset for partition, offset in self._book.offsets.items()}}


def respond(document: Any) -> web.Response:
    """A JSON answer that nobody keeps."""
    return web.Response(body=msgspec.json.encode(document), content_type=_JSON, headers={"Cache-Control": "no-store"})


def problem(status: int, kind: str, detail: str, action: str = "") -> web.Response:
    """Why there is no answer (RFC 9457), and what to do."""
    document = {
        "type": f"urn:tallyroom:problem:desk-{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "action": action,
    }
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/problem+json")
