"""Projections: where there is none, what they rest on, and that they stand apart from what is counted and decided."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from tallyroom.domain.election import (
    Area,
    Contest,
    Definition,
    PreviousCounts,
    PreviousResult,
    ReportingUnit,
)
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.results.projection import Projector
from tallyroom.results.register import expectations
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import COUNTERS, Column, Row, plus
from tests.support.elections import election, list_contest, plan_of

AREAS: Final = tuple("ABCDEF")
UNITS: Final = 20
"""Units of each area, of 100 voters each; half of them vote."""


def night(previous: PreviousResult | None = None) -> Definition:
    """Six areas of twenty units, contest ``list``."""
    units = {f"{area}{number}": area for area in AREAS for number in range(UNITS)}
    contest = replace(list_contest({"R": None, **dict.fromkeys(AREAS, "R")}, units), previous=previous)
    return replace(
        election(2),
        areas=(Area(id="R", level="country", names={}), *(Area(id=a, level="region", names={}) for a in AREAS)),
        units=tuple(ReportingUnit(id=unit, registered=100) for unit in units),
        contests=(contest,),
    )


def cell(contest: ContestPlan, units: int, share: float) -> Row:
    """So many units with 50 votes each, ``share`` of them for P, the rest for Q."""
    row = [0] * contest.width
    row[Column.COMPLETE], row[Column.REGISTERED_COMPLETE] = units, 100 * units
    votes, first = 50 * units, round(50 * units * share)
    for name, value in (("cast", votes), ("valid", votes), ("P", first), ("Q", votes - first)):
        row[contest.column(name)] = value
    return tuple(row)


def rows_of(contest: ContestPlan, areas: Mapping[str, tuple[int, float]]) -> dict[str, Row]:
    """Cells of the areas and of the whole."""
    cells = {area: cell(contest, *areas.get(area, (0, 0.0))) for area in AREAS}
    whole: Row = (0,) * contest.width
    for row in cells.values():
        whole = plus(whole, row)
    return {**cells, "R": whole}


def projected(areas: Mapping[str, tuple[int, float]], definition: Definition | None = None) -> dict[str, Any] | None:
    """The projection with (units in, share of P) by area."""
    plan = plan_of(definition or night())
    contest = plan.contests["list"]
    cells = rows_of(contest, areas)
    row_of: Callable[[str], Row] = cells.__getitem__
    return Projector(contest, expectations(plan, contest)).project(row_of)


def half(found: Mapping[str, Any]) -> float:
    """Half of the interval of P."""
    one = found["selections"]["P"]
    return (float(one["upper"]) - float(one["lower"])) / 2


@pytest.mark.parametrize(
    "areas",
    [
        {},
        {"A": (20, 0.5), "B": (20, 0.6), "C": (20, 0.4)},  # three areas teach no spread
        dict.fromkeys(AREAS, (3, 0.5)),  # 18 units
        {area: (UNITS, 0.4 + number / 50) for number, area in enumerate(AREAS)},  # nothing is out
    ],
)
def test_there_is_none_where_nothing_can_be_said(areas: Mapping[str, tuple[int, float]]) -> None:
    assert projected(areas) is None


def test_a_contest_of_one_area_has_none() -> None:
    plan = plan_of(night())
    units = dict.fromkeys((f"A{number}" for number in range(UNITS)), "A")
    contest = ContestPlan(list_contest({"A": None}, units))
    row = cell(contest, UNITS - 1, 0.5)
    plan.contests["list"] = contest
    assert Projector(contest, expectations(plan, contest)).project(lambda _: row) is None


def test_what_is_out_of_an_area_votes_like_what_is_in() -> None:
    """The count is at 40 %, since areas for Q came first; by areas it is an even race."""
    areas = {"A": (20, 0.3), "B": (20, 0.32), "C": (20, 0.28), "D": (5, 0.7), "E": (5, 0.68), "F": (5, 0.72)}
    found = projected(areas)
    assert found is not None
    share = float(found["selections"]["P"]["share"])
    assert 0.45 < share < 0.5  # the few of D to F are drawn a little towards the count
    assert float(found["selections"]["P"]["lower"]) < 0.5 < float(found["selections"]["P"]["upper"])
    assert found["votes_expected"] == 6 * UNITS * 50
    assert (found["counted"], found["areas"], found["interval"]) == ("0.6250", 6, "0.90")


def test_the_interval_narrows_as_units_come_in_and_widens_with_differences() -> None:
    def alike(units: int) -> dict[str, Any]:
        found = projected({area: (units, 0.5 + number / 100) for number, area in enumerate(AREAS)})
        assert found is not None
        return found

    widths = [half(alike(units)) for units in (4, 8, 12, 16, 19)]
    assert widths == sorted(widths, reverse=True)
    apart = projected({area: (8, 0.3 + number / 12) for number, area in enumerate(AREAS)})
    assert apart is not None
    assert half(apart) > 1.5 * half(alike(8))


def test_an_earlier_result_and_a_swing_tell_of_areas_without_a_count() -> None:
    """Everywhere ten points more than last time: what is out of F is expected at its own earlier share and ten points."""
    before = {"A": 0.3, "B": 0.35, "C": 0.4, "D": 0.45, "E": 0.5, "F": 0.85}
    counts = {
        area: PreviousCounts(counts={"P": round(1000 * p), "Q": 1000 - round(1000 * p)}) for area, p in before.items()
    }
    areas = {area: (UNITS, share + 0.1) for area, share in before.items() if area != "F"}
    plain, swung = projected(areas), projected(areas, night(PreviousResult(names={}, areas=counts)))
    assert plain is not None
    assert swung is not None
    end = (sum(before[area] + 0.1 for area in "ABCDE") + 0.95) / 6
    assert abs(float(swung["selections"]["P"]["share"]) - end) < 0.002
    assert float(plain["selections"]["P"]["share"]) < end - 0.05


def test_an_earlier_result_of_some_areas_only_is_not_mixed_in() -> None:
    counts = {"A": PreviousCounts(counts={"P": 900, "Q": 100})}
    areas = {area: (8, 0.5 + number / 100) for number, area in enumerate(AREAS)}
    assert projected(areas, night(PreviousResult(names={}, areas=counts))) == projected(areas)


def test_the_spread_is_taken_from_areas_that_are_counted() -> None:
    """An area with nothing in has no share: it is neither 0 % nor part of the spread."""
    areas = {area: (8, 0.5 + number / 200) for number, area in enumerate(AREAS[:5])}
    found = projected(areas)
    assert found is not None
    assert found["areas"] == 5
    assert half(found) < 0.05


def test_it_stands_in_the_document_and_changes_nothing_else() -> None:
    plan = plan_of(night())
    contest = plan.contests["list"]
    assert isinstance(contest.contest, Contest)
    areas = {area: (8, 0.5 + number / 100) for number, area in enumerate(AREAS)}
    totals = {("list", area): row for area, row in rows_of(contest, areas).items()}
    document = Deriver(plan).documents([("list", "R")], Facts(totals=totals))["contest:list"]
    assert document["projection"] == projected(areas)
    assert contest.width > COUNTERS
    for member in ("leading", "outstanding", "apportionment", "winner"):
        assert str(document["projection"]["selections"]["P"]["share"]) not in str(document[member])
