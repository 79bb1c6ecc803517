"""Files that operators write, carry and keep: changes, decisions, API keys, a revision. A value, or the one declared error."""

import json
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import example, given

from tallyroom.codec.apikeys import decode_keys
from tallyroom.codec.events import encode_event
from tallyroom.codec.operators import endorse
from tallyroom.codec.signatures import Key
from tallyroom.desk import countersign, decide
from tallyroom.desk.acts import DeskError, Draft
from tallyroom.domain.errors import SettingError, StoreError
from tallyroom.publisher.keep import Keeper, Kept
from tests.support.mangled import mangled, torn
from tests.support.mini import report

EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "v1" / "examples" / "valid"
CHANGES: Final = json.loads((EXAMPLES / "amendment.json").read_bytes())["changes"]
DECISION: Final = encode_event(report(released="0:7", operators=("anna", "boris")))
HEADER: Final = endorse(Key("anna", bytes(32)), DECISION)
KEYS: Final = {
    "schema": "tallyroom.apikeys/v1",
    "keys": [{"id": "a", "name": "b", "sha256": "0" * 64, "scopes": ["ops"]}],
}
KEPT: Final = msgspec.msgpack.encode(Kept(7, b"{}", {"definition": b"{}"}))
LATIN: Final = "Zählung".encode("latin-1")
"""Text from a program that knows no UTF-8."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(mangled([CHANGES]))
@example(b'[{"change": "' + LATIN + b'"}]')
def test_lists_of_changes(data: bytes) -> None:
    try:
        assert isinstance(decide.changes_of(data), tuple)
    except DeskError:
        return


@given(
    mangled(
        [{"format": countersign.FORMAT, "acts": [{"value": DECISION.decode(), "signatures": [HEADER[1].decode()]}]}]
    )
)
@example(b'{"format": "' + LATIN + b'", "acts": []}')
def test_files_of_decisions(folder: Path, data: bytes) -> None:
    path = folder / "act.json"
    path.write_bytes(data)
    try:
        acts = countersign.load(path)
    except DeskError:
        return
    assert all(event.operators for event, _ in acts)


def test_the_file_of_decisions_that_is_fuzzed_is_one(folder: Path) -> None:
    path = folder / "right.json"
    countersign.save(path, [Draft(DECISION, (HEADER,))])
    ((event, draft),) = countersign.load(path)
    assert (encode_event(event), draft) == (DECISION, Draft(DECISION, (HEADER,)))


@given(mangled([KEYS]))
@example(b'{"schema": "' + LATIN + b'"}')
def test_files_of_api_keys(data: bytes) -> None:
    try:
        decode_keys(data, "it")
    except SettingError:
        return


@given(torn(KEPT))
@example(KEPT.replace(b"definition", b"d\x80finition"))
def test_the_revision_that_is_kept(folder: Path, data: bytes) -> None:
    (folder / "revision.msgpack").write_bytes(data)
    try:
        Keeper(folder).load()
    except StoreError:
        return
