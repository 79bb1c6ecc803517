"""Signed events on their way: key files, the signed form of NDJSON, publish, the fold, recordings."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tallyroom.cli import app
from tallyroom.codec import packed
from tallyroom.codec.definition import definition_hash, encode_definition
from tallyroom.codec.events import Amendment, ReregisterUnit, RevokeKey, encode_event
from tallyroom.codec.signatures import SIGNATURE_HEADER, Key, judge_signature
from tallyroom.log.base import LogRecord
from tallyroom.log.memory import MemoryLog
from tallyroom.producer.keyfile import KeyFileError, generate, load
from tallyroom.producer.pace import FullSpeed
from tallyroom.producer.publish import Line, publish, read_line, sign_lines, write_line
from tallyroom.producer.replay import replay
from tallyroom.recordings.format import TimedEvent, open_recording, write_recording
from tallyroom.recordings.record import record
from tallyroom.store.base import Claim
from tallyroom.tabulator.owned import Owned
from tests.support.mini import ABOUT, NOON, report
from tests.support.signing import DESK, HALL, STRANGER, headers, signed, signed_definition, signed_plan

TOPIC = "tallyroom.mini.test.events"


def record_of(offset: int, value: bytes, given: tuple[tuple[str, bytes], ...]) -> LogRecord:
    return LogRecord(0, offset, 1_000 + offset, b"mayor|a", value, given)


def folded(records: list[LogRecord]) -> tuple[Owned, list[str]]:
    """The partition after these records, and the codes of what was refused."""
    owned = Owned(Claim(0, 1, 0, {}), signed_plan(), 1)
    prepared = list(owned.prepare(records))
    return owned, [str(item.refused.refusal) for step in prepared for item in step.refused]


def test_the_fold_counts_what_is_proven_and_refuses_the_rest() -> None:
    good, forged = report(), report(version=2, x=99)
    value, proof = signed(good)
    owned, refused = folded(
        [
            record_of(0, value, proof),
            record_of(1, encode_event(forged), proof),
            record_of(2, encode_event(forged), ()),
            record_of(3, *signed(forged, STRANGER)),
            record_of(4, b"{", proof),
        ]
    )
    assert refused == ["bad_signature", "unsigned", "bad_signature", "not_json"]
    assert owned.fold.tallies.accepted == 1
    plan = owned.fold.plan.contests["mayor"]
    assert owned.fold.cells()["mayor", "town"][plan.column("x")] == good.counts["x"]


def amendment(chain: str, *changes: object) -> Amendment:
    return Amendment(
        id=f"m{len(chain)}{changes!r}"[:60], election="mini", environment="test", source="desk", reported_at=NOON,
        previous=chain, changes=changes,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_key_counts_until_the_amendment_that_revokes_it_and_not_behind_it() -> None:
    revoke = amendment(
        definition_hash(signed_definition()),
        RevokeKey(source="hall", key="hall-1", revoked_at=NOON + timedelta(hours=1)),
    )
    records = [
        record_of(0, *signed(report())),
        record_of(1, *signed(revoke, DESK)),
        record_of(2, *signed(report(version=2, x=9))),
    ]
    owned, refused = folded(records)
    assert refused == ["revoked_key"]
    assert (owned.fold.tallies.accepted, owned.fold.tallies.amendments) == (1, 1)
    assert owned.fold.plan.keys["hall"]["hall-1"].revoked_at == NOON + timedelta(hours=1)


def test_an_unsigned_amendment_changes_nothing() -> None:
    change = amendment(definition_hash(signed_definition()), ReregisterUnit(unit="a", registered=7))
    owned, refused = folded(
        [record_of(0, encode_event(change), ()), record_of(1, *signed(change, HALL)), record_of(2, *signed(report()))]
    )
    assert refused == ["unsigned", "unknown_key"]
    assert owned.fold.plan.units["a"].registered == 50


def test_the_fields_are_the_same_in_one_batch_or_many() -> None:
    records = [record_of(0, *signed(report())), record_of(1, encode_event(report(version=2)), ())]
    together, _ = folded(records)
    apart = Owned(Claim(0, 1, 0, {}), signed_plan(), 1)
    for item in records:
        list(apart.prepare([item]))
    assert packed.pack_tallies(apart.fold.tallies) == packed.pack_tallies(together.fold.tallies)


# -- files


def test_a_key_file_is_for_its_owner_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hall.key"
    before = os.umask(0)
    try:
        made = generate(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (load(path).id, load(path).public) == (made.id, made.public)
    content = path.read_bytes()
    with pytest.raises(KeyFileError, match="File exists"):
        generate(path)
    assert path.read_bytes() == content
    assert made.sign(b"x") == load(path).sign(b"x")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff", b'{"format":"x","id":"a","private":"AAAA"}', b"[" * 5000,
     b'{"format":"tallyroom.key/v1","id":"a:b","private":"' + b"A" * 43 + b'="}'],
)  # fmt: skip
def test_what_is_no_key_file_is_refused_without_a_word_of_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path} holds no key of the form tallyroom.key/v1.")


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    generate(path, "hall-1")
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="mode 640"):
        load(path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        load(tmp_path / "none")
    with pytest.raises(KeyFileError, match="no id of a key"):
        generate(tmp_path / "y", "a:b")


# -- lines


def test_the_signed_form_comes_back_byte_for_byte() -> None:
    value = encode_event(report()).replace(b'"id":', b'"id":   ')
    (line,) = sign_lines([Line(report(), value)], HALL)
    again = read_line(write_line(line))
    assert (again.value, again.signature) == (value, line.signature)
    assert read_line(value) == Line(report(), value)


@pytest.mark.parametrize("together", [1, 2, 3, 64])
def test_lines_are_signed_together_and_those_that_are_signed_stay(together: int) -> None:
    lines = [Line(event, encode_event(event)) for event in (report(version=number) for number in range(1, 8))]
    lines[2] = lines[2]._replace(signature=b"as it was")
    made = sign_lines(lines, HALL, together)
    assert made[2].signature == b"as it was"
    for line in (*made[:2], *made[3:]):
        assert line.signature is not None
        assert judge_signature(signed_plan(), line.event, line.value, headers(line.signature)) is None


async def test_publish_signs_and_a_recording_keeps_it(tmp_path: Path) -> None:
    log = MemoryLog()
    await log.create(TOPIC, 2)
    values = [encode_event(report(unit, version)) for unit in ("a", "b") for version in (1, 2)]
    (ready,) = sign_lines([Line(report("a", 3), encode_event(report("a", 3)))], HALL)
    given = [*values, write_line(ready), b'{"signature":"\xc3\xbc","event":{}}']
    done = await publish(log, TOPIC, given, NOON, skip_bad=True, key=HALL)
    assert (done.sent, [bad.reason for bad in done.bad]) == (5, ["bad_signature"])
    manifest = await record(log, TOPIC, signed_definition(), tmp_path / "r", ABOUT)
    assert manifest.golden["mayor"].units_reported == 2
    recording = open_recording(str(tmp_path / "r"))
    again = MemoryLog()
    await again.create(TOPIC, 2)
    await replay(again, TOPIC, recording.events(), FullSpeed())
    for partition in range(2):
        first, second = [await each.read(TOPIC, partition, 0, 100) for each in (log, again)]
        assert [(item.key, item.value, dict(item.headers)[SIGNATURE_HEADER]) for item in first] == [
            (item.key, item.value, dict(item.headers)[SIGNATURE_HEADER]) for item in second
        ]


def test_a_recorded_header_of_any_bytes_comes_back(tmp_path: Path) -> None:
    given = (("x", bytes(range(256))), ("x", b""), (SIGNATURE_HEADER, HALL.sign(b"1")))
    events = [TimedEvent(NOON, encode_event(report()), headers=given), TimedEvent(NOON, b"\xff", headers=given)]
    manifest = write_recording(tmp_path, signed_definition(), events, ABOUT)
    assert manifest.golden["mayor"].units_reported == 0
    assert [timed.headers for timed in open_recording(str(tmp_path)).events()] == [given, given]


# -- commands


def test_keys_and_sign_as_people_use_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = CliRunner().invoke
    key, plain, out = tmp_path / "hall.key", tmp_path / "events.ndjson", tmp_path / "signed.ndjson"
    made = run(app, ["keys", "generate", str(key), "--id", "hall-1"], catch_exceptions=False)
    entry = json.loads(made.stdout)
    assert entry == json.loads(run(app, ["keys", "show", str(key)], catch_exceptions=False).stdout)
    assert json.loads(key.read_bytes())["private"] not in made.output
    plain.write_bytes(b"\n".join(encode_event(report(version=number)) for number in (1, 2)) + b"\n\n")
    assert run(app, ["sign", str(plain), "--key", str(key), "-o", str(out)], catch_exceptions=False).exit_code == 0
    definition = signed_definition(key=entry["key"])
    (tmp_path / "election.json").write_bytes(encode_definition(definition))
    events = [read_line(line) for line in out.read_bytes().splitlines()]
    assert [line.event for line in events] == [report(version=1), report(version=2)]
    recorded = [TimedEvent(NOON, line.value, headers=headers(line.signature or b"")) for line in events]
    write_recording(tmp_path / "night", definition, recorded, ABOUT)
    told = json.loads(run(app, ["tabulate", str(tmp_path / "night")], catch_exceptions=False).stdout)
    assert (told["events"]["accepted"], told["quarantined"]) == (2, {})
    plain.write_bytes(b"{}\n")
    assert run(app, ["sign", str(plain), "--key", str(key)]).exit_code == 1
    monkeypatch.setenv("TALLYROOM_KEY_FILE", str(tmp_path / "none"))
    refused = run(app, ["publish", str(out), "--election", str(tmp_path / "election.json")])
    assert isinstance(refused.exception, KeyFileError)


def test_the_example_in_the_documents_is_what_comes_out() -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
    assert Key("test", bytes(range(32))).sign(b"{}").decode() in page
