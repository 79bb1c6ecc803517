"""Each change of the definition: what it does, what it refuses, and that it never counts a vote twice."""

from dataclasses import replace
from typing import Final

import pytest

from tallyroom.domain.election import CandidateVotes, Closure, Contest, Definition, ReportingUnit, Role, Selection
from tallyroom.domain.events import (
    AddSelection,
    AddUnit,
    Amendment,
    Change,
    CloseUnit,
    MergeUnits,
    MoveUnit,
    Refusal,
    ReopenUnit,
    ReregisterUnit,
    WithdrawSelection,
)
from tallyroom.results.areas import area_document
from tallyroom.results.register import expectations
from tallyroom.tabulation.amend import AmendmentError, amend
from tallyroom.tabulation.supersede import Refused
from tests.support.elections import CHAIN, Amend, Night, Sent, election, with_contest

DEFINITION: Final = election(2)
U1: Final = Sent("list", "u1", numbers=(5, 3, 1, 0), invalid=2)


def amended(*changes: Change, definition: Definition = DEFINITION) -> Definition:
    """The definition after these changes."""
    return amend(definition, Amendment(id="a", previous=CHAIN, changes=changes))


def contest_of(definition: Definition, identifier: str = "list") -> Contest:
    """One contest of the definition."""
    return next(contest for contest in definition.contests if contest.id == identifier)


def night_after(*items: Sent | Amend, definition: Definition = DEFINITION) -> Night:
    """A night fed with these, none of them refused."""
    night = Night(definition)
    for item in items:
        answer = night.feed(item)
        assert not isinstance(answer, Refused), answer
    return night


def figures(night: Night, contest: str = "list", area: str = "R") -> dict[str, int]:
    """The area's figures that are not 0."""
    plan = night.plan.contests[contest]
    row = night.folds[0].cells()[contest, area]
    return {name: row[plan.column(name)] for name in plan.figures if row[plan.column(name)]}


def test_add_unit_places_it_in_each_contest() -> None:
    unit = ReportingUnit(id="n1", registered=7)
    made = amended(AddUnit(unit=unit, contests={"list": "A", "groups": "B"}))
    assert made.units[-1] is unit
    assert contest_of(made).units["n1"] == "A"
    assert contest_of(made, "groups").units["n1"] == "B"
    assert "n1" not in contest_of(made, "inside").units


def test_close_unit_in_one_contest_or_in_all() -> None:
    assert contest_of(amended(CloseUnit(unit="u1", contest="groups"))).closed_units == {}
    made = amended(CloseUnit(unit="u1"))
    assert [contest.closed_units for contest in made.contests] == [{"u1": Closure.CLOSED}] * 3


def test_reopen_unit_in_one_contest_or_in_all() -> None:
    closed = CloseUnit(unit="u1")
    made = amended(closed, ReopenUnit(unit="u1", contest="groups"))
    assert [contest.closed_units for contest in made.contests] == [{"u1": Closure.CLOSED}, {}, {"u1": Closure.CLOSED}]
    assert amended(closed, ReopenUnit(unit="u1")) == DEFINITION
    with pytest.raises(AmendmentError, match="merged"):
        amended(MergeUnits(units=("u1",), into="u4"), ReopenUnit(unit="u1"))


def test_what_a_closed_unit_reported_stays_and_it_reports_again_once_reopened() -> None:
    night = night_after(U1, Amend((CloseUnit(unit="u1"),)))
    kept = figures(night)
    refused = night.feed(replace(U1, version=2, numbers=(9,)))
    assert isinstance(refused, Refused)
    assert (refused.refusal, figures(night)) == (Refusal.CLOSED_UNIT, kept)
    assert night.feed(Amend((ReopenUnit(unit="u1"),))) is None
    assert figures(night) == kept
    assert not isinstance(night.feed(replace(U1, version=2, numbers=(9,))), Refused)
    assert figures(night)["P"] == 9


def test_merge_units_adds_the_registers_where_both_are_known() -> None:
    made = {unit.id: unit.registered for unit in amended(MergeUnits(units=("u1", "u2"), into="u4")).units}
    assert made == {"u1": 0, "u2": 0, "u3": None, "u4": 35}
    made = {unit.id: unit.registered for unit in amended(MergeUnits(units=("u3",), into="u4")).units}
    assert made["u4"] is None


def test_move_and_reregister() -> None:
    made = amended(MoveUnit(unit="u1", contest="list", area="B"), ReregisterUnit(unit="u1", registered=3))
    assert contest_of(made).units["u1"] == "B"
    assert contest_of(made, "groups").units["u1"] == "A"
    assert made.units[0].registered == 3


def test_added_selections_come_last() -> None:
    made = amended(AddSelection(contest="list", selection=Selection(id="Z", names={})))
    assert [selection.id for selection in contest_of(made).selections] == ["P", "Q", "AGAINST", "REST", "Z"]


@pytest.mark.parametrize(
    "change",
    [
        AddUnit(unit=ReportingUnit(id="u1"), contests={}),
        AddUnit(unit=ReportingUnit(id="n1"), contests={"ghost": "A"}),
        AddUnit(unit=ReportingUnit(id="n1"), contests={"list": "ghost"}),
        CloseUnit(unit="ghost"),
        CloseUnit(unit="u2", contest="inside"),
        MergeUnits(units=("ghost",), into="u1"),
        MergeUnits(units=("u1",), into="ghost"),
        MergeUnits(units=("u1",), into="u1"),
        ReopenUnit(unit="ghost"),
        ReopenUnit(unit="u1"),
        MoveUnit(unit="ghost", contest="list", area="A"),
        MoveUnit(unit="u2", contest="inside", area="A"),
        MoveUnit(unit="u1", contest="list", area="ghost"),
        ReregisterUnit(unit="ghost", registered=1),
        AddSelection(contest="list", selection=Selection(id="P", names={})),
        AddSelection(contest="ghost", selection=Selection(id="Z", names={})),
        WithdrawSelection(contest="list", selection="ghost"),
        WithdrawSelection(contest="list", selection="P", counts_as="P"),
        WithdrawSelection(contest="list", selection="P", counts_as="ghost"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused(change: Change) -> None:
    with pytest.raises(AmendmentError):
        amended(change)


def test_all_changes_or_none() -> None:
    with pytest.raises(AmendmentError):
        amended(ReregisterUnit(unit="u1", registered=3), CloseUnit(unit="ghost"))
    assert election(2) == DEFINITION


@pytest.mark.parametrize(
    "change",
    [
        AddSelection(contest="list", selection=Selection(id="Z", names={}, counts_as="ghost")),
        AddSelection(contest="list", selection=Selection(id="Z", names={}, parent="ghost")),
        AddSelection(contest="list", selection=Selection(id="a|b", names={})),
        AddUnit(unit=ReportingUnit(id="n1", registered=-5), contests={"list": "A"}),
        AddUnit(unit=ReportingUnit(id="a|b"), contests={"list": "A"}),
        AddUnit(unit=ReportingUnit(id="n1", pool="ghost"), contests={"list": "A"}),
    ],
    ids=str,
)
def test_an_amendment_may_not_make_the_definition_unsound(change: Change) -> None:
    """What `problems` would not let start a night must not come in by an amendment; above all it must not raise."""
    answer = Night(DEFINITION).feed(Amend((change,)))
    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.INVALID_AMENDMENT


def test_a_unit_named_twice_in_a_merger_brings_its_register_once() -> None:
    change = MergeUnits(units=("u1", "u1"), into="u4")
    try:
        made = amended(change)
    except AmendmentError:
        return
    assert {unit.id: unit.registered for unit in made.units}["u4"] == 35


def test_a_merged_unit_stays_merged() -> None:
    """Its votes are counted with its heir: closing it afterwards must not bring them back."""
    merge, close = Amend((MergeUnits(units=("u1",), into="u4"),)), Amend((CloseUnit(unit="u1"),))
    night = night_after(U1, merge, replace(U1, unit="u4"))
    votes = figures(night)
    night.feed(close)
    assert figures(night) == votes


def test_units_are_not_merged_into_one_that_is_closed_itself() -> None:
    with pytest.raises(AmendmentError):
        amended(MergeUnits(units=("u1",), into="u2"), MergeUnits(units=("u4",), into="u1"))


def test_units_are_not_merged_into_one_that_a_contest_does_not_have() -> None:
    """u1 and u3 report in ``inside``, u2 does not: u1's votes there would be withdrawn and counted nowhere."""
    with pytest.raises(AmendmentError):
        amended(MergeUnits(units=("u1",), into="u2"))


def test_votes_of_a_withdrawn_selection_become_invalid_or_go_to_its_heir() -> None:
    invalid = Amend((WithdrawSelection(contest="list", selection="P", counts_as="invalid"),))
    assert figures(night_after(U1, invalid)) == {"cast": 11, "valid": 4, "invalid": 7, "Q": 3, "AGAINST": 1}
    heir = Amend((WithdrawSelection(contest="list", selection="P", counts_as="Q"),))
    assert figures(night_after(U1, heir)) == {"cast": 11, "valid": 9, "invalid": 2, "Q": 8, "AGAINST": 1}


@pytest.mark.parametrize(("first", "second"), [("P", "Q"), ("Q", "P")])
def test_an_heir_that_withdraws_too_passes_on_what_it_inherited(first: str, second: str) -> None:
    """The order of the ballot must not decide where votes go: ``first`` -> ``second`` -> AGAINST."""
    night = Night(DEFINITION)
    night.feed(U1)
    night.feed(Amend((WithdrawSelection(contest="list", selection=first, counts_as=second),)))
    night.feed(Amend((WithdrawSelection(contest="list", selection=second, counts_as="AGAINST"),)))
    assert figures(night) == {"cast": 11, "valid": 9, "invalid": 2, "AGAINST": 9}


def test_two_selections_cannot_be_each_others_heirs() -> None:
    with pytest.raises(AmendmentError):
        amended(
            WithdrawSelection(contest="list", selection="P", counts_as="Q"),
            WithdrawSelection(contest="list", selection="Q", counts_as="P"),
        )


COUNCIL: Final = Sent("inside", "u1", numbers=(4, 2, 5))  # L1a 4, L1b 2 (L1 6), L2a 5 (L2 5)


@pytest.mark.parametrize(
    ("selection", "counts_as"),
    [("L1a", "invalid"), ("L1a", "L1"), ("L1a", "L2a"), ("L1a", "L1b"), ("L1", "invalid"), ("L1", "L2"), ("L1a", "L2")],
)
def test_a_withdrawal_inside_a_list_keeps_list_and_candidates_together(selection: str, counts_as: str) -> None:
    """Refused, or: lists still are the sums of their candidates where they have any votes, and lists sum to valid."""
    night = Night(DEFINITION)
    night.feed(COUNCIL)
    answer = night.feed(Amend((WithdrawSelection(contest="inside", selection=selection, counts_as=counts_as),)))
    if isinstance(answer, Refused):
        return
    got = figures(night, "inside")
    assert got.get("L1", 0) + got.get("L2", 0) == got.get("valid", 0), got
    if (selection, counts_as) != ("L1a", "L1"):  # there the list keeps votes that no candidate has
        assert got.get("L1", 0) == got.get("L1a", 0) + got.get("L1b", 0), got
        assert got.get("L2", 0) == got.get("L2a", 0), got


def test_withdrawn_marks_are_no_ballots() -> None:
    """With three marks a ballot, 12 marks for a withdrawn selection do not make 12 of 5 valid ballots invalid."""
    contest = contest_of(DEFINITION)
    accounting = replace(
        contest.accounting,
        marks_per_ballot=3,
        identities=contest.accounting.identities[:1],
        candidate_votes=CandidateVotes.BESIDE,
    )
    definition = with_contest(DEFINITION, replace(contest, accounting=accounting))
    night = Night(definition)
    event = U1.event(definition)
    event.counts.update({"P": 12, "Q": 1, "AGAINST": 0, "REST": 0})
    event.ballots.update({"cast": 5, "valid": 5, "invalid": 0})
    assert not isinstance(night.folds[0].report(event, U1.key, 0), Refused)
    answer = night.feed(Amend((WithdrawSelection(contest="list", selection="P", counts_as="invalid"),)))
    if not isinstance(answer, Refused):
        assert min(figures(night).values()) >= 0, figures(night)
        assert figures(night)["valid"] + figures(night).get("invalid", 0) == 5


def test_closing_an_area_whole_leaves_it_complete() -> None:
    """Every expected unit is complete or closed and nothing is outstanding (the status rule)."""
    night = night_after(Sent("list", "u3", numbers=(1, 2, 0, 0)), Amend((CloseUnit(unit="u3"),)))
    plan = night.plan.contests["list"]
    shown = area_document(
        plan, "B", "region", night.folds[0].cells()["list", "B"], expectations(night.plan, plan)["B"], ()
    )
    assert shown["counts"] == {"P": 1, "Q": 2, "AGAINST": 0, "REST": 0}
    assert shown["status"] == "unofficial-complete"


def test_turnout_of_closed_units_has_their_register_below_it() -> None:
    """u1: 10 of 10 voted, then closed; u4: 5 of 25. Ballots of both stay, so the voters of both do: 15 of 35."""
    night = night_after(
        Sent("list", "u1", numbers=(9, 1, 0, 0)),
        Amend((CloseUnit(unit="u1"),)),
        Sent("list", "u4", numbers=(5, 0, 0, 0)),
    )
    plan = night.plan.contests["list"]
    shown = area_document(
        plan, "R", "country", night.folds[0].cells()["list", "R"], expectations(night.plan, plan)["R"], ()
    )
    assert shown["ballots_cast"] == 15
    assert shown["turnout_reported"] == "0.428571"


def test_a_register_that_a_closed_unit_had_reported_stays() -> None:
    night = night_after(Sent("list", "u1", numbers=(1, 0, 0, 0), registered=12))
    plan = night.plan.contests["list"]

    def registered() -> object:
        expected = expectations(night.plan, night.plan.contests["list"])["A"]
        return area_document(plan, "A", "region", night.folds[0].cells()["list", "A"], expected, ())[
            "voters_registered"
        ]

    assert registered() == 12
    night.feed(Amend((CloseUnit(unit="u1"),)))
    assert registered() == 12


def test_a_unit_reports_for_an_added_selection_from_then_on() -> None:
    added = Amend((AddSelection(contest="list", selection=Selection(id="Z", names={}, role=Role.CANDIDATE)),))
    night = night_after(U1, added, replace(U1, version=2, numbers=(5, 3, 1, 0, 4)))
    assert figures(night)["Z"] == 4
    old = night.folds[0].report(replace(U1, version=3).event(DEFINITION), U1.key, 9)
    assert isinstance(old, Refused)
    assert old.refusal is Refusal.MISSING_SELECTION


def test_the_report_that_is_held_may_come_again_after_a_selection_was_added() -> None:
    """Redelivery is a duplicate whatever happened in between; as a new version's first state it would be refused."""
    added = Amend((AddSelection(contest="list", selection=Selection(id="Z", names={})),))
    night = night_after(U1, added)
    again = night.feed(replace(U1, numbers=(5, 3, 1, 0, 0)))
    assert not isinstance(again, Refused), again
