"""The ladder of statuses: legal transitions as a table, what re-opens certified figures, and what no act can reach."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.domain.election import Definition
from tallyroom.results.areas import Status
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.results.standing import TRANSITIONS, Act, Standing, Standings, after, standings
from tests.support.elections import CLOSED_AT, Night, Sent, election, plan_of

DEFINITION: Final[Definition] = election(4)
LIST: Final = plan_of(DEFINITION).contests["list"]
MINUTE: Final = timedelta(minutes=1)
SAYING: Final[Mapping[Act, Mapping[str, str]]] = {
    Act.CERTIFY: {"act": "certification"},
    Act.CORRECT: {"act": "status", "status": "correction"},
    Act.RECOUNT: {"act": "recount"},
    Act.SUSPEND: {"act": "suspension"},
    Act.RESUME: {"act": "status", "status": "unofficial-partial"},
    Act.ANNUL: {"act": "annulment"},
    Act.UNCONTEST: {"act": "uncontested"},
    Act.POSTPONE: {"act": "postponement"},
}


def said(act: Act, minute: int = 0, **members: str) -> dict[str, Any]:
    """A declaration as decoded, so many minutes after the polls closed."""
    at = (CLOSED_AT + minute * MINUTE).isoformat()
    return {
        "type": "declaration",
        "id": f"{minute:03}-{act}",
        "reported_at": at,
        "contest": "list",
        **SAYING[act],
        **members,
    }


def corrected(minute: int, area: str, kind: str = "correction") -> dict[str, Any]:
    """A correction as the journal lists it."""
    return {"at": int((CLOSED_AT + minute * MINUTE).timestamp() * 1000), "area": area, "kind": kind}


def at(area: str, *acts: Mapping[str, Any], corrections: Sequence[Mapping[str, Any]] = ()) -> Standing:
    """Where an area stands."""
    return standings(LIST, acts, corrections).by_area.get(area, Standing.OPEN)


def test_every_standing_has_a_row_and_only_figures_change_in_silence() -> None:
    assert set(TRANSITIONS) == set(Standing)
    silent = {Act.CHANGE, Act.CHANGE_BY_RECOUNT}
    assert set(SAYING) == set(Act) - silent
    for standing in Standing:
        assert all(after(standing, act) is not None for act in silent)
        assert after(standing, Act.ANNUL) is Standing.ANNULLED, "annulment is possible anywhere"
        assert standing is Standing.OPEN or after(standing, Act.RESUME) is Standing.OPEN, "no dead end"


@pytest.mark.parametrize("standing", [Standing.SUSPENDED, Standing.ANNULLED, Standing.POSTPONED])
def test_what_is_not_being_counted_cannot_be_certified(standing: Standing) -> None:
    assert after(standing, Act.CERTIFY) is None


@pytest.mark.parametrize("act", list(SAYING))
def test_each_act_of_the_authority_is_understood(act: Act) -> None:
    assert at("R", said(act)) is TRANSITIONS[Standing.OPEN][act]


def test_an_impossible_act_changes_nothing_and_is_named() -> None:
    made = standings(LIST, [said(Act.SUSPEND, 1), said(Act.CERTIFY, 2)], ())
    assert made.by_area["R"] is Standing.SUSPENDED
    assert made.impossible == {"002-certify": Standing.SUSPENDED}


def test_acts_count_in_the_order_of_their_time_not_of_arrival() -> None:
    acts = [said(Act.CERTIFY, 3), said(Act.RECOUNT, 2)]
    assert at("R", *acts) is at("R", *reversed(acts)) is Standing.CERTIFIED


def test_a_certification_of_the_whole_is_one_of_all_its_parts_and_the_other_way_round_it_is_not() -> None:
    assert at("N1a", said(Act.CERTIFY)) is Standing.CERTIFIED
    assert at("R", said(Act.CERTIFY, area="N")) is Standing.OPEN
    assert at("S", said(Act.CERTIFY, area="N")) is Standing.OPEN


def test_a_recount_of_a_part_reopens_everything_above_it_and_nothing_beside_it() -> None:
    acts = [said(Act.CERTIFY, 1), said(Act.RECOUNT, 2, area="N1")]
    assert [at(area, *acts) for area in ("R", "N", "N1", "N1a")] == [Standing.RECOUNT] * 4
    assert [at(area, *acts) for area in ("S", "N2")] == [Standing.CERTIFIED] * 2


@pytest.mark.parametrize(("kind", "standing"), [("correction", Standing.CORRECTION), ("recount", Standing.RECOUNT)])
def test_figures_that_change_after_certification_reopen_it(kind: str, standing: Standing) -> None:
    changes = [corrected(5, "N1", kind)]
    assert at("R", said(Act.CERTIFY, 4), corrections=changes) is standing
    assert at("N1", said(Act.CERTIFY, 4), corrections=changes) is standing
    assert at("S", said(Act.CERTIFY, 4), corrections=changes) is Standing.CERTIFIED
    assert at("R", said(Act.CERTIFY, 6), corrections=changes) is Standing.CERTIFIED, "what was corrected is certified"
    assert at("R", said(Act.CERTIFY, 5), corrections=changes) is Standing.CERTIFIED, "at one instant: it speaks of it"
    assert at("R", said(Act.CERTIFY, 4), said(Act.CERTIFY, 7), corrections=changes) is Standing.CERTIFIED


def test_an_act_about_a_house_or_another_contest_is_no_act_about_this_one() -> None:
    assert at("R", {**said(Act.CERTIFY), "contest": "groups"}) is Standing.OPEN
    assert at("R", {**said(Act.CERTIFY), "contest": None, "body": "house"}) is Standing.OPEN
    assert at("R", {**said(Act.CERTIFY), "contest": None}) is Standing.CERTIFIED, "about all contests"


def test_the_whole_is_not_complete_while_a_part_is_recounted() -> None:
    complete = Status.UNOFFICIAL_COMPLETE
    made = standings(LIST, [said(Act.RECOUNT, area="N1a")], ())
    assert made.status(LIST, "N1a", complete) is Status.RECOUNT
    assert made.status(LIST, "R", complete) is made.status(LIST, "N", complete) is Status.UNOFFICIAL_PARTIAL
    assert made.status(LIST, "S", complete) is complete
    assert standings(LIST, [said(Act.ANNUL, area="N1a")], ()).status(LIST, "R", complete) is complete


acts = st.builds(
    said,
    st.sampled_from(list(SAYING)),
    st.integers(0, 9),
    area=st.sampled_from(tuple(LIST.contest.areas)),
)
changes = st.builds(
    corrected, st.integers(0, 9), st.sampled_from(tuple(LIST.contest.areas)), st.sampled_from(("recount", "correction"))
)
several = st.lists(acts, max_size=8, unique_by=lambda act: act["id"])


@given(several, st.lists(changes, max_size=4), st.sampled_from(list(Status)))
def test_nothing_but_a_declaration_certifies_and_nothing_re_opened_is_certified(
    declared: list[dict[str, Any]], corrections: list[dict[str, Any]], counted: Status
) -> None:
    made = standings(LIST, declared, corrections)
    for area in LIST.contest.areas:
        above, below = set(LIST.ancestry(area)), {one for one in LIST.contest.areas if area in LIST.ancestry(one)}
        certified = [
            item["reported_at"] for item in declared if item["act"] == "certification" and item["area"] in above
        ]
        if made.by_area.get(area) is Standing.CERTIFIED:
            newest = max(certified)
            touched = [item["at"] for item in corrections if item["area"] in below]
            assert all(stamp <= _ms(newest) for stamp in touched)
            later = [item for item in declared if item["reported_at"] > newest and item["area"] in above | below]
            assert not [item for item in later if item["act"] == "recount" and item["id"] not in made.impossible]
        shown = made.status(LIST, area, counted)
        assert shown is not Status.CERTIFIED or certified or counted is Status.CERTIFIED


def _ms(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp() * 1000)


@given(several, st.lists(changes, max_size=4), st.randoms(use_true_random=False))
def test_the_order_in_which_declarations_became_known_changes_nothing(
    declared: list[dict[str, Any]], corrections: list[dict[str, Any]], random: Any
) -> None:
    shuffled = random.sample(declared, len(declared))
    assert standings(LIST, shuffled, corrections) == standings(LIST, declared, corrections)


def test_a_declaration_restates_every_area_and_the_deriver_says_so_once() -> None:
    night = Night(DEFINITION)
    for unit in LIST.contest.units:
        night.feed(Sent("list", unit, numbers=(3,)))
    deriver = Deriver(plan_of(DEFINITION))
    facts = Facts(totals=night.cells(), now=CLOSED_AT)
    places = deriver.all_places()
    assert deriver.moved(facts) == set()
    counted = deriver.documents(places, facts)
    assert {area["status"] for area in counted["areas:list:R"]} == {"unofficial-complete"}
    certified = Facts(totals=night.cells(), asides=[said(Act.CERTIFY)], now=CLOSED_AT)
    assert deriver.moved(certified) == {("list", area) for area in LIST.contest.areas}
    assert deriver.moved(certified) == set()
    made = deriver.documents(places, certified)
    assert made["contest:list"]["status"] == "certified"
    assert {area["status"] for area in made["areas:list:R"]} == {"certified"}
    assert made["areas:groups:R"] == counted["areas:groups:R"]


def test_no_declaration_no_standing() -> None:
    assert standings(LIST, (), [corrected(1, "N")]) == Standings()
