"""What the authority declared beside ours: differences, and changes of a declaration that are none of the votes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from tallyroom.domain.election import Body, Definition, Rule
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.tabulation.rows import widened
from tests.support.elections import CLOSED_AT, Night, Sent, election, plan_of, with_contest

Event = dict[str, Any]


def ruled() -> Definition:
    """Seven seats by lists, a house of them."""
    made = election(2)
    body = Body(id="house", names={}, seats=7, contests=("list",))
    return with_contest(
        replace(made, bodies=(body,)), replace(made.contests[0], rule=Rule(method="hare", seats=7, law=""))
    )


DEFINITION: Final = ruled()
REPORTS: Final = (Sent("list", "u1", numbers=(10, 4, 0, 0)), Sent("list", "u3", numbers=(1, 0, 0, 0)))


def said(hours: int, **members: Any) -> Event:
    """A declaration so many hours after the polls closed."""
    at = (CLOSED_AT + timedelta(hours=hours)).isoformat()
    return {"type": "declaration", "id": f"d{hours}", "act": "seats", "reported_at": at, "source": "cec", **members}


def control(hours: int, version: int = 1, **members: Any) -> Event:
    """A declared total of the country so many hours after the polls closed."""
    return {**said(hours, contest="list", area="R", version=version, **members), "type": "control", "id": f"c{version}"}


def declared(asides: Sequence[Event], corrections: Sequence[Event] = ()) -> dict[str, Event]:
    """The section's items by id, with everything reported."""
    night = Night(DEFINITION)
    for report in REPORTS:
        night.feed(report)
    plan = plan_of(DEFINITION)
    totals = {place: widened(row, plan.contests[place[0]].width) for place, row in night.cells().items()}
    facts = Facts(totals=totals, asides=asides, corrections={"list": corrections}, now=CLOSED_AT + timedelta(days=9))
    deriver = Deriver(plan)
    deriver.documents(deriver.all_places(), replace(facts, corrections={}))
    return {item["id"]: item for item in deriver.beside(facts)["beside:declared"]["declared"]}


def test_a_control_total_is_compared_figure_by_figure_and_only_where_it_names_one() -> None:
    item = declared([control(1, counts={"P": 11, "Q": 5}, ballots={"cast": 15}, registered=35, units_reported=2)])["c1"]
    assert item["computed"]["counts"] == {"P": 11, "Q": 4}
    assert item["difference"]["counts"] == {"P": 0, "Q": 1}
    assert item["difference"]["ballots"] == {"cast": 0}
    assert (item["difference"]["registered"], item["difference"]["units_reported"]) == (0, 0)
    assert item["computed"]["units"] == {"reported": 2, "expected": 4}
    assert item["agrees"] is False
    assert declared([control(1, counts={"P": 11})])["c1"]["agrees"] is True


@pytest.mark.parametrize("about", [{"contest": "list"}, {"contest": "list", "area": "R"}, {"body": "house"}])
def test_declared_seats_stand_beside_computed_ones(about: dict[str, str]) -> None:
    item = declared([said(1, seats={"P": 6, "Q": 1}, **about)])["d1"]
    assert item["computed"] == {"seats": {"P": 5, "Q": 2}}
    assert item["difference"] == {"seats": {"P": 1, "Q": -1}}
    assert item["agrees"] is False


def test_seats_of_a_part_have_nothing_of_ours_beside_them() -> None:
    item = declared([said(1, seats={"P": 6}, contest="list", area="A")])["d1"]
    assert (item["computed"], item["agrees"]) == (None, None)


def test_a_declared_winner_agrees_with_who_leads() -> None:
    found = declared(
        [said(1, act="winner", winner="P", contest="list"), said(2, act="winner", winner="Q", contest="list")]
    )
    assert (found["d1"]["agrees"], found["d2"]["agrees"]) == (True, False)
    assert found["d2"]["changed"]["winner"] == {"before": "P", "now": "Q"}


def test_a_changed_declaration_is_told_as_such_and_votes_that_did_not_change_too() -> None:
    """Kazakhstan, 20 and 27 March 2023: 63 seats became 62, and the votes stood."""
    found = declared(
        [
            control(1, counts={"P": 11}),
            said(2, seats={"P": 6}, body="house"),
            control(3, version=2, counts={"P": 11}),
            said(4, seats={"P": 5, "Q": 2}, body="house", final=True),
        ]
    )
    assert found["d2"]["changed"] is None
    changed = found["d4"]["changed"]
    assert (changed["from"], changed["seats"]) == ("d2", {"P": {"before": 6, "now": 5}})
    assert changed["votes"] == {"declared": False, "corrected_units": 0}
    assert found["c2"]["changed"]["figures"] == {}, "declared again, the same"


def test_votes_that_did_change_between_are_told_too() -> None:
    correction = {
        "contest": "list", "unit": "u1", "area": "A", "version": 2, "kind": "correction",
        "at": int((CLOSED_AT + timedelta(hours=3)).timestamp() * 1000),
    }  # fmt: skip
    found = declared(
        [
            control(1, counts={"P": 12}),
            said(2, seats={"P": 6}, body="house"),
            control(3, version=2, counts={"P": 11}),
            said(4, seats={"P": 5}, body="house"),
        ],
        [correction, {**correction, "at": int((CLOSED_AT + timedelta(hours=5)).timestamp() * 1000), "unit": "u3"}],
    )
    assert found["d4"]["changed"]["votes"] == {"declared": True, "corrected_units": 1}
    assert found["c2"]["changed"]["figures"] == {"P": {"before": 12, "now": 11}}


def test_without_declared_totals_nobody_says_whether_votes_changed() -> None:
    found = declared([said(2, seats={"P": 6}, body="house"), said(4, seats={"P": 5}, body="house")])
    assert found["d4"]["changed"]["votes"]["declared"] is None


def test_the_same_seats_again_are_no_change_and_neither_are_seats_first_named() -> None:
    found = declared([said(1, seats={"P": 6}, body="house"), said(2, seats={"P": 6, "Q": 1}, body="house")])
    assert found["d2"]["changed"] is None
    assert (
        declared([said(1, seats={"P": 6}, body="house"), said(2, seats={"P": 5}, contest="list")])["d2"]["changed"]
        is None
    )


def test_an_act_that_is_not_possible_says_where_the_contest_stood() -> None:
    found = declared([said(1, act="suspension", contest="list"), said(2, act="certification", contest="list")])
    assert found["d2"]["impossible"] == "suspended"
    assert "impossible" not in found["d1"]
