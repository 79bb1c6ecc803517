"""The codec: what is written is read back, nothing unknown passes, nothing but Undecodable escapes, definitions hash stably."""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec.definition import decode_definition, definition_hash, encode_definition
from tallyroom.codec.events import (
    MAX_DEPTH,
    Evidence,
    PartsIn,
    Previous,
    Report,
    Undecodable,
    decode_event,
    encode_event,
    explain,
    partition_key,
)
from tallyroom.domain.events import Refusal
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import open_recording

EXAMPLES = Path(__file__).parents[2] / "schemas" / "v1" / "examples"
VALID = [json.loads(path.read_bytes()) for path in sorted((EXAMPLES / "valid").glob("*.json"))]
DEFINITION = json.loads((EXAMPLES / "definition.json").read_bytes())

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
identifiers = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
counts = st.one_of(st.just(0), st.integers(0, 10**12), st.just(10**12))
figures = st.dictionaries(identifiers, counts, max_size=6)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001 - bounds are naive
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)
reports = st.builds(
    Report,
    id=identifiers,
    election=identifiers,
    environment=st.sampled_from(["live", "test", "simulation"]),
    source=identifiers,
    reported_at=times,
    evidence=st.lists(st.builds(Evidence, sha256=hashes, url=text), max_size=2).map(tuple),
    ext=st.dictionaries(text, json_values, max_size=3),
    contest=identifiers,
    unit=identifiers,
    version=st.integers(1, 2**53 - 1),
    counts=figures,
    ballots=figures,
    kind=st.sampled_from(["counted", "recount", "repeat", "correction", "retraction"]),
    disposition=st.sampled_from(["counted", "held", "annulled", "not_opened", "cancelled"]),
    registered=st.none() | counts,
    parts=st.none() | st.builds(PartsIn, reported=counts, expected=st.integers(1, 2**31)),
    count_group=st.none() | identifiers,
    round=st.none() | st.integers(1, 99),
    reason=st.none() | text,
    previous=st.none() | st.builds(Previous, counts=figures, ballots=figures),
    definition=st.none() | hashes,
    released=st.none() | st.builds("{}:{}".format, st.integers(0, 10**9 - 1), st.integers(0, 10**18 - 1)),
    operators=st.lists(text, max_size=2).map(tuple),
)


def refused(data: bytes) -> Undecodable | None:
    """Why the bytes are no event, or None. Any other exception is a fault of the codec."""
    try:
        decode_event(data)
    except Undecodable as error:
        return error
    return None


@given(reports)
def test_a_report_comes_back_as_it_was_and_is_written_the_same_again(report: Report) -> None:
    data = encode_event(report)
    again = decode_event(data)
    assert again == report
    assert encode_event(again) == data
    assert partition_key(again) == f"{report.contest}|{report.unit}".encode()


@given(reports)
def test_defaults_are_not_written(report: Report) -> None:
    written = json.loads(encode_event(report))
    for name, default in (
        ("kind", "counted"),
        ("disposition", "counted"),
        ("ballots", {}),
        ("ext", {}),
        ("round", None),
    ):
        assert (name in written) is (getattr(report, name) != default)


@given(st.binary(max_size=200))
def test_random_bytes_are_named_never_raised(data: bytes) -> None:
    error = refused(data)
    assert error is not None
    assert error.refusal in {Refusal.NOT_JSON, Refusal.SCHEMA}
    assert str(error)


@given(json_values)
def test_any_other_json_is_a_fault_of_the_schema(value: object) -> None:
    error = refused(json.dumps(value).encode())
    assert error is not None
    assert error.refusal is Refusal.SCHEMA


@given(st.sampled_from(VALID), st.data())
def test_a_damaged_event_is_an_event_or_undecodable(event: dict[str, Any], data: st.DataObject) -> None:
    encoded = bytearray(json.dumps(event, ensure_ascii=False).encode())
    for at in data.draw(st.lists(st.integers(0, len(encoded) - 1), min_size=1, max_size=3)):
        encoded[at] = data.draw(st.integers(0, 255))
    refused(bytes(encoded[: data.draw(st.integers(1, len(encoded)))]))


@given(st.sampled_from(VALID), st.data())
def test_an_event_cut_short_is_no_json(event: dict[str, Any], data: st.DataObject) -> None:
    encoded = json.dumps(event).encode()
    error = refused(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    assert error is not None
    assert error.refusal in {Refusal.NOT_JSON, Refusal.SCHEMA}


@given(st.sampled_from(VALID), identifiers, json_values)
def test_unknown_fields_are_always_refused(event: dict[str, Any], name: str, value: object) -> None:
    known = type(decode_event(json.dumps(event).encode())).__struct_fields__
    if name in known or name == "type":
        return
    error = refused(json.dumps({**event, name: value}).encode())
    assert error is not None
    assert error.refusal is Refusal.SCHEMA
    assert refused(json.dumps({**event, "ext": {name: value}}).encode()) is None


@given(st.sampled_from(VALID), st.data())
def test_every_required_field_is_required(event: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["type", "id", "election", "environment", "source", "reported_at"]))
    error = refused(json.dumps({key: value for key, value in event.items() if key != name}).encode())
    assert error is not None
    assert error.refusal is Refusal.SCHEMA
    assert name in str(error)


@pytest.mark.parametrize("depth", [5_000, 400_000])
def test_nesting_without_end_is_undecodable(depth: int) -> None:
    start = json.dumps({**VALID[0], "ext": {}})[:-2].encode()
    error = refused(start + b'"x":' + b"[" * depth + b"]" * depth + b"}}")
    assert error is not None
    assert error.refusal is Refusal.SCHEMA  # the decoder's own stack must not decide between two codes


def nested(levels: int) -> bytes:
    """A valid event whose ``ext`` is so many levels deep, itself included."""
    start = json.dumps({**VALID[0], "ext": {}})[:-3].encode()
    return start + b'{"x":' * levels + b"0" + b"}" * levels + b"}"


def at_depth(frames: int, data: bytes) -> Refusal | None:
    """The verdict on the bytes when so many calls are below it on the stack."""
    if frames:
        return at_depth(frames - 1, data)
    error = refused(data)
    return None if error is None else error.refusal


@pytest.mark.parametrize("frames", [0, 300, sys.getrecursionlimit() - 250])
def test_a_deep_ext_has_one_verdict_from_any_depth_of_the_stack(frames: int) -> None:
    verdicts = [at_depth(frames, nested(levels)) for levels in (1, MAX_DEPTH, MAX_DEPTH + 1, 900, 100_000)]
    assert verdicts == [None, None, Refusal.SCHEMA, Refusal.SCHEMA, Refusal.SCHEMA]


def test_explain_tells_a_bad_schema_from_no_json() -> None:
    assert explain(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")).refusal is Refusal.NOT_JSON
    assert refused(b'{"type":"report","id":"\xff"}').refusal is Refusal.NOT_JSON  # type: ignore[union-attr]


def shuffled(node: Any, random: Any) -> Any:
    """The same JSON value with the members of every object in another order."""
    if isinstance(node, list):
        return [shuffled(item, random) for item in node]
    if not isinstance(node, dict):
        return node
    keys = list(node)
    random.shuffle(keys)
    return {key: shuffled(node[key], random) for key in keys}


@given(st.randoms(use_true_random=False), st.sampled_from([None, 1, 4]))
def test_a_definition_is_canonical_whatever_the_order_and_layout_of_its_text(random: Any, indent: int | None) -> None:
    reference = decode_definition(json.dumps(DEFINITION).encode(), "the example")
    other = decode_definition(json.dumps(shuffled(DEFINITION, random), indent=indent).encode(), "shuffled")
    assert other == reference
    assert encode_definition(other) == encode_definition(reference)
    assert definition_hash(other) == definition_hash(reference)


def test_a_definition_written_is_read_back_the_same_and_defaults_do_not_count() -> None:
    reference = decode_definition(json.dumps(DEFINITION).encode(), "the example")
    written = encode_definition(reference)
    assert decode_definition(written, "written") == reference
    assert encode_definition(decode_definition(written, "written")) == written
    assert b'"revoked_at"' not in written
    assert definition_hash(reference) == "3747b18d89eac132e908404d0ac13e60d555d82d88ae3256620f8cf9a56fceca"


@pytest.mark.parametrize("night", sorted(builtin_nights()))
def test_the_definitions_of_built_in_nights_are_canonical(night: str) -> None:
    definition = open_recording(night).definition()
    assert decode_definition(encode_definition(definition), night) == definition
