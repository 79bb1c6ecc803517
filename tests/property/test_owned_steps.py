"""Steps of a partition in single cases: wide amendments, gaps, tombstones, deep nesting, events that come again."""

import sys
from dataclasses import replace

import pytest

from tallyroom.codec import packed
from tallyroom.codec.events import (
    MAX_DEPTH,
    encode_event,
    partition_key,
)
from tallyroom.domain.election import Area, Definition, ReportingUnit
from tallyroom.domain.errors import RebuildRequired
from tallyroom.log.base import LogRecord
from tallyroom.store.base import MAX_FIELDS
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Gap
from tallyroom.tabulator.quarantine import quarantine_entry
from tests.support.elections import (
    Sent,
    list_contest,
    plan_of,
)
from tests.support.partition import (
    DEFINITION,
    PLAN,
    Again,
    Change,
    Fields,
    Spaced,
    Store,
    bytes_of,
    desk,
    log_of,
    uninterrupted,
)


def counties(number: int) -> tuple[Plan, list[LogRecord]]:
    """A contest of so many areas below its root, and a report from each: a withdrawal changes the cell of every one."""
    areas: dict[str, str | None] = {"R": None, **{f"c{at}": "R" for at in range(number)}}
    units = {f"u-{area}": area for area in areas if area != "R"}
    definition: Definition = replace(
        DEFINITION,
        areas=tuple(Area(id=area, level="county", names={}) for area in areas),
        units=tuple(ReportingUnit(id=unit, registered=9) for unit in units),
        contests=(list_contest(areas, units),),
    )
    events = [Sent("list", unit, numbers=(1, 2)).event(definition) for unit in units]
    return plan_of(definition), [
        LogRecord(0, at, 1, partition_key(event), encode_event(event)) for at, event in enumerate(events)
    ]


def test_an_amendment_has_a_step_of_its_own_whatever_shares_its_batch() -> None:
    """As many areas as one step takes: together with a single report they would not fit."""
    number = MAX_FIELDS - 6  # root, tallies, fingerprints, chain and journal are written with them
    plan, reports = counties(number)
    records = [*reports, LogRecord(0, number, 1, *bytes_of(Change(1), plan)), reports[0]._replace(offset=number + 1)]
    store = Store(plan)
    made = store.run(store.claim(), records)
    amending = next(prepared.step for prepared in made if prepared.step.prev == number)
    assert (amending.next, store.offset) == (number + 1, number + 2)
    assert len(amending.fields) == MAX_FIELDS
    assert packed.unpack_tallies(store.fields[packed.TALLIES]).amendments == 1


def test_an_amendment_wider_than_a_step_asks_for_a_rebuild() -> None:
    number = MAX_FIELDS + 100
    plan, reports = counties(number)
    store = Store(plan)
    owned = store.claim()
    store.run(owned, reports)
    with pytest.raises(RebuildRequired, match="more partitions"):
        store.run(owned, [LogRecord(0, number, 1, *bytes_of(Change(1), plan))])
    assert store.offset == number, "nothing of it was applied"


@pytest.mark.parametrize("offsets", [(1, 2), (0, 2), (0, 1, 3)])
def test_a_hole_is_a_gap(offsets: tuple[int, ...]) -> None:
    key, value = bytes_of(desk(1), PLAN)
    with pytest.raises(Gap):
        list(Store().claim().prepare([LogRecord(0, offset, 1, key, value) for offset in offsets]))


def test_what_was_folded_already_is_a_gap() -> None:
    records = log_of([desk(1), desk(2)])
    store = Store()
    owned = store.claim()
    store.run(owned, records)
    with pytest.raises(Gap):
        list(owned.prepare(records[1:]))


def test_a_tombstone_is_refused_and_counted_like_any_other_record() -> None:
    """Only Kafka holds records without a value; they must neither stop the fold nor go missing from its sums."""
    first, second = log_of([Sent("list", "u1", numbers=(1,)), desk(1)])
    tombstone = first._replace(offset=1, value=None)  # type: ignore[arg-type]
    store = Store()
    made = store.run(store.claim(), [first, tombstone, second._replace(offset=2)])
    tallies = packed.unpack_tallies(store.fields[packed.TALLIES])
    assert (tallies.accepted, tallies.quarantined, tallies.aside, store.offset) == (1, 1, 1, 3)
    assert packed.unpack_refusals(store.fields[packed.REFUSALS]) == {"not_json": 1}
    (refusal,) = [item for prepared in made for item in prepared.refused]
    entry = quarantine_entry(refusal.record, refusal.refused, "t")
    assert (entry.key, entry.value, dict(entry.headers)["tallyroom_offset"]) == (b"list|u1", b"", b"1")


@pytest.mark.parametrize("frames", [0, 300, sys.getrecursionlimit() - 250])
def test_a_deep_ext_is_folded_the_same_from_any_depth_of_the_stack(frames: int) -> None:
    """A worker deep in its event loop and one that is not must agree, or a restart changes totals."""
    plain = encode_event(Sent("list", "u1", numbers=(1,)).event(DEFINITION))[:-1]
    values = [
        plain + b',"ext":' + b'{"x":' * levels + b"0" + b"}" * levels + b"}"
        for levels in (MAX_DEPTH + 1, 600, MAX_DEPTH)
    ]
    records = [LogRecord(0, at, 1, b"list|u1", value) for at, value in enumerate(values)]

    def folded(below: int) -> Fields:
        return folded(below - 1) if below else uninterrupted(records)

    assert packed.unpack_refusals(folded(frames)[packed.REFUSALS]) == {"schema": 2}
    assert folded(frames) == uninterrupted(records)


def test_a_heartbeat_writes_nothing_and_moves_nothing() -> None:
    store = Store()
    owned = store.claim()
    store.run(owned, log_of([desk(1)]))
    before = dict(store.fields)
    store.apply(owned.heartbeat().step)
    assert (store.fields, store.offset) == (before, 1)


def test_an_amendment_that_came_too_early_is_taken_when_it_comes_again() -> None:
    """Refused events are no part of what was seen: else a restarted owner would take it and this one would not."""
    early, first = bytes_of(Change(0), PLAN), bytes_of(Change(1), PLAN)
    scout = Store()
    one = scout.claim()
    scout.run(one, [LogRecord(0, 0, 1, *first)])
    second = bytes_of(Change(0), one.fold.plan)
    assert early != second
    records = [LogRecord(0, at, 1, *data) for at, data in enumerate((second, first, second))]
    store = Store()
    owned = store.claim()
    store.run(owned, records)
    assert owned.fold.tallies.amendments == 2
    assert owned.fold.plan.units["u3"].registered == 7


def test_an_event_that_ends_in_a_line_feed_is_the_same_event_after_a_restart() -> None:
    records = log_of([Spaced(1), Again(1)])
    store = Store()
    store.run(store.claim(), records[:1])
    store.run(store.claim(), records[1:])
    tallies = packed.unpack_tallies(store.fields[packed.TALLIES])
    assert (tallies.aside, tallies.duplicates, tallies.quarantined) == (1, 1, 0)
