"""Sums over the units that were there last time: one by one as from nothing, through store, restart and amendment; and swing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.domain.election import Definition, PreviousCounts, PreviousResult
from tallyroom.log.base import LogRecord
from tallyroom.results.areas import share
from tallyroom.results.swing import swing_document
from tallyroom.tabulation.matched import Matched, width
from tallyroom.tabulation.rows import Row, widened
from tallyroom.tabulation.supersede import State
from tallyroom.tabulation.tabulate import tabulate
from tests.support.elections import Amend, Item, Night, Sent, election, plan_of, with_contest
from tests.support.histories import histories, sent, successions
from tests.support.partition import CHANGES, Change, Store, bytes_of


def with_previous() -> Definition:
    """Earlier results of two units of the lists, and of one of the groups."""
    made = election(2)
    lists = PreviousResult(
        names={},
        units={"u1": PreviousCounts(counts={"P": 6, "Q": 2}, base=10), "u4": PreviousCounts(counts={"P": 1, "Q": 1})},
    )
    groups = PreviousResult(names={}, units={"u1": PreviousCounts(counts={"X": 3, "Y": 4})})
    made = with_contest(made, replace(made.contests[0], previous=lists))
    return with_contest(made, replace(made.contests[1], previous=groups))


DEFINITION: Final = with_previous()
Cells = dict[tuple[str, str], Row]


def plain(definition_cells: Cells) -> Cells:
    """Without rows of zeroes and trailing zeroes."""
    made: Cells = {}
    for place, row in definition_cells.items():
        kept = list(row)
        while kept and not kept[-1]:
            kept.pop()
        if kept:
            made[place] = tuple(kept)
    return made


def from_nothing(night: Night) -> Cells:
    """By the definition in force, over the newest states."""
    matched = Matched(night.plan)
    matched.take(night.units().items())
    return plain(matched.cells)


@given(st.one_of(histories(DEFINITION, 16), successions(DEFINITION)))
def test_one_by_one_is_as_from_nothing_also_across_amendments(history: list[Item]) -> None:
    night, matched = Night(DEFINITION), Matched(plan_of(DEFINITION))
    stored: Cells = {}
    for item in history:
        night.feed(item)
        changes = night.folds[0].take()
        if isinstance(item, Amend):
            matched = matched.under(night.plan, night.units())
        else:
            matched.take(changes.units.items())
        stored |= matched.changed()
        assert plain(matched.cells) == from_nothing(night)
        assert plain(stored) == plain(matched.cells), "what was given out is all that a store needs"


@given(
    st.lists(st.one_of(sent(DEFINITION), st.builds(Change, st.integers(0, len(CHANGES) - 1))), max_size=12), st.data()
)
def test_a_store_holds_the_same_whatever_the_batches_and_restarts(
    items: list[Sent | Change], data: st.DataObject
) -> None:
    scout, records = Store(plan_of(DEFINITION)), list[LogRecord]()
    one = scout.claim()
    for item in items:
        records.append(LogRecord(0, len(records), 1, *bytes_of(item, one.fold.plan)))
        scout.run(one, records[-1:])
    store = Store(plan_of(DEFINITION))
    at = 0
    while at < len(records):
        size = data.draw(st.integers(1, len(records)), label="batch")
        store.run(store.claim(), records[at : at + size])
        at += size
    found = {name: value for name, value in store.fields.items() if name.startswith(b"h:")}
    assert found == {name: value for name, value in scout.fields.items() if name.startswith(b"h:")}
    units: dict[str, State] = {
        name[2:].decode(): packed.unpack(value) for name, value in store.fields.items() if name.startswith(packed.UNIT)
    }
    again = Matched(one.fold.plan)
    again.take(units.items())
    cells = {(contest, area): packed.unpack(value) for (contest, area), value in _placed(found).items()}
    assert plain(cells) == plain(again.cells)


def _placed(fields: dict[bytes, bytes]) -> dict[tuple[str, str], bytes]:
    made = {}
    for name, value in fields.items():
        contest, _, area = name[2:].decode().partition("|")
        made[contest, area] = value
    return made


def swing(reports: Sequence[Sent], area: str = "R", definition: Definition = DEFINITION) -> dict[str, Any] | None:
    """The lists' swing in an area after these reports."""
    plan = plan_of(definition)
    contest = plan.contests["list"]
    night = Night(definition)
    for report in reports:
        night.feed(report)
    matched = Matched(plan)
    matched.take(night.units().items())
    row = widened(tabulate(plan, night.units()).get(("list", area), ()), contest.width)
    return swing_document(contest, area, row, matched.cells.get(("list", area)), complete=True)


FIRST: Final = Sent("list", "u1", numbers=(8, 2, 0, 0))


def test_only_units_that_are_in_and_were_there_are_compared() -> None:
    found = swing([FIRST, Sent("list", "u2", numbers=(0, 500, 0, 0))])
    assert found is not None
    assert (found["units"], found["then"]["base"], found["now"]["base"]) == (1, 10, 10)
    assert found["then"]["shares"] == {"P": "0.600000", "Q": "0.200000"}
    assert found["now"]["shares"]["P"] == "0.800000", "u2 was not there last time: its 500 votes are no swing"
    assert found["difference"] == {"P": "+0.200000", "Q": "0.000000", "AGAINST": None, "REST": None}


@pytest.mark.parametrize(
    "report",
    [
        replace(FIRST, parts=(1, 2)),
        replace(FIRST, disposition="held"),
        replace(FIRST, disposition="annulled"),
        replace(FIRST, kind="retraction"),
        Sent("list", "u2", numbers=(3,)),
    ],
)
def test_what_is_not_completely_in_or_was_not_there_is_not_compared(report: Sent) -> None:
    assert swing([report]) is None


def test_both_denominators_are_sums_over_the_same_units() -> None:
    found = swing([FIRST, Sent("list", "u4", numbers=(1, 3, 0, 0))])
    assert found is not None
    assert (found["units"], found["then"]["base"], found["now"]["base"]) == (2, 12, 14)
    assert found["then"]["shares"]["P"] == share(7, 12)
    assert found["difference"]["Q"] == "+0.107143", "5/14 - 3/12, rounded once"
    assert swing([FIRST, Sent("list", "u4", numbers=(1, 3, 0, 0))], "B") is None


def test_a_unit_counted_by_groups_is_in_when_all_its_groups_are() -> None:
    plan = plan_of(DEFINITION)
    night = Night(DEFINITION)
    matched = Matched(plan)
    for group, units in (("in_person", 0), ("advance", 1)):
        night.feed(Sent("groups", "u1", group=group, numbers=(2, 1)))
        matched.take(night.folds[0].take().units.items())
        row = matched.cells.get(("groups", "R"), (0,) * width(plan.contests["groups"]))
        assert row[0] == units
    assert row == (1, 7, 6, 3, 4, 4, 2)


def test_a_unit_that_is_corrected_brings_its_new_votes() -> None:
    night, matched = Night(DEFINITION), Matched(plan_of(DEFINITION))
    for item, units, votes in (
        (FIRST, 1, 8),
        (replace(FIRST, version=2, numbers=(5, 2, 0, 0)), 1, 5),
        (replace(FIRST, version=3, kind="retraction"), 0, 0),
    ):
        night.feed(item)
        matched.take(night.folds[0].take().units.items())
        row = matched.cells["list", "R"]
        assert (row[0], row[4]) == (units, votes)
    assert not any(row)


def test_where_only_areas_have_results_an_area_is_compared_once_it_is_complete() -> None:
    before = PreviousResult(names={}, areas={"A": PreviousCounts(counts={"P": 30, "Q": 10})})
    definition = with_contest(DEFINITION, replace(DEFINITION.contests[0], previous=before))
    contest = plan_of(definition).contests["list"]
    found = swing([FIRST], "A", definition)
    assert found is not None
    assert (found["units"], found["then"]["base"], found["difference"]["P"]) == (None, 40, "+0.050000")
    assert swing([FIRST], "B", definition) is None
    assert swing_document(contest, "A", (0,) * contest.width, None, complete=False) is None


def test_a_contest_without_an_earlier_result_has_no_swing() -> None:
    assert swing([FIRST], definition=election(2)) is None
    assert not Matched(plan_of(election(2)))
