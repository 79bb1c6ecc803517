"""Two readings of one log, written twice, agree on every figure; and a planted fault is found by the second one."""

from collections.abc import Mapping
from typing import Final

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.codec.events import Report
from tallyroom.domain.events import CloseUnit, MergeUnits, Refusal, ReregisterUnit, WithdrawSelection
from tallyroom.tabulation import recount
from tallyroom.tabulation.rows import Column
from tests.support.audits import (
    DEFINITIONS,
    Item,
    Tabulated,
    audited,
    differences,
    lively,
    logs,
    published_differences,
)
from tests.support.elections import Amend, Sent

which = st.integers(0, len(DEFINITIONS) - 1)


def inside(counts: dict[str, int], valid: int) -> Report:
    """A report of the contest whose candidates stand inside lists."""
    report = Sent("inside", "u1").event(DEFINITIONS[2])
    return msgspec.structs.replace(report, counts=counts, ballots={"valid": valid})


def missing_measure() -> Report:
    """A report with one ballot figure too few."""
    report = Sent("list", "u1").event(DEFINITIONS[0])
    return msgspec.structs.replace(report, ballots={"cast": 0, "valid": 0})


some_logs = which.flatmap(lambda number: st.tuples(st.just(number), logs(DEFINITIONS[number])))
lively_logs = which.flatmap(lambda number: st.tuples(st.just(number), lively(DEFINITIONS[number])))


def night_of(drawn: tuple[int, list[Item]], partitions: int) -> Tabulated:
    night = Tabulated(DEFINITIONS[drawn[0]], partitions)
    for item in drawn[1]:
        night.send(item)
    return night


@settings(max_examples=200)
@given(st.one_of(some_logs, lively_logs), st.integers(1, 3))
def test_both_readings_of_a_log_agree(drawn: tuple[int, list[Item]], partitions: int) -> None:
    """Totals, unit states, fates, refusals by reason, journal and clock, whatever stands in the log."""
    night = night_of(drawn, partitions)
    books = audited(night)
    for code, times in books.refusals().items():
        event(f"{code}", times)
    assert differences(books, night.fields) == []
    if len(books.chains()) == 1:
        assert published_differences(books, night) == []


RARE: Final[Mapping[str, tuple[int, list[Item]]]] = {
    "a retraction takes a reported register back": (
        0,
        [Sent("list", "u1", registered=40), Sent("list", "u1", version=2, kind="retraction", registered=50)],
    ),
    "more marks than ballots": (2, [inside({"L1": 3, "L1a": 3, "L1b": 0, "L2": 1, "L2a": 1}, valid=2)]),
    "too many marks": (2, [inside({"L1": 5, "L1a": 5, "L1b": 0, "L2": 0, "L2a": 0}, valid=2)]),
    "a count group may exceed the register": (2, [Sent("groups", "u1", group="advance", numbers=(7, 7))]),
    "a closed unit that was in part": (
        0,
        [Sent("list", "u1", numbers=(1, 0, 0, 0), parts=(1, 2)), Amend((CloseUnit(unit="u1"),))],
    ),
    "units without a roll: settled, in part, closed, merged": (
        0,
        [
            Sent("list", "u3", 1, (1,), disposition="held"),
            Sent("list", "u3", 2, (1,), disposition="annulled"),
            Sent("list", "u3", 3, (1,), parts=(1, 2), registered=9),
            Sent("list", "u3", 4, (2,), registered=9),
            Sent("groups", "u3", numbers=(1, 2), group="advance"),
            Sent("groups", "u3", numbers=(1, 2), group="in_person"),
            Sent("inside", "u3", numbers=(1, 2, 3)),
            Amend((CloseUnit(unit="u3", contest="list"), MergeUnits(units=("u1",), into="u4"))),
        ],
    ),
    "an heir that withdrew too": (
        0,
        [
            Sent("list", "u1", numbers=(7, 2, 1, 4)),
            Amend((WithdrawSelection(contest="list", selection="P", counts_as="Q"),)),
            Amend((WithdrawSelection(contest="list", selection="Q", counts_as="REST"),)),
        ],
    ),
    "a rule of plausibility refuses, until operators let the report in": (
        2,
        [
            Sent("list", "u1", numbers=(7, 2, 1, 1), registered=90),
            Sent("list", "u1", version=2, numbers=(14, 4, 2, 2), registered=90),
            Amend((ReregisterUnit(unit="u1", registered=80),)),
            Sent("list", "u1", version=2, numbers=(14, 4, 2, 2), registered=90, released="0:1", operators=("a", "b")),
            Sent("list", "u1", version=3, numbers=(0,), registered=90),
        ],
    ),
    "of another environment, about a unit that nobody knows": (0, [Sent("list", "ghost", broken="environment")]),
    "no ballot figure at all": (0, [missing_measure()]),
}


@pytest.mark.parametrize("case", RARE)
def test_both_readings_agree_about_what_is_rarely_met(case: str) -> None:
    number, items = RARE[case]
    night = night_of((number, items), 1)
    books = audited(night)
    assert differences(books, night.fields) == []
    assert published_differences(books, night) == []
    if "plausibility" in case:
        assert books.refusals() == {Refusal.EXACT_DOUBLE: 1, Refusal.EMPTIED: 1}


def test_the_columns_of_a_row_have_the_same_order_in_both() -> None:
    assert tuple(column.name.lower() for column in Column) == recount.COUNTERS


@given(some_logs, st.data())
def test_a_planted_fault_in_any_cell_is_found(drawn: tuple[int, list[Item]], data: st.DataObject) -> None:
    night = night_of(drawn, 2)
    books = audited(night)
    cells = [(n, name) for n, fields in enumerate(night.fields) for name in fields if name.startswith(packed.CELL)]
    if not cells:
        return
    partition, name = data.draw(st.sampled_from(cells))
    row = list(packed.unpack(night.fields[partition][name]))
    column = data.draw(st.integers(0, len(row) - 1))
    row[column] += data.draw(st.sampled_from((1, -1, row[column] or 1)))
    night.fields[partition][name] = packed.pack(tuple(row))
    found = differences(books, night.fields)
    assert [(item.partition, item.figure) for item in found] == [(partition, found[0].figure)]
    assert found[0].figure == books.books[partition].sheets[str(found[0].contest)].names[column]


def test_a_lost_unit_a_swap_and_a_doubled_cell_are_found() -> None:
    night = Tabulated(DEFINITIONS[0], 1)
    night.send(Sent("list", "u1", numbers=(7, 2, 1, 0)))
    night.send(Sent("list", "u3", numbers=(5, 5, 0, 0)))
    books = audited(night)
    assert differences(books, night.fields) == []
    sound = dict(night.fields[0])
    lost = {name: value for name, value in sound.items() if name != b"u:list|u1"}
    [found] = differences(books, [lost])
    assert (found.unit, found.expected, found.found) == ("u1", "version 1", "missing")
    row = packed.unpack(sound[b"t:list|R"])
    at = books.books[0].sheets["list"].names.index("P")
    swapped = (*row[:at], row[at + 1], row[at], *row[at + 2 :])
    found_swap = differences(books, [{**sound, b"t:list|R": packed.pack(swapped)}])
    assert {(item.figure, item.expected, item.found) for item in found_swap} == {("P", 12, 7), ("Q", 7, 12)}
    doubled = differences(
        books, [{**sound, b"t:list|A": packed.pack(tuple(2 * n for n in packed.unpack(sound[b"t:list|A"])))}]
    )
    assert {item.figure for item in doubled} >= {"complete", "P", "cast"}
    assert {item.area for item in doubled} == {"A"}
