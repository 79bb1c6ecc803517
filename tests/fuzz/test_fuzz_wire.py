"""Whatever the bytes, a parser gives a value or its one declared error. The longer run is `make fuzz`."""

import gzip
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import RuleError
from tallyroom.codec.apportion import decode_problem, outcome_document
from tallyroom.codec.definition import decode_definition, definition_hash, encode_definition
from tallyroom.codec.events import Undecodable, decode_event, encode_event, partition_key
from tallyroom.codec.operators import OPERATOR_HEADER, endorse, signed_by
from tallyroom.codec.signatures import SIGNATURE_HEADER, parse
from tallyroom.domain.desk import Operator
from tallyroom.domain.errors import DefinitionError, RecordingError, TallyroomError
from tallyroom.domain.partition import partition_of
from tallyroom.log.base import LogRecord
from tallyroom.producer.keyfile import KeyFileError, load
from tallyroom.producer.publish import read_line
from tallyroom.recordings.format import DEFINITION, EVENTS, MANIFEST, Recording, write_recording
from tallyroom.store.base import Claim
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Owned
from tallyroom.tabulator.quarantine import quarantine_entry
from tests.support.mangled import mangled, torn
from tests.support.mini import ABOUT, MINI, report, timed
from tests.support.signing import HALL, headers, signed_plan

EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "v1" / "examples"
VALID: Final = [json.loads(path.read_bytes()) for path in sorted((EXAMPLES / "valid").glob("*.json"))]
ELECTION: Final = json.loads((EXAMPLES / "definition.json").read_bytes())
SMALL: Final = json.loads(encode_definition(MINI))
PROBLEMS: Final[list[Any]] = [
    {"method": "hare", "seats": 5, "threshold": {"share": "1/20", "base": 1000}, "votes": {"A": 600, "B": 300, "C": 100}},
    {"method": "dhondt", "seats": 3, "votes": {"A": 5, "B": 5}, "caps": {"A": 1}},
    {"method": "modified-sainte-lague", "first_divisor": "7/5", "seats": 4, "votes": {"A": 9, "B": 1}},
    {"method": "majority", "seats": 1, "votes": {"A": 5, "B": 4}, "runoff": {"places": 2, "share": "1/2"}},
    {"method": "referendum", "seats": 1, "votes": {"yes": 5, "no": 4}, "registered": 20, "conditions": [{"share": 0.25,
    "of": "yes"}]},
]  # fmt: skip


@given(mangled(VALID))
@example(b"")
def test_events(data: bytes) -> None:
    try:
        event = decode_event(data)
    except Undecodable:
        return
    assert decode_event(encode_event(event)) == event
    assert 0 <= partition_of(partition_key(event), 8) < 8


@given(st.lists(mangled([*VALID, json.loads(encode_event(report()))]), min_size=1, max_size=4))
def test_a_tabulator_has_a_verdict_for_every_record(values: list[bytes]) -> None:
    owned = Owned(Claim(0, 1, 0, {}), Plan(MINI, definition_hash(MINI)), 1)
    records = [LogRecord(0, at, 0, b"mayor|a", value) for at, value in enumerate(values)]
    prepared = list(owned.prepare(records))
    assert owned.next == len(records)
    for step in prepared:
        for item in step.refused:
            assert quarantine_entry(item.record, item.refused, "t").headers


@given(mangled([ELECTION, SMALL]))
def test_definitions(data: bytes) -> None:
    try:
        definition = decode_definition(data, "it")
    except DefinitionError:
        return
    assert decode_definition(encode_definition(definition), "again") == definition
    Plan(definition, "")


@given(mangled(PROBLEMS))
@example(b'{"method": "hare", "seats": 5, "first_divisor": "\x80", "votes": {"A": 1}}')
def test_apportionment_problems(data: bytes) -> None:
    try:
        outcome_document(apportion(decode_problem(data, "it")))
    except RuleError:
        return


@given(st.binary(max_size=200) | st.sampled_from([HALL.sign(b"x"), *HALL.sign_batch([b"x", b"y", b"z"])]).flatmap(torn))
def test_signature_headers(header: bytes) -> None:
    parse(header)
    owned = Owned(Claim(0, 1, 0, {}), signed_plan(), 1)
    (step,) = owned.prepare([LogRecord(0, 0, 0, b"mayor|a", encode_event(report()), headers(header))])
    assert [str(item.refused.refusal) for item in step.refused] in (["bad_signature"], ["unknown_key"])


@given(
    st.lists(
        st.binary(max_size=200) | st.sampled_from([HALL.sign(b"x"), endorse(HALL, b"x")[1]]).flatmap(torn), max_size=4
    )
)
def test_headers_of_operators(texts: list[bytes]) -> None:
    operators = {HALL.id: Operator(id=HALL.id, key=HALL.public)}
    assert not any(signed_by(operators, b"y", [(OPERATOR_HEADER, text) for text in texts]))


@given(mangled([{"signature": "a:b", "event": VALID[0]}, *VALID[:3]]))
def test_lines_to_publish(data: bytes) -> None:
    try:
        line = read_line(data)
    except Undecodable:
        return
    assert line.value in data


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "night"
    write_recording(folder, MINI, timed([encode_event(report())]), ABOUT)
    return folder


def read(folder: Path) -> None:
    """Everything of a recording; nothing but the project's own errors may come of it."""
    try:
        recording = Recording(folder)
        recording.verify()
        recording.definition()
        list(recording.events())
    except (RecordingError, DefinitionError):
        return


MANIFESTS: Final[list[Any]] = [
    {"format": "tallyroom.recording/v1", "name": "a", "title": "b", "date": "2024-05-05", "real": False,
    "environment": "test", "election": "mini",
     "licence": "CC0", "events": 1, "files": {DEFINITION: "0" * 64, EVENTS: "0" * 64}, "source": {"a": {"b": [1]}},
     "golden": {"mayor": {"counts": {"x": 1}, "ballots": {}, "units_reported": 1, "units_expected": 1}}},
]  # fmt: skip
LINES: Final[list[Any]] = [
    {"at": "2024-05-05T18:10:00Z", "event": VALID[0], "headers": [["tallyroom-signature", "a:b"]]},
    {"at": "2024-05-05T18:11:00Z", "raw": "bm90IGpzb24=", "key": "azE=", "partition": 3},
]


@given(mangled(MANIFESTS))
def test_manifests_of_recordings(night: Path, data: bytes) -> None:
    copy = night.parent / "manifest"
    copy.mkdir(exist_ok=True)
    for name in (DEFINITION, EVENTS):
        (copy / name).write_bytes((night / name).read_bytes())
    (copy / MANIFEST).write_bytes(data)
    read(copy)


@given(st.lists(mangled(LINES), max_size=3).map(b"\n".join))
def test_lines_of_recordings(night: Path, data: bytes) -> None:
    replaced(night, EVENTS, gzip.compress(data, 1))


@given(st.sampled_from([DEFINITION, EVENTS]), st.data())
def test_files_of_recordings(night: Path, name: str, data: st.DataObject) -> None:
    replaced(night, name, data.draw(torn((night / name).read_bytes())))


def replaced(night: Path, name: str, content: bytes) -> None:
    """Read a copy of the recording with another file, its hash corrected."""
    copy = night.parent / "copy"
    copy.mkdir(exist_ok=True)
    manifest = json.loads((night / MANIFEST).read_bytes())
    for each in (DEFINITION, EVENTS):
        (copy / each).write_bytes(content if each == name else (night / each).read_bytes())
        manifest["files"][each] = hashlib.sha256((copy / each).read_bytes()).hexdigest()
    (copy / MANIFEST).write_text(json.dumps(manifest))
    read(copy)


@given(mangled([{"format": "tallyroom.key/v1", "id": "a", "private": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]))
def test_key_files(night: Path, data: bytes) -> None:
    path = night.parent / "x.key"
    path.write_bytes(data)
    path.chmod(0o600)
    try:
        assert load(path).sign(b"")
    except KeyFileError:
        return


@cache
def stored() -> dict[bytes, bytes]:
    """The fields of a partition in which something of each kind stands."""
    owned = Owned(Claim(0, 1, 0, {}), Plan(MINI, definition_hash(MINI)), 1)
    values = [encode_event(report(version=2)), encode_event(report(version=3, x=1)), b"{"]
    fields: dict[bytes, bytes] = {}
    for step in owned.prepare([LogRecord(0, at, 0, b"mayor|a", value) for at, value in enumerate(values)]):
        fields |= step.step.fields
    return fields


@given(st.data())
def test_fields_of_a_damaged_store(data: st.DataObject) -> None:
    fields = dict(stored())
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True)):
        if data.draw(st.booleans()):
            fields[name] = data.draw(st.one_of(torn(fields[name]), st.binary(max_size=40)))
        else:
            fields.pop(name, None)
    if data.draw(st.booleans()):
        fields[data.draw(st.binary(max_size=12))] = data.draw(st.binary(max_size=20))
    expect(lambda: Owned(Claim(0, 1, 3, fields), Plan(MINI, definition_hash(MINI)), 1))


def expect(call: Callable[[], object]) -> None:
    """The call ends, with a value or with an error of this project."""
    try:
        call()
    except TallyroomError:
        return


def test_the_header_that_is_fuzzed_is_the_one_that_is_read() -> None:
    assert headers(b"x")[1] == (SIGNATURE_HEADER, b"x")
