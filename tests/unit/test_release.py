"""Embargoes: at each boundary, in both Kazakh zones of that day, by area and kind, and as the authority moves them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from tallyroom.codec.definition import definition_hash
from tallyroom.domain.checks import problems
from tallyroom.domain.election import Body, Closure, Definition, Release, ReleaseKind, ReportingUnit, UnitKind
from tallyroom.recordings.format import open_recording
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.results.release import NEVER, Releases, is_before, last_domestic_closing
from tallyroom.tabulation.plan import Plan
from tests.support.elections import CLOSED_AT, Night, Sent, election, plan_of, with_contest

SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)
DEFINITION: Final = election(2)
EAST: Final = datetime(2023, 3, 19, 14, tzinfo=UTC)
"""20:00 in Almaty, which was six hours ahead of UTC on that day (and has been five since March 2024)."""
WEST: Final = datetime(2023, 3, 19, 15, tzinfo=UTC)
"""20:00 in Aqtobe, five hours ahead."""


def kazakh() -> Definition:
    """A country of two regions: A by the clocks of Almaty, B by those of Aqtobe; the district contest is in A alone."""
    zones = {"A": "Asia/Almaty", "B": "Asia/Aqtobe"}
    made = replace(
        DEFINITION,
        date=date(2023, 3, 19),
        time_zones=("Asia/Almaty", "Asia/Aqtobe"),
        polls_close="20:00",
        areas=tuple(replace(area, time_zone=zones.get(area.id)) for area in DEFINITION.areas),
    )
    district = replace(made.contests[2], areas={"A": None}, units={"u1": "A", "u2": "A"})
    return with_contest(made, district)


def with_releases(*releases: Release, release_at: datetime | None = CLOSED_AT) -> Releases:
    """The small election whose list contest has these releases."""
    contest = replace(DEFINITION.contests[0], releases=releases, release_at=release_at)
    return Releases(plan_of(with_contest(DEFINITION, contest)))


def act(name: str, said_at: datetime, **members: Any) -> dict[str, Any]:
    """A declaration as decoded."""
    release = members.pop("release_at", None)
    until = {} if release is None else {"release_at": release.isoformat()}
    return {
        "type": "declaration", "id": f"{name}-{said_at}", "act": name, "reported_at": said_at.isoformat(), **until, **members,
    }  # fmt: skip


@pytest.mark.parametrize(("contest", "closing"), [("inside", EAST), ("list", WEST)])
def test_by_default_the_last_domestic_poll_decides_by_the_clocks_of_that_day(contest: str, closing: datetime) -> None:
    plan = plan_of(kazakh())
    assert list(problems(plan.definition)) == []
    assert Releases(plan).at(contest) == closing
    root = plan.contests[contest].root
    before, at = (Releases(plan).withheld(now) for now in (closing - SECOND, closing))
    assert (contest, root) in before
    assert (contest, root) not in at


def test_the_kazakh_night_is_released_with_its_western_regions_and_its_eastern_districts_would_be_an_hour_before() -> (
    None
):
    definition = open_recording("kz-2023").definition()
    assert Releases(Plan(definition, definition_hash(definition))).at("list") == WEST
    free = replace(definition, release_at=None)
    releases = Releases(Plan(free, definition_hash(free)))
    assert releases.at("list") == WEST
    assert {releases.at(f"district-{number:02}") for number in range(1, 30)} == {EAST, WEST}
    assert releases.at("district-01") == EAST, "Astana; its stations abroad close later and do not count"


def test_a_unit_that_says_when_it_closes_is_believed_and_one_abroad_or_closed_is_not_waited_for() -> None:
    made = kazakh()
    late = ReportingUnit(id="u1", closes_at=WEST + HOUR)
    abroad = ReportingUnit(id="u2", kind=UnitKind.OVERSEAS, closes_at=WEST + 5 * HOUR)
    units = tuple({"u1": late, "u2": abroad}.get(unit.id, unit) for unit in made.units)
    plan = plan_of(replace(made, units=units))
    assert last_domestic_closing(plan, plan.contests["inside"]) == WEST + HOUR
    closed = replace(
        made.contests[2], closed_units={"u1": Closure.CLOSED}, areas={"A": None}, units={"u1": "A", "u2": "A"}
    )
    plan = plan_of(with_contest(replace(made, units=units), closed))
    assert last_domestic_closing(plan, plan.contests["inside"]) == WEST + 5 * HOUR, "abroad alone: the last of those"


def test_without_any_closing_time_nothing_is_withheld() -> None:
    assert Releases(plan_of(DEFINITION)).at("list") is None
    assert Releases(plan_of(DEFINITION)).withheld(None) == set()


def test_the_area_above_waits_for_the_last_of_its_parts_and_the_other_part_does_not() -> None:
    """R less A would be B: what is to stay out of sight must not be left over."""
    releases = with_releases(Release(at=CLOSED_AT + HOUR, area="B"))
    assert [releases.at("list", area) for area in ("A", "B", "R")] == [CLOSED_AT, CLOSED_AT + HOUR, CLOSED_AT + HOUR]
    assert releases.withheld(CLOSED_AT + HOUR - SECOND) == {("list", "B"), ("list", "R")}
    assert releases.withheld(CLOSED_AT + HOUR) == set()


def test_the_most_particular_release_holds_and_of_two_halves_the_later() -> None:
    releases = with_releases(
        Release(at=CLOSED_AT + HOUR),
        Release(at=CLOSED_AT + 2 * HOUR, area="A"),
        Release(at=CLOSED_AT + 3 * HOUR, kind=ReleaseKind.TURNOUT),
        Release(at=CLOSED_AT - HOUR, area="A", kind=ReleaseKind.ESTIMATES),
    )
    assert releases.at("list", "B") == CLOSED_AT + HOUR
    assert releases.at("list", "A") == CLOSED_AT + 2 * HOUR
    assert releases.at("list", "A", ReleaseKind.TURNOUT) == CLOSED_AT + 3 * HOUR
    assert releases.at("list", "A", ReleaseKind.ESTIMATES) == CLOSED_AT - HOUR
    assert releases.at("list", None, ReleaseKind.ESTIMATES) == CLOSED_AT + HOUR, "the whole waits for B"


def test_the_authority_lifts_and_extends() -> None:
    releases = with_releases()
    lifted = releases.under([act("embargo_lifted", CLOSED_AT - HOUR, contest="list")])
    assert lifted.at("list") == CLOSED_AT - HOUR
    extended = act("embargo_extended", CLOSED_AT - HOUR / 2, contest="list", area="B", release_at=CLOSED_AT + HOUR)
    both = releases.under([extended, act("embargo_lifted", CLOSED_AT - HOUR, contest="list")])
    assert [both.at("list", area) for area in ("A", "B", "R")] == [CLOSED_AT - HOUR, CLOSED_AT + HOUR, CLOSED_AT + HOUR]
    for_good = releases.under([act("embargo_extended", CLOSED_AT)])
    assert for_good.at("list") == for_good.at("groups") == NEVER
    assert is_before(CLOSED_AT + 10_000 * HOUR, for_good.at("list"))
    again = for_good.under([act("embargo_extended", CLOSED_AT), act("embargo_lifted", CLOSED_AT + SECOND)])
    assert again.at("list", "A") == CLOSED_AT + SECOND


def test_the_same_declarations_are_no_new_releases() -> None:
    acts = [act("embargo_lifted", CLOSED_AT)]
    releases = with_releases().under(acts)
    assert releases.under(list(acts)) is releases


BULLETIN: Final = {"type": "participation", "area": "A"}


def test_bulletins_are_public_while_polls_are_open_unless_turnout_itself_is_withheld() -> None:
    assert with_releases().aside_at(BULLETIN) is None
    assert with_releases().aside_at({**BULLETIN, "contest": "list"}) == CLOSED_AT
    bound = with_releases(Release(at=CLOSED_AT + HOUR, kind=ReleaseKind.TURNOUT))
    assert bound.aside_at(BULLETIN) == CLOSED_AT + HOUR
    assert bound.aside_at({"type": "participation", "unit": "u1"}) == CLOSED_AT + HOUR
    early = with_releases(Release(at=CLOSED_AT - HOUR, kind=ReleaseKind.TURNOUT))
    assert early.aside_at({**BULLETIN, "contest": "list"}) == CLOSED_AT - HOUR


@pytest.mark.parametrize("kind", [None, "turnout"])
def test_an_extension_for_everything_or_for_turnout_binds_bulletins(kind: str | None) -> None:
    moved = act("embargo_extended", CLOSED_AT - HOUR, release_at=CLOSED_AT + HOUR, **({"kind": kind} if kind else {}))
    assert with_releases().under([moved]).aside_at(BULLETIN) == CLOSED_AT + HOUR


def test_an_estimate_waits_for_its_own_time_and_its_contests() -> None:
    poll = {"type": "estimate", "contest": "list", "release_at": (CLOSED_AT - HOUR).isoformat()}
    assert with_releases().aside_at(poll) == CLOSED_AT
    assert with_releases(release_at=None).aside_at(poll) == CLOSED_AT - HOUR


def test_what_is_declared_waits_for_what_it_is_about() -> None:
    late = replace(DEFINITION.contests[1], release_at=CLOSED_AT + HOUR)
    body = Body(id="house", names={}, seats=9, contests=("list", "groups"))
    made = with_contest(replace(DEFINITION, release_at=CLOSED_AT, bodies=(body,)), late)
    releases = Releases(plan_of(made))
    seats = act("seats", CLOSED_AT, body="house")
    assert releases.aside_at(seats) == CLOSED_AT + HOUR, "the house waits for the last of its contests"
    assert releases.aside_at({**seats, "body": None, "contest": "list"}) == CLOSED_AT
    assert releases.aside_at(act("result", CLOSED_AT)) == CLOSED_AT + HOUR, "about nothing in particular: about all"
    assert releases.aside_at({"type": "control", "contest": "list", "area": "A"}) == CLOSED_AT
    assert releases.aside_at(act("embargo_extended", CLOSED_AT, contest="list")) is None


def test_nothing_of_a_withheld_part_is_in_any_document() -> None:
    contest = replace(DEFINITION.contests[0], releases=(Release(at=CLOSED_AT + HOUR, area="B"),))
    definition = with_contest(DEFINITION, contest)
    night = Night(definition)
    for unit in contest.units:
        night.feed(Sent("list", unit, numbers=(77,)))
    deriver = Deriver(plan_of(definition))
    places = deriver.all_places()
    early = deriver.documents(places, Facts(totals=night.cells(), now=CLOSED_AT))
    assert early["contest:list"] == {
        "contest": "list", "status": "pre-election", "embargoed_until": CLOSED_AT + HOUR,
    }  # fmt: skip
    assert early["areas:list:"] == []
    assert [area["area"] for area in early["areas:list:R"]] == ["A"]
    later = deriver.documents(places, Facts(totals=night.cells(), now=CLOSED_AT + HOUR))
    assert [area["area"] for area in later["areas:list:R"]] == ["A", "B"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"polls_close": "25:00"}, "polls_close '25:00' is not an hour such as 20:00"),
        (
            {"polls_close": "20:00", "time_zones": ("Asia/Nowhere",)},
            "time zone 'Asia/Nowhere' is not in the IANA database",
        ),
        ({"polls_close": "20:00", "time_zones": ()}, "polls_close is an hour by local clocks, and time_zones is empty"),
    ],
)
def test_an_hour_that_cannot_be_placed_is_a_problem(changes: dict[str, Any], problem: str) -> None:
    assert list(problems(replace(DEFINITION, **changes))) == [problem]
