"""Golden totals, made by the simplest means, agree with tabulation whatever the events and amendments."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import (
    AddUnit,
    Change,
    CloseUnit,
    MergeUnits,
    PartsIn,
    ReopenUnit,
    Report,
    ReregisterUnit,
    WithdrawSelection,
    decode_event,
    encode_event,
)
from tallyroom.recordings.format import Recording, write_recording
from tests.support.folding import folded
from tests.support.mini import ABOUT, MINI, chained, report, timed

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
        [CloseUnit(unit="a"), ReopenUnit(unit="a")],
        [ReopenUnit(unit="a", contest="mayor")],
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
        {"reported_at": datetime(1969, 12, 31, tzinfo=UTC)},
        {"reported_at": datetime(2100, 1, 1, tzinfo=UTC)},
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
        disposition=draw(st.sampled_from(("counted", "counted", "held"))),
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
