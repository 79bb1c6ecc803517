"""schemas/asyncapi.yaml says what the code does: topics, event types, headers, refusal codes; every reference leads somewhere."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tallyroom.codec.events import EVENT_TYPES, AnyEvent, decode_event, everywhere, partition_key
from tallyroom.codec.operators import OPERATOR_HEADER, endorse
from tallyroom.codec.signatures import SIGNATURE_HEADER
from tallyroom.domain.election import Environment
from tallyroom.domain.events import Refusal
from tallyroom.log.base import LogRecord
from tallyroom.log.topics import events_topic, quarantine_topic
from tallyroom.producer.entries import entries_of
from tallyroom.tabulation.supersede import Refused
from tallyroom.tabulator.quarantine import quarantine_entry
from tests.support.references import references
from tests.support.signing import HALL

SCHEMAS = Path(__file__).parents[2] / "schemas"
DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8"))
TYPES = [str(event.__struct_config__.tag) for event in EVENT_TYPES]
AT = datetime(2026, 3, 15, 16, 10, tzinfo=UTC)


def example(tag: str) -> tuple[AnyEvent, bytes]:
    """The plain example of an event type that lies beside the schemas."""
    paths = sorted((SCHEMAS / "v1" / "examples" / "valid").glob(f"{tag}*.json"))
    data = paths[0].read_bytes()
    return decode_event(data), data


def resolved(reference: str) -> Any:
    """What a reference leads to: a place in the document, or a schema's file."""
    file, _, place = reference.partition("#")
    node: Any = DOCUMENT if not file else json.loads((SCHEMAS / file).read_bytes())
    for step in place.strip("/").split("/") if place else []:
        node = node[step]
    return node


def headers_schema(name: str) -> dict[str, Any]:
    """The schema of a message's headers."""
    schema: dict[str, Any] = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    return schema


def test_every_reference_resolves() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 20
    assert all(resolved(reference) for reference in found)


def test_it_is_an_asyncapi_3_document_with_its_parts() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"].keys() >= {"title", "version", "description", "license"}
    for server in DOCUMENT["servers"].values():
        assert server.keys() >= {"host", "protocol"}
    assert {operation["action"] for operation in DOCUMENT["operations"].values()} == {"send", "receive"}


def test_topics_are_the_channels() -> None:
    channels = DOCUMENT["channels"]
    assert channels["events"]["address"] == events_topic("{election}", "{environment}")
    assert channels["quarantine"]["address"] == quarantine_topic("{election}", "{environment}")
    for channel in channels.values():
        assert set(channel["parameters"]) == {"election", "environment"}
    assert DOCUMENT["components"]["parameters"]["environment"]["enum"] == [str(item) for item in Environment]


def test_every_event_type_is_a_message_of_the_events_channel() -> None:
    assert list(DOCUMENT["channels"]["events"]["messages"]) == TYPES
    for tag in TYPES:
        message = DOCUMENT["components"]["messages"][tag]
        assert message["name"] == f"org.tallyroom.{tag}.v1"
        assert resolved(message["payload"]["$ref"])["$id"] == f"urn:tallyroom:schema:v1:{tag}"
        assert message["bindings"]["kafka"]["key"]["description"]


def test_producers_write_the_headers_that_are_described() -> None:
    schema = headers_schema("cloudEventHeaders")
    for tag in TYPES:
        event, data = example(tag)
        entries = entries_of(event, data, AT, partitions=3)
        assert len(entries) == (3 if everywhere(event) else 1)
        for entry in entries:
            headers = {name: value.decode() for name, value in entry.headers}
            assert (
                set(headers)
                == set(schema["properties"]) - {SIGNATURE_HEADER, OPERATOR_HEADER}
                == set(schema["required"])
            )
            Draft202012Validator(schema).validate(headers)
            assert entry.key == partition_key(event)
            signed = {**headers, SIGNATURE_HEADER: HALL.sign_batch([data, b""])[0].decode()}
            Draft202012Validator(schema).validate(signed)
            assert not Draft202012Validator(schema).is_valid({**signed, SIGNATURE_HEADER: "x"})
            decided = {**headers, OPERATOR_HEADER: endorse(HALL, data)[1].decode()}
            Draft202012Validator(schema).validate(decided)
            assert not Draft202012Validator(schema).is_valid({**decided, OPERATOR_HEADER: "x"})
    names = schema["properties"]["ce_type"]["enum"]
    assert names == [f"org.tallyroom.{tag}.v1" for tag in TYPES]


def test_the_quarantine_has_the_headers_and_codes_that_are_described() -> None:
    schema = headers_schema("quarantineHeaders")
    assert schema["properties"]["tallyroom_reason"]["enum"] == [str(refusal) for refusal in Refusal]
    record = LogRecord(3, 77, 1_773_593_400_000, b"council|N-001", b"{", [("ce_id", b"x")])
    entry = quarantine_entry(record, Refused(Refusal.NOT_JSON, "cut short"), events_topic("kz-2023", "test"))
    headers = {name: value.decode() for name, value in entry.headers}
    assert set(headers) == {*schema["required"], "ce_id"} == {*schema["properties"], "ce_id"} - {"tallyroom_cut"}
    Draft202012Validator(schema).validate(headers)
    assert (entry.key, entry.value, entry.partition) == (b"council|N-001", b"{", 3)
