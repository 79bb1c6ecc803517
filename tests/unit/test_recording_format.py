"""Recordings on disk: they come back as they were written, and damage is named."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallyroom.codec.events import ReregisterUnit, encode_event, partition_key
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import (
    DEFINITION,
    EVENTS,
    MANIFEST,
    Recording,
    TimedEvent,
    open_recording,
    write_recording,
)
from tests.support.folding import folded
from tests.support.mini import ABOUT, MINI, NOON, chained, report, timed

DOCS = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"


def test_everything_comes_back_as_it_was_written(tmp_path: Path) -> None:
    plain, pretty = encode_event(report()), json.dumps(json.loads(encode_event(report("b"))), indent=2).encode()
    (amendment,) = chained([ReregisterUnit(unit="c", registered=9)])
    events = [
        TimedEvent(NOON, plain),
        TimedEvent(NOON, pretty),
        TimedEvent(NOON, b" " + plain, key=b"elsewhere"),
        TimedEvent(NOON, plain, partition=3),
        TimedEvent(NOON, amendment, every_partition=True),
        TimedEvent(NOON + timedelta(seconds=1), b"\xff\n{", key=b"", partition=0),
        TimedEvent(NOON + timedelta(seconds=1), b'{"type": "report"}'),
        TimedEvent(NOON + timedelta(seconds=2), b""),
    ]
    manifest = write_recording(tmp_path, MINI, events, ABOUT)
    recording = open_recording(str(tmp_path))
    recording.verify()
    assert list(recording.events()) == events
    assert recording.definition() == MINI
    assert recording.manifest == manifest
    assert (manifest.events, manifest.first, manifest.last) == (8, NOON, NOON + timedelta(seconds=2))
    assert (manifest.name, manifest.notes, manifest.attribution) == ("mini", ("Made up.",), "nobody")


def test_a_key_that_can_be_derived_is_not_written_down(tmp_path: Path) -> None:
    event = TimedEvent(NOON, encode_event(report()), key=partition_key(report()))
    write_recording(tmp_path, MINI, [event], ABOUT)
    assert list(Recording(tmp_path).events()) == [event._replace(key=None)]


def test_equal_input_gives_equal_bytes_and_times_are_utc(tmp_path: Path) -> None:
    east = datetime.fromisoformat("2024-05-05T17:00:00+05:00")
    for folder, at in (("one", NOON), ("two", east)):
        write_recording(tmp_path / folder, MINI, [TimedEvent(at, encode_event(report()))], ABOUT)
    for name in (MANIFEST, DEFINITION, EVENTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_no_event_at_all(tmp_path: Path) -> None:
    manifest = write_recording(tmp_path, MINI, [], ABOUT)
    assert (manifest.events, manifest.first, manifest.last) == (0, None, None)
    assert list(Recording(tmp_path).events()) == []
    assert manifest.golden["mayor"].units_expected == 3
    assert manifest.golden["mayor"].voters_registered == 90


def test_arrivals_may_not_go_back(tmp_path: Path) -> None:
    events = timed([encode_event(report()), encode_event(report("b"))])
    with pytest.raises(RecordingError, match="event 2 arrives before event 1"):
        write_recording(tmp_path, MINI, reversed(events), ABOUT)


def test_golden_may_be_given(tmp_path: Path) -> None:
    given_totals = write_recording(tmp_path / "one", MINI, timed([encode_event(report())]), ABOUT).golden
    assert write_recording(tmp_path / "two", MINI, [], ABOUT, given_totals).golden == given_totals


def _flip(folder: Path) -> None:
    (folder / EVENTS).write_bytes(gzip.compress(b"", mtime=0))


def _remove(folder: Path) -> None:
    (folder / DEFINITION).unlink()


@pytest.mark.parametrize(("damage", "says"), [(_flip, "events.ndjson.gz has SHA-256"), (_remove, "is missing")])
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    write_recording(tmp_path, MINI, timed([encode_event(report())]), ABOUT)
    damage(tmp_path)
    with pytest.raises(RecordingError, match=says):
        Recording(tmp_path).verify()


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b'{"at": "2024-05-05T12:00:00Z"}',
        b'{"at": "2024-05-05T12:00:00Z", "event": {}, "raw": ""}',
        b'{"at": "2024-05-05T12:00:00", "event": {}}',
        b'{"at": "2024-05-05T12:00:00Z", "raw": "*"}',
        b'{"at": "2024-05-05T12:00:00Z", "raw": "", "colour": "red"}',
    ],
)
def test_a_line_that_is_no_recorded_event_is_named(tmp_path: Path, line: bytes) -> None:
    write_recording(tmp_path, MINI, [], ABOUT)
    (tmp_path / EVENTS).write_bytes(gzip.compress(line))
    with pytest.raises(RecordingError, match=r"events\.ndjson\.gz line 1"):
        list(Recording(tmp_path).events())


@pytest.mark.parametrize("file", [DEFINITION, EVENTS])
@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}")[:-9]])
def test_a_file_that_is_no_gzip_is_named(tmp_path: Path, file: str, content: bytes) -> None:
    write_recording(tmp_path, MINI, [], ABOUT)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(RecordingError, match=f"{file} cannot be read"):
        [Recording(tmp_path).definition(), *Recording(tmp_path).events()]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "tallyroom.recording/v9"}, "this release reads tallyroom.recording/v1"),
        ({"colour": "red"}, "is not a manifest"),
        ({"events": "many"}, "is not a manifest"),
        ({"files": {}}, "not definition.json.gz and events.ndjson.gz"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    write_recording(tmp_path, MINI, [], ABOUT)
    manifest = msgspec.json.decode((tmp_path / MANIFEST).read_bytes())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | change))
    with pytest.raises(RecordingError, match=says):
        Recording(tmp_path).verify()


def test_built_in_nights_are_found_and_sound() -> None:
    nights = builtin_nights()
    assert "bw-2025" in nights
    for name in nights:
        recording = open_recording(name)
        recording.verify()
        assert recording.manifest.name == name
        assert recording.manifest.environment != "live"


def test_the_built_in_real_night_folds_to_its_golden_totals() -> None:
    recording = open_recording("bw-2025")
    result = folded(recording)
    assert result.totals == recording.manifest.golden
    assert result.tallies.decreases == recording.manifest.expect["decreases_tabulated"]
    assert sum(file.stat().st_size for file in recording.folder.iterdir()) < 1_000_000


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"neither a built-in night \(bw-2025"):
        open_recording(str(tmp_path / "nowhere"))


def test_the_documented_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example, usage = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(DOCS), "exec"), {})
    exec(compile(usage, str(DOCS), "exec"), {})
    recording = open_recording("mini")
    recording.verify()
    result = folded(recording)
    assert result.totals == recording.manifest.golden
    assert result.tallies.quarantined == 0
    tallies = {name: getattr(result.tallies, name) for name in recording.manifest.expect}
    assert tallies == recording.manifest.expect
    listed = recording.manifest.files
    assert {name: hashlib.sha256((tmp_path / "mini" / name).read_bytes()).hexdigest() for name in listed} == listed
