"""A station that nobody had defined reports in a running night: refused, listed, and counted once an amendment names it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tallyroom.codec.definition import chain_hash, definition_hash
from tallyroom.codec.events import AddUnit, Amendment, encode_event
from tallyroom.domain.election import Definition, ReportingUnit, Source
from tallyroom.publisher.returns import HEADER
from tallyroom.recordings.format import write_recording
from tallyroom.testing.night import ReplayedNight, StartNight
from tests.support.mini import ABOUT, MINI, NOON, report, timed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WAIT_S: Final = 60.0
AMENDING: Final = replace(
    MINI, sources=tuple(Source(id=s.id, names={}, may_report=("report", "amendment")) for s in MINI.sources)
)


def amendment(definition: Definition) -> bytes:
    """The new station, in the north."""
    unit = ReportingUnit(id="new", registered=30)
    event = Amendment(
        id="amendment-1", election="mini", environment="test", source="hall", reported_at=NOON,
        previous=definition_hash(definition), changes=(AddUnit(unit=unit, contests={"mayor": "north"}),),
    )  # fmt: skip
    return encode_event(event)


async def counted(night: ReplayedNight, units: int) -> dict[str, Any]:
    """The first snapshot with so many units of the mayor's contest in."""
    async with asyncio.timeout(WAIT_S):
        while True:
            snapshot = await night.published()
            if snapshot["contests"][0]["areas"][0]["units_reported"] == units:
                return snapshot
            await asyncio.sleep(0.2)


async def test_a_report_waits_for_the_amendment_and_is_counted_without_anybody_sending_it_again(
    tallyroom_night: StartNight, tmp_path: Path
) -> None:
    events = [encode_event(report("a", x=3, y=4)), encode_event(report("new", x=10, y=1))]
    write_recording(tmp_path / "mini", AMENDING, timed(events), ABOUT)
    async with tallyroom_night(tmp_path / "mini") as night:
        before = await counted(night, 1)
        assert before["quarantined"] == {"unknown_unit": 1}
        (apart,) = before["units_apart"]
        assert [(unit["unit"], unit["code"]) for unit in apart["units"]] == [("new", "unknown_unit")]
        value = amendment(AMENDING)
        await night.inject(value)
        after = await counted(night, 2)
        records = await night.records()
    assert after["definition"] == chain_hash(definition_hash(AMENDING), value)
    assert after["contests"][0]["areas"][0]["counts"] == {"x": 13, "y": 5}
    assert after["units_apart"] == []
    assert after["quarantined"] == {"unknown_unit": 1}, "the log keeps what was refused, and that it was"
    again = [record for record in records if HEADER in dict(record.headers)]
    assert [record.value for record in again] == [events[1]], "byte for byte, once"
