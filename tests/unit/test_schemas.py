"""schemas/v1: the committed documents are those the structs make, and schemas, codec and tabulation agree on every example."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from tallyroom.codec.definition import chain_hash, decode_definition, definition_hash, encode_definition
from tallyroom.codec.events import (
    EVENT_TYPES,
    MAX_EVENT_BYTES,
    Amendment,
    AnyEvent,
    Report,
    Undecodable,
    decode_event,
    encode_event,
    partition_key,
)
from tallyroom.codec.schemas import DIALECT, documents, file_name, render
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import DefinitionError
from tallyroom.domain.events import Disposition, Kind, Refusal
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import open_recording
from tallyroom.tabulation.asides import judge_aside
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused, Verdict

V1 = Path(__file__).parents[2] / "schemas" / "v1"
VALID = sorted((V1 / "examples" / "valid").glob("*.json"))
INVALID = sorted(path for path in (V1 / "examples" / "invalid").glob("*.json") if path.name != "expected.json")
EXPECTED: Mapping[str, Mapping[str, Any]] = json.loads((V1 / "examples" / "invalid" / "expected.json").read_bytes())
DEFINITION = V1 / "examples" / "definition.json"
TAGS = {str(event.__struct_config__.tag): event for event in EVENT_TYPES}


@cache
def validator(name: str) -> Draft202012Validator:
    """The committed schema; ``format`` is left an annotation, as most validators do by default."""
    return Draft202012Validator(json.loads((V1 / file_name(name)).read_bytes()))


def definition() -> Definition:
    """The election of the examples."""
    return decode_definition(DEFINITION.read_bytes(), str(DEFINITION))


def fold(partition: int = 0, partitions: int = 1) -> PartitionFold:
    """A partition of the examples' election before its first event."""
    start = definition()
    return PartitionFold(Plan(start, definition_hash(start)), partition, partitions)


def judged(into: PartitionFold, data: bytes) -> Verdict | Refusal | None:
    """What becomes of an event, as a tabulator decides it; None: an aside that stands, an amendment that is made."""
    try:
        event = decode_event(data)
    except Undecodable as error:
        return error.refusal
    verdict = verdict_of(into, event, data)
    return verdict.refusal if isinstance(verdict, Refused) else verdict


def verdict_of(into: PartitionFold, event: AnyEvent, data: bytes) -> Verdict | Refused | None:
    """The judgement of a decoded event."""
    if isinstance(event, Report):
        return into.report(event, partition_key(event), 0)
    refused = judge_aside(into.plan, event, str(event.__struct_config__.tag))
    if refused is None and isinstance(event, Amendment):
        return into.amend(event.to_domain(), chain_hash(into.plan.chain, data))
    if refused is None:
        into.aside(event, str(event.__struct_config__.tag))
    return refused


def keys_used(node: object) -> set[str]:
    """Every member name anywhere in a JSON value."""
    if isinstance(node, dict):
        return set(node).union(*(keys_used(value) for value in node.values()))
    return set().union(*(keys_used(item) for item in node)) if isinstance(node, list) else set()


def properties_of(schema: Mapping[str, Any]) -> set[str]:
    """Every property that a schema document names."""
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


def test_committed_schemas_are_what_the_structs_say() -> None:
    wanted = {file_name(name): render(schema) for name, schema in documents().items()}
    committed = {path.name: path.read_bytes() for path in V1.glob("*.schema.json")}
    assert committed == wanted, "run `.venv/bin/python schemas/generate.py` and commit the result"


@pytest.mark.parametrize("name", [*TAGS, "event", "definition"])
def test_a_schema_is_closed_named_and_sound(name: str) -> None:
    schema = json.loads((V1 / file_name(name)).read_bytes())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:tallyroom:schema:v1:{name}"
    assert schema["title"]
    assert schema["description"]
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            assert part["additionalProperties"] is False, part["title"]
            assert part["description"]
    assert "``" not in json.dumps(schema)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_examples_stand(path: Path) -> None:
    data = path.read_bytes()
    raw = json.loads(data)
    for name in (raw["type"], "event"):
        validator(name).validate(raw)
    event = decode_event(data)
    assert event.__struct_config__.tag == raw["type"]
    assert json.loads(encode_event(event)).items() <= raw.items()  # nothing but defaults is left out
    assert judged(fold(), data) is (Verdict.FIRST if raw["type"] == "report" else None)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_example_with_an_unknown_field_is_refused_by_schema_and_codec(path: Path) -> None:
    raw = {**json.loads(path.read_bytes()), "surprise": 1}
    assert not validator("event").is_valid(raw)
    with pytest.raises(Undecodable) as caught:
        decode_event(json.dumps(raw).encode())
    assert caught.value.refusal is Refusal.SCHEMA


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_examples_are_refused_for_the_reason_given(path: Path) -> None:
    expected = EXPECTED[path.name]
    into = fold(expected.get("partition", 0), expected.get("partitions", 1))
    for earlier in expected.get("after", []):
        assert not isinstance(judged(into, (V1 / "examples" / "valid" / earlier).read_bytes()), Refusal)
    data = path.read_bytes()
    assert judged(into, data) is Refusal(expected["code"])
    if expected["code"] == Refusal.NOT_JSON:
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(data)
    else:
        # Some of what is refused as `schema` no JSON Schema can see: depth, the year, one of two fields.
        seen = expected["code"] == Refusal.SCHEMA and not expected.get("beyond_schema")
        assert validator("event").is_valid(json.loads(data)) is not seen


BY_HEADER = (
    Refusal.UNSIGNED, Refusal.BAD_SIGNATURE, Refusal.UNKNOWN_KEY, Refusal.REVOKED_KEY, Refusal.EXPIRED_KEY,
)  # fmt: skip
"""Decided by a header that no example of a value can show: tests/unit/test_signatures.py."""


def test_every_refusal_has_an_example_with_a_reason() -> None:
    assert {path.name for path in INVALID} == set(EXPECTED)
    assert all(entry["why"] for entry in EXPECTED.values())
    shown = {entry["code"] for entry in EXPECTED.values()}
    assert shown | {str(Refusal.TOO_LARGE)} | {str(refusal) for refusal in BY_HEADER} == {
        str(refusal) for refusal in Refusal
    }


def test_an_event_that_is_too_large_is_refused_before_it_is_read() -> None:
    event = {**json.loads((V1 / "examples" / "valid" / "report.json").read_bytes()), "ext": {"padding": ""}}
    room = MAX_EVENT_BYTES - len(json.dumps(event))
    event["ext"]["padding"] = "x" * room
    assert judged(fold(), json.dumps(event).encode()) is Verdict.FIRST
    event["ext"]["padding"] += "x"
    assert judged(fold(), json.dumps(event).encode()) is Refusal.TOO_LARGE
    assert judged(fold(), b"{" * (MAX_EVENT_BYTES + 1)) is Refusal.TOO_LARGE


@pytest.mark.parametrize("tag", TAGS)
def test_the_examples_use_every_field(tag: str) -> None:
    examples = [raw for path in VALID if (raw := json.loads(path.read_bytes()))["type"] == tag]
    elsewhere = set() if tag == "report" else {"evidence", "sha256", "url", "ext"}  # any event may carry them
    if tag == "amendment":
        elsewhere |= properties_of(documents()["definition"])  # units and selections: in definition.json
    assert properties_of(documents()[tag]) - keys_used(examples) - elsewhere == set()


def test_the_examples_show_every_kind_and_disposition() -> None:
    reports = [raw for path in VALID if (raw := json.loads(path.read_bytes()))["type"] == "report"]
    assert {raw.get("kind", "counted") for raw in reports} == set(Kind)
    assert {raw.get("disposition", "counted") for raw in reports} == set(Disposition)


def test_the_example_definition_is_sound_and_uses_every_field() -> None:
    raw = json.loads(DEFINITION.read_bytes())
    validator("definition").validate(raw)
    assert properties_of(documents()["definition"]) - keys_used(raw) == set()


def test_a_field_from_nowhere_is_refused_in_a_definition() -> None:
    raw = json.loads(DEFINITION.read_bytes())
    raw["units"][0]["surprise"] = 1
    assert not validator("definition").is_valid(raw)
    with pytest.raises(DefinitionError, match="surprise"):
        decode_definition(json.dumps(raw).encode(), "the example")


@pytest.mark.parametrize("night", sorted(builtin_nights()))
def test_built_in_nights_fit_the_schemas(night: str) -> None:
    recording = open_recording(night)
    validator("definition").validate(json.loads(encode_definition(recording.definition())))
    seen: dict[str, int] = {}
    for timed in recording.events():
        raw = json.loads(timed.value)
        seen[raw["type"]] = seen.get(raw["type"], 0) + 1
        if seen[raw["type"]] <= 50:  # the schema is interpreted: a whole night would take minutes
            validator(raw["type"]).validate(raw)
    assert seen
