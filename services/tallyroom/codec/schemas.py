"""JSON Schema (2020-12) documents of everything on the wire, made from the structs that decode it.

Every document stands alone (its parts are in ``$defs``), so that a stranger validates with one file and no registry. A schema
sees one event by itself; whether it fits the election is decided by tabulation (docs/quarantine.md). `schemas/generate.py`
writes the documents, a test compares the committed ones.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tallyroom.codec.definition import DefinitionWire
from tallyroom.codec.events import EVENT_TYPES
from tallyroom.codec.snapshot import Snapshot

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
VERSION: Final = "v1"

Schema = dict[str, Any]

_REF: Final = "#/$defs/{name}"
_ZONED: Final = "([Zz]|[+-][0-9]{2}:[0-9]{2})$"
"""2020-12 makes ``format`` an annotation: without a pattern most validators would let a time without a zone pass."""


def documents() -> Mapping[str, Schema]:
    """Every schema document by its name: the event types, ``event`` (any of them), ``definition`` and ``snapshot``."""
    made = {_tag(event): _document(_tag(event), event) for event in EVENT_TYPES}
    made["event"] = _any_event()
    made["definition"] = _document("definition", DefinitionWire)
    made["snapshot"] = _document("snapshot", Snapshot)
    return made


def components(types: Sequence[type[msgspec.Struct]], ref_template: str) -> dict[str, Schema]:
    """Schemas of these types and of what they refer to, by name, for documents that hold several."""
    _, parts = msgspec.json.schema_components(types, ref_template=ref_template)
    return {name: _tidy(parts[name]) for name in sorted(parts)}


def file_name(name: str) -> str:
    """Name of the document's file below schemas/v1."""
    return f"{name}.schema.json"


def render(schema: Schema) -> bytes:
    """The document as it is committed: keys in the order of the structs, two spaces, a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _tag(event: type[msgspec.Struct]) -> str:
    return str(event.__struct_config__.tag)


def _document(name: str, wire: type[msgspec.Struct]) -> Schema:
    """One type as a document: the type itself at the root, what it refers to in ``$defs``."""
    (root,), parts = msgspec.json.schema_components([wire], ref_template=_REF)
    own = root["$ref"].rpartition("/")[2]
    return _headed(name, own, parts.pop(own), parts)


def _any_event() -> Schema:
    roots, parts = msgspec.json.schema_components(EVENT_TYPES, ref_template=_REF)
    body = {"description": "Any event that may stand in the log; `type` says which.", "oneOf": list(roots)}
    return _headed("event", "Event", body, parts)


def _headed(name: str, title: str, body: Schema, parts: Mapping[str, Any]) -> Schema:
    rest = {key: value for key, value in body.items() if key not in {"title", "description"}}
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:tallyroom:schema:{VERSION}:{name}",
        "title": title,
        "description": body["description"],
        **rest,
    }
    if parts:
        schema["$defs"] = {part: parts[part] for part in sorted(parts)}
    tidied: Schema = _tidy(schema)
    return tidied


def _tidy(node: Any) -> Any:
    """The schema with docstrings as plain Markdown and times that need a zone."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {key: _tidy(value) for key, value in node.items()}
    if isinstance(description := node.get("description"), str):
        tidied["description"] = _markdown(description)
    if node.get("format") == "date-time":
        tidied["pattern"] = _ZONED
    return tidied


def _markdown(docstring: str) -> str:
    """A docstring as text: lines joined within paragraphs, ``code`` in single backticks."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", docstring))
    return "\n\n".join(paragraphs).replace("``", "`")
