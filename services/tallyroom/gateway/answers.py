"""From resources and problems to ASGI messages: coding, 304, HEAD."""

from typing import Final

from starlette.types import Message, Receive, Scope, Send

from tallyroom.gateway.encoding import Encoded, Headers, Resource, chosen, names_tag
from tallyroom.gateway.problem import Problem

PREFLIGHT: Final[Headers] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, if-none-match, last-event-id"),
    (b"access-control-max-age", b"86400"),
    (b"allow", b"GET, HEAD, OPTIONS"),
]


def header(scope: Scope, name: bytes) -> str:
    """A request header's value; several lines of it are one list (RFC 9110, 5.2)."""
    values = [value for key, value in scope["headers"] if key == name]
    return b",".join(values).decode("latin-1")


async def answer(scope: Scope, send: Send, resource: Resource) -> int:
    """Send the resource, or that the client has it already; the status."""
    coding = chosen(header(scope, b"accept-encoding"))
    encoded = resource.ready(coding) or await resource.encoded(coding)
    if_none_match = header(scope, b"if-none-match")
    if if_none_match and names_tag(if_none_match, encoded.tag):
        await respond(send, 304, encoded.unchanged, b"")
        return 304
    await respond(send, 200, encoded.headers, _body(scope, encoded))
    return 200


def _body(scope: Scope, encoded: Encoded) -> bytes:
    return b"" if scope["method"] == "HEAD" else encoded.body


async def refuse(scope: Scope, send: Send, problem: Problem) -> int:
    """Send a problem document; the status."""
    body = problem.body(scope["path"])
    await respond(send, problem.status, problem.headers(len(body)), b"" if scope["method"] == "HEAD" else body)
    return problem.status


async def preflight(send: Send) -> int:
    """Answer OPTIONS: any page may read, nobody may write; the status."""
    await respond(send, 204, PREFLIGHT, b"")
    return 204


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole response."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def private(send: Send) -> Send:
    """A ``send`` for answers that not everybody may have: no shared cache may keep them for the next who asks."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [_private(name, value) for name, value in message["headers"]]
        await send(message)

    return sending


def _private(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name == b"cache-control":
        return name, value.replace(b"public", b"private")
    return name, b"accept-encoding, authorization" if name == b"vary" else value


class Served:
    """A resource as an ASGI application, for routes of Starlette."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await answer(scope, send, self._resource)
