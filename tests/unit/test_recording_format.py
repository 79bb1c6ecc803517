"""Recordings on disk: they come back as they were written, damage is named, and golden totals agree with tabulation."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyroom.codec.definition import chain_hash, definition_hash
from tallyroom.codec.events import (
    AddUnit,
    Amendment,
    Change,
    CloseUnit,
    MergeUnits,
    PartsIn,
    Report,
    ReregisterUnit,
    WithdrawSelection,
    decode_event,
    encode_event,
    partition_key,
)
from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    ReportingUnit,
    Role,
    Selection,
    Severity,
    Source,
)
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import (
    DEFINITION,
    EVENTS,
    MANIFEST,
    About,
    Recording,
    TimedEvent,
    open_recording,
    write_recording,
)
from tests.support.folding import folded

NOON = datetime(2024, 5, 5, 12, tzinfo=UTC)
ABOUT = About(
    name="mini", title="A small vote", real=False, licence="CC0-1.0", attribution="nobody", notes=("Made up.",)
)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"

SUMS = (Identity(total="cast", parts=("valid", "invalid")), Identity(total="valid", parts=("selections",)))
LISTS = (
    Selection(id="list", names={}),
    Selection(id="list-1", names={}, role=Role.CANDIDATE, parent="list"),
    Selection(id="list-2", names={}, role=Role.CANDIDATE, parent="list"),
    Selection(id="rest", names={}, role=Role.OTHER),
)
AREAS = {"town": None, "north": "town", "south": "town"}
MINI = Definition(
    election="mini",
    environment=Environment.TEST,
    names={"en": "A small vote"},
    date=date(2024, 5, 5),
    time_zones=("UTC",),
    languages=("en",),
    sources=(Source(id="hall", names={}, may_report=("report",)), Source(id="other", names={}, may_report=())),
    areas=tuple(Area(id=area, level="x", names={}) for area in AREAS),
    units=(ReportingUnit(id="a", registered=50), ReportingUnit(id="b", registered=40), ReportingUnit(id="c")),
    contests=(
        Contest(
            id="mayor",
            names={},
            selections=(Selection(id="x", names={}), Selection(id="y", names={})),
            accounting=Accounting(
                measures=("cast", "valid", "invalid"),
                cast="cast",
                identities=SUMS,
                cast_over_registered=Severity.ERROR,
            ),
            areas=AREAS,
            units={"a": "north", "b": "north", "c": "south"},
            source="hall",
        ),
        Contest(
            id="council",
            names={},
            selections=LISTS,
            accounting=Accounting(
                measures=("cast",),
                cast="cast",
                identities=(Identity(total="cast", parts=("selections",)),),
                marks_per_ballot=2,
            ),
            areas=AREAS,
            units={"a": "north", "c": "south"},
            source="hall",
            unit_sources={"c": "other"},
            count_groups=("day", "post"),
        ),
    ),
)


def report(unit: str = "a", version: int = 1, x: int = 3, y: int = 4, **more: Any) -> Report:
    """A sound report of contest mayor."""
    return Report(
        id=f"{unit}/{version}",
        election="mini",
        environment="test",
        source="hall",
        reported_at=NOON,
        contest="mayor",
        unit=unit,
        version=version,
        counts={"x": x, "y": y},
        ballots={"cast": x + y + 1, "valid": x + y, "invalid": 1},
        **more,
    )


def timed(values: Sequence[bytes]) -> list[TimedEvent]:
    """The values a second apart."""
    return [TimedEvent(NOON + timedelta(seconds=n), value) for n, value in enumerate(values)]


def chained(*changes: Sequence[Change]) -> list[bytes]:
    """Amendments that continue MINI's chain, one for each sequence of changes."""
    chain, values = definition_hash(MINI), []
    for number, change in enumerate(changes):
        amendment = Amendment(
            id=f"amendment-{number}",
            election="mini",
            environment="test",
            source="hall",
            reported_at=NOON,
            previous=chain,
            changes=tuple(change),
        )
        values.append(encode_event(amendment))
        chain = chain_hash(chain, values[-1])
    return values


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


VALUES = st.integers(min_value=0, max_value=30)
CHANGES = st.sampled_from(
    [
        [AddUnit(unit=_unit, contests={"mayor": "south"})]
        for _unit in [msgspec.convert({"id": "new", "registered": 20}, AddUnit.__annotations__["unit"])]
    ]
    + [
        [CloseUnit(unit="a")],
        [CloseUnit(unit="b", contest="mayor")],
        [MergeUnits(units=("b",), into="a")],
        [ReregisterUnit(unit="c", registered=33)],
        [WithdrawSelection(contest="mayor", selection="x", counts_as="y")],
        [WithdrawSelection(contest="mayor", selection="y", counts_as="invalid")],
        [CloseUnit(unit="nowhere")],
    ]
)


@st.composite
def mayor_reports(draw: st.DrawFn) -> Report:
    """Reports of contest mayor, most of them sound, some wrong in one way."""
    found = report(draw(st.sampled_from("abc")), draw(st.integers(1, 4)), draw(VALUES), draw(VALUES))
    changes: dict[str, Any] = {
        "kind": draw(st.sampled_from(("counted", "counted", "correction", "retraction"))),
        "disposition": draw(st.sampled_from(("counted", "counted", "held", "annulled", "not_opened", "cancelled"))),
        "registered": draw(st.sampled_from((None, None, 60))),
        "parts": draw(st.sampled_from((None, PartsIn(1, 2), PartsIn(2, 2), PartsIn(3, 2)))),
    }
    wrong: list[dict[str, Any]] = [
        {"source": "other"},
        {"election": "maxi"},
        {"environment": "live"},
        {"unit": "new"},
        {"contest": "sheriff"},
        {"counts": {"x": 1}},
        {"counts": {}, "ballots": {}},
        {"ballots": {"cast": 9, "valid": 9, "invalid": 9}},
        {"count_group": "day"},
        {"round": 2},
        {"definition": "0" * 64},
        {"definition": definition_hash(MINI)},
    ]
    return msgspec.structs.replace(found, **changes, **draw(st.sampled_from([{}] * len(wrong) + wrong)))


@st.composite
def council_reports(draw: st.DrawFn) -> Report:
    """Reports of contest council, which counts by group and candidates within lists."""
    first, second, rest, wrong = draw(VALUES), draw(VALUES), draw(VALUES), draw(st.sampled_from((0, 0, 0, 1)))
    counts = {"list": first + second + wrong, "list-1": first, "list-2": second, "rest": rest}
    return msgspec.structs.replace(
        report(draw(st.sampled_from("abc")), draw(st.integers(1, 3))),
        contest="council",
        source=draw(st.sampled_from(("hall", "other"))),
        count_group=draw(st.sampled_from(("day", "post", "night", None))),
        counts=counts,
        ballots={"cast": draw(st.integers(0, 60))},
        registered=draw(st.sampled_from((None, 12))),
    )


@settings(max_examples=300, deadline=None, print_blob=True)
@given(
    events=st.lists(mayor_reports() | council_reports(), max_size=25),
    amendments=st.lists(st.tuples(CHANGES, st.integers(0, 25)), max_size=3),
)
def test_golden_agrees_with_tabulation(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Report],
    amendments: list[tuple[list[Change], int]],
) -> None:
    values = [encode_event(event) for event in events]
    links = chained(*(change for change, _ in amendments))
    for value, position in reversed(list(zip(links, sorted(p for _, p in amendments), strict=True))):
        values.insert(position, value)
    folder = tmp_path_factory.mktemp("golden")
    manifest = write_recording(folder, MINI, timed(values), ABOUT)
    assert folded(Recording(folder)).totals == manifest.golden


def test_what_a_merged_unit_reported_is_withdrawn(tmp_path: Path) -> None:
    (merge,) = chained([MergeUnits(units=("b",), into="a")])
    values = [encode_event(report("a")), encode_event(report("b")), merge, encode_event(report("b", 2))]
    totals = write_recording(tmp_path, MINI, timed(values), ABOUT).golden["mayor"]
    assert (totals.counts, totals.units_reported, totals.units_expected) == ({"x": 3, "y": 4}, 1, 2)
    assert totals.voters_registered == 90
    assert folded(Recording(tmp_path)).totals["mayor"] == totals


def test_the_generated_reports_are_events() -> None:
    """The property above would prove little if its events could not be decoded."""
    assert decode_event(encode_event(report())) == report()
