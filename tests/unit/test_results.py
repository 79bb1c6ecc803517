"""What readers see: exact shares, honest denominators, status, leaders, and nothing at all under an embargo."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.domain.election import Condition, Definition, Role, Rule, SelectionStatus, Threshold
from tallyroom.results.areas import Status, area_document, leading, lines_of, share, status
from tallyroom.results.asides import sections
from tallyroom.results.documents import Deriver, areas_name, contest_name
from tallyroom.results.facts import Facts
from tallyroom.results.register import Expectation, expectations
from tallyroom.results.release import Releases
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import COUNTERS, Row, counters
from tests.support.elections import CLOSED_AT, Night, Sent, election, plan_of, with_contest

DEFINITION: Final = election(2)
PLAN: Final = plan_of(DEFINITION)
RELEASES: Final = Releases(PLAN)
LIST: Final = PLAN.contests["list"]


def row(contest: ContestPlan = LIST, figures: tuple[int, ...] = (), **columns: int) -> Row:
    """A row with these counters and figures; figures left out are 0."""
    return counters(**columns) + figures + (0,) * (len(contest.figures) - len(figures))


def votes(*numbers: int, contest: ContestPlan = LIST) -> Row:
    """A row with these votes and no ballots."""
    return row(contest, (0,) * len(contest.measures) + numbers)


def test_shares_are_rounded_but_never_up_to_a_line_or_to_all() -> None:
    five = (Fraction(1, 20),)
    assert share(49_999_999, 1_000_000_000, five) == "0.049999"
    assert share(50_000_000, 1_000_000_000, five) == "0.050000"
    assert share(2, 3) == "0.666667"
    assert share(10, 10) == "1.000000"
    assert share(999_999_999, 1_000_000_000) == "0.999999"
    assert share(0, 5) == "0.000000"


def test_no_denominator_is_no_share() -> None:
    assert share(0, 0) is None
    assert share(3, 0) is None


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.lists(st.fractions(0, 1, max_denominator=1000), max_size=3))
def test_a_share_is_less_than_a_millionth_off_and_on_the_right_side(
    part: int, whole: int, lines: list[Fraction]
) -> None:
    shown, truth = share(part, whole, lines), Fraction(part, whole)
    assert shown is not None
    assert abs(truth - Fraction(shown)) < Fraction(1, 10**6)
    assert not any(truth < line <= Fraction(shown) for line in (*lines, Fraction(1)))


@given(st.integers(2, 400), st.integers(1, 400), st.integers(1, 10**9))
def test_a_share_next_to_a_line_is_never_shown_across_it(denominator: int, numerator: int, times: int) -> None:
    """Single votes around the line, where rounding could carry a share over: the generator above hardly comes so near."""
    line = Fraction(min(numerator, denominator), denominator)
    whole = denominator * times * 1000
    at = line.numerator * (whole // line.denominator)
    for part in range(max(0, at - 2), at + 3):
        shown = Fraction(share(part, whole, (line,)) or "")
        step = Fraction(1, 10**6)
        assert (shown >= line) is (part >= at) or (part >= at and line - shown < step), (part, whole, line)
    assert Fraction(share(at - 1, whole, (line,)) or "") < line


def test_the_lines_of_a_contest_are_half_and_every_threshold_and_condition_of_its_rule() -> None:
    assert lines_of(None) == (Fraction(1, 2),)
    nested = Threshold(share="0.04", alternatives=(Threshold(share="0.12", alternatives=(Threshold(share="0.3"),)),))
    rule = Rule(method="hare", seats=9, law="§ 1", thresholds=(nested,), conditions=(Condition(share="2/5"),))
    assert set(lines_of(rule)) == {Fraction(n, 50) for n in (25, 2, 6, 15, 20)}


def test_an_areas_shares_keep_to_the_lines_of_its_contest() -> None:
    contest = DEFINITION.contests[0]
    rule = Rule(method="hare", seats=9, law="§ 1", thresholds=(Threshold(share="1/20"),))
    plan = ContestPlan(replace(contest, rule=rule))
    found = row(plan, (10**9, 10**9, 0, 49_999_999, 950_000_001))
    shares = area_document(plan, "A", "region", found, Expectation(units=1), lines_of(plan.contest.rule))["shares"]
    assert (shares["P"], shares["Q"]) == ("0.049999", "0.950000")


@pytest.mark.parametrize(
    ("found", "expected", "wanted"),
    [
        (row(), 3, Status.PRE_ELECTION),
        (row(complete=1), 3, Status.UNOFFICIAL_PARTIAL),
        (row(complete=3), 3, Status.UNOFFICIAL_COMPLETE),
        (row(complete=2, annulled=1), 3, Status.UNOFFICIAL_COMPLETE),
        (row(complete=1, not_opened=1, cancelled=1), 3, Status.UNOFFICIAL_COMPLETE),
        (row(annulled=3), 3, Status.UNOFFICIAL_COMPLETE),
        (row(complete=2, held=1), 3, Status.UNOFFICIAL_PARTIAL),
        (row(held=3), 3, Status.UNOFFICIAL_PARTIAL),
        (row(complete=2, partial=1), 3, Status.UNOFFICIAL_PARTIAL),
        (row(partial=1), 3, Status.UNOFFICIAL_PARTIAL),
        (row(complete=3, held=1), 3, Status.UNOFFICIAL_PARTIAL),
    ],
)
def test_status(found: Row, expected: int, wanted: Status) -> None:
    assert status(found, expected) is wanted


def test_a_leader_leads_by_votes() -> None:
    assert leading(LIST, votes(5, 3, 0, 0)) == {"selections": ["P"], "margin": 2}
    assert leading(LIST, votes(0, 3, 0, 0)) == {"selections": ["Q"], "margin": 3}


def test_a_tie_is_a_tie_and_nobody_leads_with_nothing() -> None:
    assert leading(LIST, votes(5, 5, 0, 0)) == {"selections": ["P", "Q"], "margin": 0}
    assert leading(LIST, votes(0, 0, 0, 0)) is None


def test_against_all_and_aggregates_never_lead_nor_narrow_a_margin() -> None:
    assert leading(LIST, votes(2, 1, 9, 50)) == {"selections": ["P"], "margin": 1}
    assert leading(LIST, votes(0, 0, 9, 50)) is None


def changed_selection(**changes: Any) -> ContestPlan:
    """The list contest with its first selection changed."""
    contest = DEFINITION.contests[0]
    first = replace(contest.selections[0], **changes)
    return ContestPlan(replace(contest, selections=(first, *contest.selections[1:])))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": SelectionStatus.WITHDRAWN},
        {"status": SelectionStatus.DEAD},
        {"role": Role.BLANK},
        {"role": Role.OTHER},
        {"role": Role.AGAINST_ALL},
    ],
    ids=str,
)
def test_only_standing_parties_and_candidates_lead(changes: dict[str, Any]) -> None:
    assert leading(changed_selection(**changes), votes(5, 3, 0, 0)) == {"selections": ["Q"], "margin": 3}


def test_candidates_inside_lists_do_not_lead_their_own_list() -> None:
    inside = PLAN.contests["inside"]
    assert leading(inside, votes(6, 6, 0, 5, 5, contest=inside)) == {"selections": ["L1"], "margin": 1}


def shown(night: Night, contest: str, area: str) -> dict[str, Any]:
    """The area's document."""
    plan = night.plan.contests[contest]
    found = night.folds[0].cells().get((contest, area), (0,) * plan.width)
    return area_document(plan, area, "region", found, expectations(night.plan, plan)[area], lines_of(None))


def fed(*items: Sent, definition: Definition = DEFINITION) -> Night:
    """A night with these reports."""
    night = Night(definition)
    for item in items:
        night.feed(item)
    return night


def test_an_area_before_anything_is_counted() -> None:
    made = shown(fed(), "list", "A")
    assert made["status"] == "pre-election"
    assert (made["units_reported"], made["units_expected"]) == (0, 2)
    assert made["shares"] == dict.fromkeys(("P", "Q", "AGAINST", "REST"))
    assert made["turnout_reported"] is None
    assert made["leading"] is None
    assert made["voters_registered"] == 10


def test_an_area_in_full() -> None:
    made = shown(fed(Sent("list", "u1", numbers=(5, 3, 1, 0), invalid=1), Sent("list", "u4")), "list", "A")
    assert made["counts"] == {"P": 5, "Q": 3, "AGAINST": 1, "REST": 0}
    assert made["ballots"] == {"cast": 10, "valid": 9, "invalid": 1}
    assert made["ballots_cast"] == 10
    assert made["shares"]["P"] == "0.555556"
    assert made["share_denominator"] == {"of": "valid", "value": 9}
    assert made["turnout_reported"] == "1.000000"
    assert made["status"] == "unofficial-partial"


def test_held_is_outstanding_public_and_in_no_total() -> None:
    made = shown(fed(Sent("list", "u3", numbers=(5, 3, 1, 0), disposition="held")), "list", "B")
    assert made["counts"] == {"P": 0, "Q": 0, "AGAINST": 0, "REST": 0}
    assert (made["units_held"], made["units_reported"], made["ballots_cast_held"]) == (1, 0, 9)
    assert made["status"] == "unofficial-partial"


def test_annulled_is_complete_and_shown_apart() -> None:
    made = shown(fed(Sent("list", "u3", numbers=(5, 3, 1, 0), disposition="annulled")), "list", "B")
    assert made["ballots_cast"] == 0
    assert (made["units_annulled"], made["units_reported"], made["ballots_cast_annulled"]) == (1, 0, 9)
    assert made["status"] == "unofficial-complete"


def test_an_unknown_register_is_not_0() -> None:
    made = shown(fed(Sent("list", "u3", numbers=(1,))), "list", "B")
    assert made["voters_registered"] is None
    assert made["units_without_register"] == 1
    assert made["turnout_reported"] is None
    reported = shown(fed(Sent("list", "u3", numbers=(1,), registered=8)), "list", "B")
    assert (reported["voters_registered"], reported["turnout_reported"]) == (8, "0.500000")


def test_a_contest_counted_by_groups_expects_a_return_per_unit_and_group() -> None:
    groups = PLAN.contests["groups"]
    assert expectations(PLAN, groups)["R"] == Expectation(units=6, registered=35, without_register=1)
    made = shown(fed(Sent("groups", "u1", numbers=(1,), group="advance")), "groups", "A")
    assert (made["units_reported"], made["units_expected"], made["status"]) == (1, 2, "unofficial-partial")


def embargoed(definition: Definition = DEFINITION) -> tuple[Deriver, Night]:
    """Everything reported, the list contest under an embargo for an hour from the close of polls."""
    contest = replace(definition.contests[0], release_at=CLOSED_AT + timedelta(hours=1))
    held = with_contest(definition, contest)
    reports = [
        Sent("list", unit, numbers=(5, 3, 1, 0), version=v) for unit in definition.contests[0].units for v in (1, 2)
    ]
    return Deriver(Plan(held, "0" * 64)), fed(*reports, Sent("inside", "u1", numbers=(1, 2, 3)), definition=held)


@pytest.mark.parametrize("now", [None, CLOSED_AT, CLOSED_AT + timedelta(minutes=59, seconds=59)], ids=str)
def test_an_embargo_hides_everything_of_its_contest_and_nothing_else(now: Any) -> None:
    deriver, night = embargoed()
    corrections = {"list": [{"unit": "u1", "fell": {"P": (6, 5)}}]}
    made = deriver.documents(
        deriver.all_places(), Facts(totals=night.folds[0].cells(), corrections=corrections, now=now)
    )
    assert made[contest_name("list")] == {
        "contest": "list",
        "status": "pre-election",
        "embargoed_until": CLOSED_AT + timedelta(hours=1),
    }
    assert made[areas_name("list", None)] == []
    assert made[areas_name("list", "R")] == []
    assert made[areas_name("inside", None)][0]["counts"]["L1"] == 3


def test_the_embargo_ends_at_its_time_and_does_not_bind_output_that_is_not_published() -> None:
    deriver, night = embargoed()
    places, facts = deriver.all_places(), Facts(totals=night.folds[0].cells(), now=CLOSED_AT + timedelta(hours=1))
    after = deriver.documents(places, facts)
    assert after[areas_name("list", None)][0]["counts"]["P"] == 20
    assert after == deriver.documents(places, replace(facts, now=None), release=True)


def test_the_elections_own_release_binds_contests_without_one() -> None:
    definition = replace(DEFINITION, release_at=CLOSED_AT + timedelta(hours=1))
    deriver = Deriver(plan_of(definition))
    everything = set(deriver.all_places())
    assert deriver.moved(Facts(now=CLOSED_AT)) == everything, "withheld"
    assert deriver.moved(Facts(now=CLOSED_AT)) == set()
    assert deriver.moved(Facts(now=CLOSED_AT + timedelta(hours=1))) == everything, "released"


def test_only_what_changed_is_derived() -> None:
    deriver, night = Deriver(PLAN), fed(Sent("list", "u1"))
    made = deriver.documents([("list", "A")], Facts(totals=night.folds[0].cells(), now=CLOSED_AT))
    assert set(made) == {"contest:list", "areas:list:R", "ledger:list", "apart:list"}
    assert [document["area"] for document in made["areas:list:R"]] == ["A", "B"]


def bulletin(version: int, **changes: Any) -> dict[str, Any]:
    """A turnout bulletin as decoded."""
    event = {
        "type": "participation", "id": f"b{version}", "election": "e", "environment": "test", "source": "cec",
        "reported_at": "2030-03-01T10:00:00Z", "measure": "issued", "as_of": "2030-03-01T10:00:00Z", "area": "A",
        "version": version, "ballots": version,
    }  # fmt: skip
    return {**event, **changes}


def test_of_several_versions_of_a_bulletin_the_highest_is_shown() -> None:
    made = sections([bulletin(2), bulletin(1)], CLOSED_AT, RELEASES)
    assert [item["ballots"] for item in made["turnout"]] == [2]


def test_bulletins_of_two_contests_do_not_supersede_each_other() -> None:
    made = sections([bulletin(1, contest="list"), bulletin(2, contest="groups")], CLOSED_AT, RELEASES)
    assert sorted(item["contest"] for item in made["turnout"]) == ["groups", "list"]


def estimate(release_at: str, method: str = "exit_poll") -> dict[str, Any]:
    """An exit poll as decoded."""
    return {
        "type": "estimate", "id": "x", "pollster": "p", "method": method, "contest": "list", "release_at": release_at,
        "reported_at": "2030-03-01T19:00:00Z", "shares": {"P": "0.5"},
    }  # fmt: skip


def test_estimates_stay_out_until_their_release() -> None:
    event = estimate("2030-03-01T20:00:00Z")
    assert sections([event], None, RELEASES)["estimates"] == []
    assert sections([event], CLOSED_AT - timedelta(seconds=1), RELEASES)["estimates"] == []
    assert len(sections([event], CLOSED_AT, RELEASES)["estimates"]) == 1


def test_a_projection_does_not_replace_the_exit_poll_of_the_same_pollster() -> None:
    events = [estimate("2030-03-01T20:00:00Z", method) for method in ("exit_poll", "projection", "exit_poll")]
    shown = sections(events, CLOSED_AT, RELEASES)["estimates"]
    assert [item["method"] for item in shown] == ["exit_poll", "projection"]


def test_figures_and_counters_do_not_mix() -> None:
    made = shown(fed(Sent("list", "u1", numbers=(1,))), "list", "A")
    assert COUNTERS == 16
    assert sum(made["counts"].values()) == 4
