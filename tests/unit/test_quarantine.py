"""Quarantine entries: what they say of themselves is ours, whatever the refused record carried."""

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tallyroom.domain.election import Environment
from tallyroom.domain.events import SOFT, Refusal
from tallyroom.log.base import LogRecord
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.supersede import Refused
from tallyroom.tabulator.quarantine import quarantine_entry
from tests.support.elections import Sent, election, plan_of

FORGED = (
    ("tallyroom_reason", b"late"),
    ("ce_id", b"7"),
    ("tallyroom_offset", b"0"),
    ("tallyroom_released", b"yes"),
    ("ce_id", b"8"),
)


def test_a_record_cannot_overwrite_what_is_said_of_it() -> None:
    record = LogRecord(3, 77, 1_000, b"council|N-001", b"{", FORGED)
    entry = quarantine_entry(record, Refused(Refusal.NOT_JSON, "cut short"), "tallyroom.x.test.events")
    names = [name for name, _ in entry.headers]
    assert len([name for name in names if name.startswith("tallyroom_")]) == 6
    assert [item for item in entry.headers if not item[0].startswith("tallyroom_")] == [
        ("ce_id", b"7"),
        ("ce_id", b"8"),
    ]
    last_wins, first_wins = dict(entry.headers), dict(reversed(entry.headers))
    for said in (last_wins, first_wins):  # clients differ in which of two equal names they take
        assert said["tallyroom_reason"] == b"not_json"
        assert (said["tallyroom_partition"], said["tallyroom_offset"]) == (b"3", b"77")
    assert (entry.key, entry.value, entry.partition) == (b"council|N-001", b"{", 3)


def test_a_detail_of_any_length_fits_a_header() -> None:
    record = LogRecord(0, 0, 0, None, b"{}")
    entry = quarantine_entry(record, Refused(Refusal.SCHEMA, "ү" * 500_000), "t")
    assert dict(entry.headers)["tallyroom_detail"].decode() == "ү" * 1000


def test_soft_refusals_are_those_the_page_calls_soft() -> None:
    page = (Path(__file__).parents[2] / "docs" / "quarantine.md").read_text("utf-8")
    section = page.partition("## Hard and soft")[2].partition("\n## ")[0].partition(" are soft")[0]
    assert sorted(re.findall(r"`(\w+)`", section)) == sorted(SOFT)
    assert set(Refusal) > SOFT


@pytest.mark.parametrize("environment", ["test", "simulation"])
@pytest.mark.parametrize("unit", ["u1", "SIM-0001"])
def test_a_rehearsal_cannot_reach_a_live_log_whatever_units_it_has(environment: str, unit: str) -> None:
    """Refused by what it says of itself, before anything else: the alarm listens to this code, and no unit waits for it."""
    definition = replace(election(2), environment=Environment.LIVE)
    fold = PartitionFold(plan_of(definition), 0, 1)
    sent = msgspec.structs.replace(Sent("list", unit, numbers=(3,)).event(election(2)), environment=environment)
    verdict = fold.report(sent, f"list|{unit}".encode(), 0)
    assert isinstance(verdict, Refused)
    assert verdict.refusal is Refusal.WRONG_ENVIRONMENT
    assert not fold.waits
    assert not fold.cells()
