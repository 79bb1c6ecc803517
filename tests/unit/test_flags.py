"""Flags as the snapshot shows them: those that units carry, in numbers and by name, and none of a contest under embargo."""

from dataclasses import replace
from typing import Final

from tallyroom.domain.plausibility import Flag
from tallyroom.results.flags import LISTED, FlagLedger, ShownFlag, section

DOUBLE: Final = ShownFlag(
    code=Flag.EXACT_DOUBLE,
    text="Every figure is exactly 2 times what the version before said.",
    figures={"times": 2},
    contest="list",
    area="A",
    unit="u1",
    version=2,
    at=1_000,
    place=(0, 7),
)
OVER: Final = replace(DOUBLE, code=Flag.CAST_OVER_REGISTERED, text="11 of 10.", figures={"cast": 11, "registered": 10})
LEAF: Final = (0, "list", "u1", None)


def test_a_flag_that_is_still_carried_keeps_the_place_where_it_was_raised() -> None:
    ledger = FlagLedger()
    ledger.take(LEAF, [DOUBLE])
    ledger.take(LEAF, [replace(DOUBLE, version=3, at=2_000, place=(0, 9)), replace(OVER, version=3, at=2_000)])
    assert [(flag.code, flag.version) for flag in ledger.carried()] == [
        ("exact_double", 2),
        ("cast_over_registered", 3),
    ]
    ledger.take(LEAF, [replace(OVER, text="12 of 10.", version=4, at=3_000)])
    assert [(flag.code, flag.version) for flag in ledger.carried()] == [("cast_over_registered", 4)]
    assert ledger.settled() == {("list", "A", "exact_double"): 1}
    ledger.take(LEAF, [])
    assert list(ledger.carried()) == []


def test_a_journal_that_is_read_again_is_forgotten_first() -> None:
    ledger = FlagLedger()
    ledger.take(LEAF, [DOUBLE])
    ledger.take((1, "list", "u2", None), [replace(DOUBLE, unit="u2")])
    ledger.take(LEAF, [])
    ledger.forget(0)
    assert [flag.unit for flag in ledger.carried()] == ["u2"]
    assert ledger.settled() == {}


def test_the_section_counts_all_and_lists_the_newest() -> None:
    many = [replace(DOUBLE, unit=f"u{number}", at=number) for number in range(1, LISTED + 2)]
    made = section(many, {("list", "A", "swing"): 3})
    assert made["open"] == {"exact_double": LISTED + 1}
    assert made["settled"] == {"swing": 3}
    assert [flag["unit"] for flag in made["listed"]] == [f"u{number}" for number in range(LISTED + 1, 1, -1)]
    assert made["listed"][0]["accepted"] is True
    assert (made["listed"][0]["partition"], made["listed"][0]["offset"]) == (0, 7)


def test_nothing_is_said_of_a_contest_under_embargo() -> None:
    made = section([DOUBLE], {("list", "A", "swing"): 3}, {("list", "A")})
    assert made == {"open": {}, "settled": {}, "listed": []}
