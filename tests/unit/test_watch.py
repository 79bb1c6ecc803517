"""Rules that look across units, at declared totals, at sources and at the clock: what raises each flag, and what just does not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tallyroom.codec import packed
from tallyroom.domain.election import ReportingUnit
from tallyroom.domain.plausibility import Flag, Plausibility
from tallyroom.results.facts import Facts
from tallyroom.results.flags import ShownFlag
from tallyroom.results.register import expectations
from tallyroom.results.watch import Watch, identical
from tallyroom.tabulation.heard import Heard, together
from tests.support.elections import Night, Sent, election, selection, with_contest

START: Final = datetime(2030, 3, 1, 20, tzinfo=UTC)
LARGE: Final = Sent("list", "u3", numbers=(200, 150, 40, 10), invalid=5)  # u3 has no register


def night(settings: Plausibility | None = None, units: int = 0, choices: int = 0, **changes: Any) -> Night:
    """A night whose contest list has these thresholds, so many more units (in area B, 500 voters each) and selections."""
    definition = election()
    contest = definition.contests[0]
    more = {f"v{number}": "B" for number in range(units)}
    chosen = tuple(selection(f"S{number}") for number in range(choices))
    contest = replace(
        contest,
        plausibility=settings,
        units={**contest.units, **more},
        selections=contest.selections + chosen,
        **changes,
    )
    everyone = (*definition.units, *(ReportingUnit(id=unit, registered=500) for unit in more))
    return Night(with_contest(replace(definition, units=everyone), contest))


def watched(at: Night, **facts: Any) -> list[ShownFlag]:
    """Flags of contest list as the totals stand."""
    plan = at.plan
    expected = {name: expectations(plan, contest) for name, contest in plan.contests.items()}
    stand = Facts(totals=at.folds[0].cells(), heard=at.folds[0].heard, **facts)
    return Watch(plan, expected).flags(stand)


def codes(flags: list[ShownFlag]) -> set[tuple[str, str]]:
    """Code and area of each."""
    return {(str(flag.code), flag.area) for flag in flags}


def test_sound_totals_raise_nothing() -> None:
    at = night()
    for item in (LARGE, Sent("list", "u1", numbers=(5, 3, 1, 1)), Sent("list", "u4", numbers=(9, 9, 2, 0))):
        at.feed(item)
    assert watched(at) == []


def test_rejected_ballots_of_an_area_are_seen_where_no_single_unit_is_strange() -> None:
    """Scotland 2007, Kenya 2013: everywhere the same, several times the norm. A fifth is still taken."""
    at = night(units=4)
    for number in range(4):
        at.feed(Sent("list", f"v{number}", numbers=(200, 100, 60, 20), invalid=95 if number else 96))
    assert codes(watched(at)) == {("area_invalid_share", "B"), ("area_invalid_share", "R")}
    assert at.folds[0].flags() == {}
    assert watched(night(Plausibility(area_invalid_share="1/4"), units=4)) == []


def test_an_area_over_its_register_is_flagged_unless_a_unit_has_none() -> None:
    at = night(units=2)
    at.feed(Sent("list", "v0", numbers=(300, 201, 0, 0)))
    assert codes(watched(at)) == {("area_over_register", "B"), ("area_over_register", "R")}
    at.feed(Sent("list", "v1", numbers=(250, 249, 0, 0)))
    assert watched(at) == []  # 1,000 of 1,000
    at.feed(Sent("list", "v1", version=2, numbers=(250, 250, 0, 0)))
    assert codes(watched(at)) == {("area_over_register", "B"), ("area_over_register", "R")}
    at.feed(LARGE)
    assert watched(at) == []  # whose register is not known: of what is the turnout?


def test_voters_added_on_the_day_beyond_what_is_usual() -> None:
    at = night(units=8)  # 4,000 voters in B, 4,035 in all
    at.feed(Sent("list", "v0", numbers=(100, 50, 0, 0), registered=700))
    assert watched(at) == []
    at.feed(Sent("list", "v1", numbers=(100, 50, 0, 0), registered=502))
    assert codes(watched(at)) == {("voters_added", "B"), ("voters_added", "R")}


def control(units: int, **figures: int) -> dict[str, Any]:
    """A declared total of area A."""
    return {
        "type": "control", "id": "c", "contest": "list", "area": "A", "source": "cec", "reported_at": START.isoformat(),
        "units_reported": units, "counts": {n: v for n, v in figures.items() if n in "PQ"},
        "ballots": {n: v for n, v in figures.items() if n not in "PQ"},
    }  # fmt: skip


def test_a_declared_total_of_the_same_units_must_be_ours() -> None:
    """Prince William 2020: parts were dropped, and the parent's total did not hold them."""
    at = night()
    at.feed(Sent("list", "u1", numbers=(5, 3, 1, 1)))
    assert watched(at, asides=[control(1, P=5, Q=3, cast=10)]) == []
    assert watched(at, asides=[control(2, P=50, Q=3, cast=99)]) == []  # of more units than are here
    (flag,) = watched(at, asides=[control(1, P=7, Q=3, cast=12)])
    assert (flag.code, flag.area) == ("control_differs", "A")
    assert flag.figures == {"P": 5, "P declared": 7, "cast": 10, "cast declared": 12}
    newer = {**control(1, P=5, Q=3), "version": 2}
    assert watched(at, asides=[newer, control(1, P=7, Q=3)]) == []


def test_units_with_exactly_the_same_figures() -> None:
    """Berlin 2021: 22 districts with the same estimate."""
    at = night(units=5, choices=3)
    same = Sent("list", "v0", numbers=(200, 150, 40, 10, 20, 30, 15))
    for number in range(2):
        at.feed(replace(same, unit=f"v{number}"))
    at.feed(replace(same, unit="v3", numbers=(200, 150, 40, 10, 20, 30, 16)))
    at.feed(replace(same, unit="v4", disposition="held"))
    assert alike(at) == []
    at.feed(replace(same, unit="v2", version=7))
    (flag,) = alike(at)
    assert flag.text == "3 units report exactly the same figures: v0, v1, v2."
    assert (flag.code, flag.area, flag.figures) == ("identical_counts", "R", {"units": 3, "votes": 465})


def alike(at: Night) -> list[ShownFlag]:
    """What the comparison of units finds."""
    return identical(at.plan, [(name, packed.pack(state)) for name, state in at.units().items()])


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (None, (9, 9, 9, 9, 9, 9, 9)),  # small figures meet by chance
        (None, (0, 0, 0, 0, 0, 0, 0)),
        (None, (300, 200, 15, 12, 1, 0, 0)),  # four figures above 9
        (Plausibility(identical_units=6), (200, 150, 40, 10, 20, 30, 15)),
        (Plausibility(off=(Flag.IDENTICAL_COUNTS,)), (200, 150, 40, 10, 20, 30, 15)),
    ],
)
def test_what_may_be_equal(settings: Plausibility | None, numbers: tuple[int, ...]) -> None:
    at = night(settings, units=5, choices=3)
    for number in range(5):
        at.feed(Sent("list", f"v{number}", numbers=numbers))
    assert alike(at) == []


def test_an_older_state_served_again() -> None:
    """BW 2026: a file from an hour before. Late reports are dropped, and the source is named."""
    at = night(Plausibility(late_reports=3), units=6)
    for number in range(6):
        at.feed(Sent("list", f"v{number}", version=2, numbers=(100, 50, 0, 0)))
    for number in range(2):
        at.feed(Sent("list", f"v{number}", numbers=(50, 20, 0, 0)))
    assert watched(at) == []
    at.feed(Sent("list", "v2", numbers=(50, 20, 0, 0)))
    (flag,) = watched(at)
    assert (flag.code, flag.figures) == ("source_regression", {"late": 3, "units": 6})
    assert at.folds[0].tallies.late == 3


def heard(*minutes: tuple[int, int]) -> Heard:
    """So many units of contest list first reported so many minutes after the start."""
    found = Heard()
    for minute, units in minutes:
        for _ in range(units):
            found.first("list", int((START + timedelta(minutes=minute)).timestamp() * 1000))
    return found


@pytest.mark.parametrize(
    ("minutes", "later", "texts"),
    [
        (((0, 40), (60, 10), (230, 44)), 240, []),  # less than three hours
        (
            ((0, 40), (60, 10), (300, 44)),
            310,
            [
                "No unit was new for 230 minutes from 2030-03-01 21:10 UTC to 2030-03-02 01:00 UTC, with 54 of 104 missing."
            ],
        ),
        (((0, 40), (60, 10)), 249, []),
        (
            ((0, 40), (60, 10)),
            250,
            ["No unit was new for 180 minutes from 2030-03-01 21:10 UTC, with 54 of 104 missing."],
        ),
        (((0, 3), (300, 90)), 310, []),  # the count had hardly begun
        (((0, 99), (900, 5)), 1800, []),  # the last few come when they come
        (((0, 104),), 5000, []),
        ((), 5000, []),
    ],
)
def test_silence_and_the_jump_after_it(minutes: Any, later: int, texts: list[str]) -> None:
    """Bolivia 2019, Honduras 2017: the count stood still at 83.79 %, and went on elsewhere. 104 units are expected here."""
    at = night(units=100)
    at.folds[0].heard = heard(*minutes)
    flags = watched(at, now=START + timedelta(minutes=later))
    assert [flag.text for flag in flags] == texts
    assert {flag.code for flag in flags} <= {Flag.STALL}


def test_a_unit_is_new_once() -> None:
    """By its first report's own time; what comes later, late or again is not new."""
    at = night(units=3)
    first = Sent("list", "v0", version=15, numbers=(1, 0, 0, 0))  # a report's time here is its version in minutes
    for item in (first, replace(first, version=40), replace(first, version=12), replace(first, unit="v1", version=25)):
        at.feed(item)
    assert at.folds[0].heard.firsts == heard((15, 1), (25, 1)).firsts
    assert at.folds[0].heard.late == {"list": {"cec": 1}}


def test_partitions_are_heard_together() -> None:
    halves = [heard((0, 20), (60, 5)), heard((0, 20), (60, 5))]
    halves[0].older("list", "cec")
    whole = together(halves)
    assert whole.firsts == heard((0, 40), (60, 10)).firsts
    assert whole.late == {"list": {"cec": 1}}
    again = packed.unpack_heard(packed.pack_heard(whole))
    assert (again.firsts, again.late) == (whole.firsts, whole.late)
    assert packed.unpack_heard(None).firsts == {}


def test_a_report_that_waits_is_listed_as_not_accepted() -> None:
    wait = {
        "partition": 3, "offset": 9, "contest": "list", "unit": "u1", "group": None, "version": 2, "at": 5,
        "code": "accounting",
    }  # fmt: skip
    waiting: Mapping[str, list[dict[str, Any]]] = {"list": [wait, {**wait, "code": "unknown_unit", "unit": "ghost"}]}
    (flag,) = watched(night(), waiting=waiting)
    assert (flag.code, flag.area, flag.unit, flag.accepted, flag.place) == ("accounting", "A", "u1", False, (3, 9))


@pytest.mark.parametrize("code", [Flag.STALL, Flag.SOURCE_REGRESSION, Flag.CONTROL_DIFFERS, Flag.AREA_OVER_REGISTER])
def test_a_rule_that_is_off_says_nothing(code: Flag) -> None:
    said = {}
    for off in ((), (code,)):
        at = night(Plausibility(off=off, late_reports=1), units=20)
        at.feed(Sent("list", "v0", version=2, numbers=(600, 0, 0, 0)))
        at.feed(Sent("list", "v0", numbers=(500, 0, 0, 0)))
        at.folds[0].heard.firsts = heard((0, 10)).firsts
        asides = [{**control(1, P=7), "area": "B"}]
        said[off] = {flag.code for flag in watched(at, now=START + timedelta(days=1), asides=asides)}
    assert said[()] - said[(code,)] == {code}


def test_more_units_than_are_expected_can_never_be_and_would_be_seen() -> None:
    """Philippines 2025: 15,000 files twice. The totals are those of units, so it takes a broken row to show it."""
    at = night()
    for item in (Sent("list", "u1", numbers=(5, 3, 1, 1)), Sent("list", "u1", version=2, numbers=(5, 3, 1, 1)), LARGE):
        at.feed(item)
    plan = at.plan
    expected = {name: expectations(plan, contest) for name, contest in plan.contests.items()}
    rows = dict(at.folds[0].cells())
    assert Watch(plan, expected).flags(Facts(totals=rows)) == []
    rows["list", "A"] = (3, *rows["list", "A"][1:])
    (flag,) = Watch(plan, expected).flags(Facts(totals=rows))
    assert (flag.code, flag.area, flag.figures) == ("over_delivery", "A", {"units": 3, "expected": 2})
