"""Bulletins with named denominators, ballots counted beside them, and the check that observers asked for."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from tallyroom.domain.election import Area, Definition
from tallyroom.results.asides import Sections, sections
from tallyroom.results.register import expectations
from tallyroom.results.release import Releases
from tallyroom.results.turnout import Turnout
from tallyroom.tabulation.rows import widened
from tests.support.elections import CLOSED_AT, Night, Sent, election, plan_of

DEFINITION: Final = election(2)


def closing(at: datetime | None) -> Definition:
    """The small election whose polls close then."""
    return replace(DEFINITION, units=tuple(replace(unit, closes_at=at) for unit in DEFINITION.units))


def bulletin(ballots: int | None = None, **members: Any) -> dict[str, Any]:
    """A bulletin for area A, an hour after the polls closed."""
    said = (CLOSED_AT + timedelta(hours=1)).isoformat()
    return {
        "type": "participation", "id": "b1", "source": "cec", "measure": "cast", "area": "A", "as_of": said, "reported_at": said,
        **({} if ballots is None else {"ballots": ballots}), **members,
    }  # fmt: skip


def by_area(
    bulletins: list[dict[str, Any]], *reports: Sent, definition: Definition = DEFINITION
) -> list[dict[str, Any]]:
    """The section after these reports."""
    plan = plan_of(definition)
    night = Night(definition)
    for report in reports:
        night.feed(report)
    totals = {place: widened(row, plan.contests[place[0]].width) for place, row in night.cells().items()}
    expected = {name: expectations(plan, contest) for name, contest in plan.contests.items()}
    return Turnout(plan, expected).by_area(bulletins, totals, ())


def checks(bulletins: list[dict[str, Any]], *reports: Sent, definition: Definition = DEFINITION) -> dict[str, Any]:
    """Code and difference of the list contest's check."""
    (area,) = by_area(bulletins, *reports, definition=definition)
    (found,) = [check for check in area["checks"] if check["contest"] == "list"]
    return {"code": found["code"], "difference": found["difference"]}


ALL: Final = (Sent("list", "u1", numbers=(6,)), Sent("list", "u2", numbers=(0,)))
"""Everything of area A: 24 ballots (six for each selection)."""


@pytest.mark.parametrize(
    ("said", "code", "difference"),
    [(24, None, 0), (23, "cast_above_bulletin", 1), (25, "cast_below_bulletin", -1)],
)
def test_the_last_bulletin_is_compared_with_the_sum_of_ballots_cast(
    said: int, code: str | None, difference: int
) -> None:
    assert checks([bulletin(said)], *ALL) == {"code": code, "difference": difference}


def test_while_reports_are_out_fewer_ballots_are_no_fault_and_more_are() -> None:
    assert checks([bulletin(25)], ALL[0]) == {"code": None, "difference": -1}
    assert checks([bulletin(23)], ALL[0]) == {"code": "cast_above_bulletin", "difference": 1}


def test_a_bulletin_of_voting_hours_says_nothing_of_the_end() -> None:
    early = bulletin(5, as_of=(CLOSED_AT - timedelta(hours=1)).isoformat())
    (area,) = by_area([early], *ALL, definition=closing(CLOSED_AT))
    assert area["checks"] == []
    assert checks([bulletin(5)], *ALL, definition=closing(CLOSED_AT))["code"] == "cast_above_bulletin"


@pytest.mark.parametrize(
    ("share", "code"), [("0.96", None), ("0.97", "cast_below_bulletin"), ("0.95", "cast_above_bulletin")]
)
def test_a_published_share_leaves_a_range_of_ballots(share: str, code: str | None) -> None:
    """24 of 25 registered are 0.96; 0.97 means 24.125 to 24.375 ballots, which no number of ballots is."""
    registered = replace(DEFINITION, areas=tuple(replace(area, registered=25) for area in DEFINITION.areas))
    assert checks([bulletin(turnout=share)], *ALL, definition=registered)["code"] == code


def test_of_several_bulletins_the_last_of_each_measure_counts() -> None:
    later = (CLOSED_AT + timedelta(hours=2)).isoformat()
    several = [
        bulletin(9, id="early"),
        bulletin(24, id="late", as_of=later),
        bulletin(30, id="issued", measure="issued"),
    ]
    (area,) = by_area(several, *ALL)
    assert {measure: found["id"] for measure, found in area["bulletins"].items()} == {
        "cast": "late",
        "issued": "issued",
    }
    codes = {check["bulletin"]: check["code"] for check in area["checks"] if check["contest"] == "list"}
    assert codes == {"late": None, "issued": "cast_below_bulletin"}


def test_turnout_from_reports_names_its_denominator_and_what_is_above_it_is_flagged() -> None:
    (area,) = by_area([bulletin(24)], *ALL)
    (reported,) = [report for report in area["reports"] if report["contest"] == "list"]
    assert reported["ballots_cast"] == 24
    assert reported["turnout_denominator"] == {"of": "registered voters of the units in the totals", "value": 10}
    assert (reported["turnout_reported"], reported["flags"]) == ("2.400000", ["over_registered"])


def shared(item: dict[str, Any], definition: Definition = DEFINITION) -> dict[str, Any]:
    """The bulletin as it stands in the snapshot."""
    plan = plan_of(definition)
    expected = {name: expectations(plan, contest) for name, contest in plan.contests.items()}
    (made,) = Turnout(plan, expected).bulletins([item])
    return {name: made[name] for name in ("share", "share_denominator", "flags")}


def test_a_bulletin_has_a_share_of_a_register_that_is_named() -> None:
    published = shared(bulletin(5, registered=20))
    assert published == {
        "share": "0.250000", "share_denominator": {"of": "registered as published", "value": 20}, "flags": [],
    }  # fmt: skip
    defined = {"of": "registered as defined", "value": 10}
    assert shared(bulletin(5)) == {"share": "0.500000", "share_denominator": defined, "flags": []}
    assert shared(bulletin(11))["flags"] == ["over_registered"]
    assert shared(bulletin(5, area=None, unit="u4"))["share_denominator"]["value"] == 25
    assert shared(bulletin(5, area=None, unit="u3"))["share"] is None, "nobody knows its voters"
    assert shared(bulletin(turnout="0.5"))["share"] is None, "no ballots were published"


def test_the_areas_own_register_goes_before_the_sum_of_its_units() -> None:
    areas = tuple(Area(id=area.id, level=area.level, names={}, registered=50) for area in DEFINITION.areas)
    assert shared(bulletin(5), replace(DEFINITION, areas=areas))["share"] == "0.100000"


def test_sections_made_again_only_when_needed_are_those_made_each_time() -> None:
    """Across a release, an embargo that moves, and an event that comes."""
    plan = plan_of(replace(DEFINITION, release_at=CLOSED_AT + timedelta(hours=2)))
    poll = {
        "type": "estimate", "id": "e1", "pollster": "p", "method": "exit_poll", "contest": "list", "shares": {},
        "release_at": CLOSED_AT.isoformat(), "reported_at": CLOSED_AT.isoformat(),
    }  # fmt: skip
    control = {
        "type": "control", "id": "c1", "contest": "list", "area": "R", "source": "cec", "reported_at": CLOSED_AT.isoformat(),
    }  # fmt: skip
    releases, kept = Releases(plan), Sections()
    events: list[dict[str, Any]] = [bulletin(3), poll]
    for minutes in (None, 0, 30, 119, 120, 121):
        now = None if minutes is None else CLOSED_AT + timedelta(minutes=minutes)
        assert kept.shown(events, now, releases) == sections(events, now, releases)
    events.append(control)
    after = CLOSED_AT + timedelta(hours=3)
    assert kept.shown(events, after, releases) == sections(events, after, releases)
    assert len(kept.shown(events, after, releases)["declared"]) == 1
    assert kept.shown(events, None, None) == sections(events, None, None)
