"""Flags in revisions: with the totals that they are part of, after a restart as before, in the metrics, held back by an embargo."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tallyroom.codec.events import Declaration, Report
from tallyroom.domain.election import Definition, ReportingUnit
from tallyroom.domain.plausibility import Plausibility
from tallyroom.store import MemoryStore
from tests.support.elections import CLOSED_AT, ELECTION, Sent, election, selection, with_contest
from tests.support.publishing import Room

_CHOICES: Final = 7


def definition() -> Definition:
    """Contest list with seven selections and six more units in area B, in both partitions."""
    made = election(2)
    contest = made.contests[0]
    more = {f"v{number}": "B" for number in range(6)}
    units = (*made.units, *(ReportingUnit(id=unit, registered=900) for unit in more))
    chosen = contest.selections + tuple(selection(f"S{number}") for number in range(_CHOICES - 4))
    wider = replace(contest, units={**contest.units, **more}, selections=chosen)
    return with_contest(replace(made, units=units), wider)


def report(unit: str, version: int = 1, times: int = 1) -> Report:
    """A report with the same figures for every unit, or a multiple of them."""
    numbers = tuple(times * number for number in (200, 150, 40, 10, 20, 30, 15))
    return Sent("list", unit, version=version, numbers=numbers).event(definition())


def told(documents: dict[str, Any]) -> set[tuple[str, str]]:
    """Code and place of every listed flag."""
    return {(flag["code"], flag["unit"] or flag["area"]) for flag in documents["beside:flags"]["flags"]["listed"]}


async def test_a_doubled_unit_is_flagged_in_the_revision_that_holds_it_and_after_a_restart(tmp_path: Path) -> None:
    room = await Room(MemoryStore(), tmp_path / "kept", definition()).open()
    async with room.publishing():
        await room.send(report("v0"))
        _, documents = await room.covered()
        assert told(documents) == set()
        await room.send(report("v0", version=2, times=2))
        _, documents = await room.when(lambda _, found: found["areas:list:"][0]["counts"]["P"] == 400)
        assert told(documents) >= {("exact_double", "v0")}
    async with room.publishing("two"):
        await room.send(report("v0", version=3, times=2))
        _, documents = await room.covered()
        assert told(documents) >= {("exact_double", "v0")}
        assert documents["beside:flags"]["flags"]["settled"] == {}
        await room.send(report("v0", version=4))
        _, documents = await room.when(lambda _, found: found["areas:list:"][0]["counts"]["P"] == 200)
        assert told(documents) == set()
        assert documents["beside:flags"]["flags"]["settled"]["exact_double"] == 1


async def test_a_late_report_alone_brings_the_flag_that_rests_on_it(tmp_path: Path) -> None:
    """It changes no total, and its offset is covered: the flag must stand in that revision, not in the one after it."""
    room = await Room(MemoryStore(), tmp_path / "kept", definition()).open()
    async with room.publishing():
        await room.send(report("v0", version=200))
        await room.covered()
        for version in range(1, 1 + Plausibility().late_reports):
            await room.send(report("v0", version=version))
        _, documents = await room.covered()
        assert told(documents) == {("source_regression", "R")}


async def test_units_with_the_same_figures_are_found_across_partitions(tmp_path: Path) -> None:
    room = await Room(MemoryStore(), tmp_path / "kept", definition()).open()
    async with room.publishing():
        await room.send(*(report(f"v{number}") for number in range(6)))
        _, documents = await room.when(lambda _, found: told(found) == {("identical_counts", "R")})
        (flag,) = documents["beside:flags"]["flags"]["listed"]
        assert flag["figures"]["units"] == 6
        for name, number in (("tallyroom_flags_open", 1), ("tallyroom_flags_total", 1)):
            assert room.registry.get_sample_value(name, {"code": "identical_counts"}) == number
        assert room.registry.get_sample_value("tallyroom_flags_total", {"code": "stall"}) == 0
        await room.send(*(report(f"v{number}", version=2, times=2) for number in range(2, 6)))
        _, documents = await room.when(lambda _, found: "4 units" in str(found["beside:flags"]))


async def test_flags_of_an_area_under_embargo_are_held_back(tmp_path: Path) -> None:
    room = await Room(MemoryStore(), tmp_path / "kept", definition()).open()
    put_off = Declaration(
        id="put-off", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT + timedelta(minutes=3),
        act="embargo_extended", contest="list", area="B", release_at=CLOSED_AT + timedelta(minutes=30),
    )  # fmt: skip
    async with room.publishing():
        await room.send(report("v0"), report("v0", version=2, times=2), report("u1"))
        _, documents = await room.covered()
        assert {("exact_double", "v0"), ("cast_over_registered", "u1")} <= told(documents)
        await room.send(put_off)
        _, documents = await room.covered()
        assert told(documents) & {("exact_double", "v0")} == set()
        assert ("cast_over_registered", "u1") in told(documents)
