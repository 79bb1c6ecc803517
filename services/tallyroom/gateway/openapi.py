"""The OpenAPI 3.1 document of what a gateway serves; schemas/openapi.yaml is the same, committed.

Schemas are made from the types of `tallyroom.codec.snapshot`. A test compares the paths with the routes, and answers of a
running gateway with the document.
"""

from typing import Any, Final

import msgspec

from tallyroom import __version__
from tallyroom.codec.apikeys import Scope
from tallyroom.codec.definition import DefinitionWire
from tallyroom.codec.schemas import components
from tallyroom.codec.snapshot import (
    CorrectionsList,
    Elections,
    HistoryList,
    Problem,
    Snapshot,
    StreamCondition,
    StreamRevision,
    UnitPage,
    UnitsApartList,
)

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
Node = dict[str, Any]

_ABOUT: Final = (
    "Results of one election as they are counted, read-only. Revision numbers only grow; equal numbers are equal figures. "
    "Readers must ignore members that they do not know. docs/http.md explains every field."
)
_ELECTION: Final[Node] = {"$ref": "#/components/parameters/election"}
_FILTERS: Final = {
    "contest": "Only these contests.",
    "area": "Only these areas, and contests that have one of them.",
    "level": "Only areas of these levels.",
}
_PROBLEMS: Final = {
    400: ("BadQuery", "A parameter that does not exist, or a value that cannot be read (`bad-query`)."),
    401: ("Unauthorized", "A key is needed, or the one that was sent is not known (`key-needed`, `unknown-key`)."),
    403: ("Forbidden", "The key does not have the scope (`scope-missing`)."),
    404: (
        "NotFound",
        "No such path, or a value that the definition does not have (`not-found`, `unknown-election`, `unknown-unit` ...).",
    ),
    410: ("Gone", "Further back than this gateway remembers (`too-old`)."),
    405: ("MethodNotAllowed", "Everything is read-only (`method-not-allowed`)."),
    429: ("TooMany", "Too many requests or streams (`too-many-requests`, `too-many-streams`)."),
    503: (
        "Unavailable",
        "Nothing published yet, or no room for another stream (`no-revision`, `streams-full`, `not-current`).",
    ),
}


def document() -> Node:
    """The whole document, as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tallyroom", "version": __version__, "description": _ABOUT, "license": _licence()},
        "servers": [{"url": "/"}],
        "security": [{}, {"apiKey": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "parameters": {"election": _election()},
            "headers": {
                "ETag": _header("Strong: a hash of the bytes, one per content coding."),
                "Retry-After": _header("Seconds to wait before asking again.", "integer"),
            },
            "responses": {name: _problem(status, text) for status, (name, text) in _PROBLEMS.items()},
            "securitySchemes": {"apiKey": _key_scheme()},
        },
    }


def _schemas() -> Node:
    types: list[type[msgspec.Struct]] = [
        Snapshot, StreamRevision, StreamCondition, Elections, Problem, DefinitionWire, CorrectionsList, UnitsApartList,
        HistoryList, UnitPage,
    ]  # fmt: skip
    made = components(types, "#/components/schemas/{name}")
    for name in ("Definition", "Contest"):  # ?units=false leaves them out
        made[name]["required"] = [member for member in made[name]["required"] if member != "units"]
    return made


def _licence() -> Node:
    return {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _key_scheme() -> Node:
    scopes = ", ".join(f"`{scope}`" for scope in Scope)
    text = f"Sent as `Authorization: Bearer KEY`. Not needed where the operator lets everybody read. Scopes: {scopes}."
    return {"type": "http", "scheme": "bearer", "description": text}


def _election() -> Node:
    return _in_path("election", "Id of the election, as /v1/elections lists it.")


def _header(text: str, kind: str = "string") -> Node:
    return {"description": text, "schema": {"type": kind}}


def _problem(status: int, text: str) -> Node:
    made: Node = {"description": text, "content": {PROBLEM: {"schema": _schema("Problem")}}}
    if status in (429, 503):
        made["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return made


def _schema(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def _paths() -> Node:
    base = "/v1/elections/{election}"
    return {
        "/": _get("page", "A page that shows the night and moves by itself.", "text/html", {"type": "string"}, _OPEN),
        "/static/{file}": {
            **_get("file", "A file of the page.", "*/*", {}, (*_OPEN, 404)),
            "parameters": [_in_path("file", "Name of the file.")],
        },
        "/v1/openapi.json": _get("openapi", "This document.", JSON, {"type": "object"}, _OPEN),
        "/v1/elections": _get(
            "elections", "The elections that are served here.", JSON, _schema("Elections"), (400, 401, 403, 429, 503)
        ),
        f"{base}/definition": _of_election(
            _get("definition", "What is voted on, where, by which rule.", JSON, _schema("Definition"), _ALL),
            _parameter("units", "Whether units and the contests' unit maps are in it.", {"type": "boolean"}),
        ),
        f"{base}/snapshot": _of_election(
            _get("snapshot", "The current results.", JSON, _schema("Snapshot"), _ALL),
            *(_parameter(name, text, _LIST, explode=False) for name, text in _FILTERS.items()),
        ),
        f"{base}/corrections": _of_election(
            _get("corrections", "Every correction, contest by contest.", JSON, _schema("CorrectionsList"), _ALL),
            _parameter("contest", _FILTERS["contest"], _LIST, explode=False),
        ),
        f"{base}/units-apart": _of_election(
            _get("unitsApart", "Every unit that is in no total.", JSON, _schema("UnitsApartList"), _ALL),
            _parameter("contest", _FILTERS["contest"], _LIST, explode=False),
        ),
        f"{base}/history": _of_election(
            _get("history", "The revisions that this gateway has shown.", JSON, _schema("HistoryList"), (*_ALL, 410)),
            _parameter("since", "Only revisions after this one.", {"type": "integer", "minimum": 0}),
        ),
        f"{base}/units/{{unit}}": {
            **_get("unit", "A unit, and its newest accepted report in each contest.", JSON, _schema("UnitPage"), _ALL),
            "parameters": [_ELECTION, _in_path("unit", "Id of the unit, as the definition lists it.")],
        },
        f"{base}/stream": _of_election(
            _get("stream", _STREAM, "text/event-stream", {"type": "string"}, _ALL),
            _parameter(
                "last_event_id", "Where the client is, on a first connection.", {"type": "string", "minLength": 1}
            ),
        ),
    }


_OPEN: Final = (401, 429)
_ALL: Final = (400, 401, 403, 404, 429, 503)
_LIST: Final[Node] = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
_STREAM: Final = (
    "The results as they change, as Server-Sent Events: `revision` (data: StreamRevision, `id`: the revision) and `condition` "
    "(data: StreamCondition). A comment every 10 seconds keeps the connection open."
)


def _get(name: str, text: str, media: str, schema: Node, problems: tuple[int, ...]) -> Node:
    ok: Node = {"description": text, "content": {media: {"schema": schema}}}
    answers: Node = {"200": ok}
    if media != "text/event-stream":
        ok["headers"] = {"ETag": {"$ref": "#/components/headers/ETag"}}
        answers["304"] = {"description": "Unchanged since the entity tag in If-None-Match."}
    for status in problems:
        answers[str(status)] = {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
    return {"get": {"operationId": name, "summary": text, "responses": answers}}


def _of_election(path: Node, *parameters: Node) -> Node:
    return {"parameters": [_ELECTION], "get": {**path["get"], "parameters": list(parameters)}}


def _parameter(name: str, text: str, schema: Node, **more: Any) -> Node:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema, **more}


def _in_path(name: str, text: str) -> Node:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def encoded() -> bytes:
    """The document as it is served."""
    return msgspec.json.encode(document())
