"""Amendments in the middle of a night: what they change, what they keep, and that none of them loses or doubles a vote."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.domain.election import Closure, Definition, ReportingUnit
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
from tallyroom.results.register import expectations
from tallyroom.tabulation.amend import amend
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.rows import COUNTERS, widened
from tallyroom.tabulation.supersede import Refused, Verdict
from tests.support.elections import CHAIN, Amend, Night, Sent, election
from tests.support.histories import sent
from tests.support.oracle import fed, oracle, recomputed, votes_of

SMALL: Final = election(2)


def from_the_start(definition: Definition, change: Change) -> Definition:
    """The definition as it would have been had the change been known."""
    return amend(definition, Amendment(id="known", previous=CHAIN, changes=(change,)))


@given(
    st.sampled_from(
        (
            AddUnit(unit=ReportingUnit(id="n1", registered=4), contests={"list": "A"}),
            AddUnit(unit=ReportingUnit(id="n1"), contests={"list": "R", "groups": "B"}),
            MoveUnit(unit="u1", contest="list", area="B"),
            MoveUnit(unit="u4", contest="groups", area="A"),
            ReregisterUnit(unit="u3", registered=12),
            ReregisterUnit(unit="u1", registered=None),
        )
    ),
    st.lists(sent(SMALL), max_size=12),
    st.lists(sent(SMALL, ("n1",)), max_size=12),
)
def test_an_amended_night_equals_one_that_had_been_so_from_the_start(
    change: Change, before: list[Sent], after: list[Sent]
) -> None:
    if not isinstance(change, AddUnit):
        after = [item for item in after if item.unit != "n1"]
    amended = fed(SMALL, [*before, Amend((change,)), *after])
    known = fed(from_the_start(SMALL, change), [*before, *after])
    assert amended.units() == known.units()
    assert amended.cells() == known.cells()


@pytest.mark.parametrize("heir", ["invalid", "Q", "REST", None])
@given(reports=st.lists(sent(SMALL), max_size=15), cut=st.integers(0, 15))
def test_withdrawing_a_selection_conserves_votes(heir: str | None, reports: list[Sent], cut: int) -> None:
    plain = fed(SMALL, [*reports])
    change = WithdrawSelection(contest="list", selection="P", counts_as=heir)
    night = fed(SMALL, [*reports[:cut], Amend((change,)), *reports[cut:]])
    plan = plain.plan.contests["list"]
    for area in plan.contest.areas:
        old = widened(plain.cells().get(("list", area), ()), plan.width)
        new = widened(night.cells().get(("list", area), ()), plan.width)
        was = dict(zip(plan.figures, old[COUNTERS:], strict=True))
        now = dict(zip(plan.figures, new[COUNTERS:], strict=True))
        assert now["valid"] + now["invalid"] == now["cast"] == was["cast"]
        assert sum(now[name] for name in plan.selections) == now["valid"]
        if heir is None:
            assert now == was
        else:
            assert now["P"] == 0
            assert now[heir] == was[heir] + was["P"]


@given(st.lists(sent(SMALL), max_size=15), st.lists(sent(SMALL), max_size=8))
def test_closing_keeps_the_counts_and_expects_the_unit_no_longer(before: list[Sent], after: list[Sent]) -> None:
    night = fed(SMALL, [*before])
    votes = votes_of(night)
    assert night.feed(Amend((CloseUnit(unit="u1"),))) is None
    assert votes_of(night) == votes
    plan = night.plan.contests["list"]
    assert expectations(night.plan, plan)["A"].units == 1
    for item in after:
        answer = night.feed(item)
        if item.unit == "u1":
            assert isinstance(answer, Refused)
            assert answer.refusal is Refusal.CLOSED_UNIT


@given(st.lists(sent(SMALL), max_size=15))
def test_merging_withdraws_the_counts_and_hands_over_the_register(before: list[Sent]) -> None:
    night = fed(SMALL, [*before])
    assert night.feed(Amend((MergeUnits(units=("u1",), into="u4"),))) is None
    assert votes_of(night) == oracle(SMALL, [item for item in before if item.unit != "u1"])
    plan = night.plan.contests["list"]
    assert plan.contest.closed_units == {"u1": Closure.MERGED}
    assert expectations(night.plan, plan)["R"].registered == 10 + 25


@given(st.lists(sent(SMALL), max_size=15))
def test_rows_from_before_a_selection_was_added_stay_readable(before: list[Sent]) -> None:
    night = fed(SMALL, [*before])
    night.take()
    units, cells = night.stored[0]
    votes = votes_of(night)
    added = replace(SMALL.contests[0].selections[0], id="Z")
    assert night.feed(Amend((AddSelection(contest="list", selection=added),))) is None
    resumed = PartitionFold(night.plan, 0, 1)
    resumed.load(units.items(), [(*place, row) for place, row in cells.items()])
    night.folds[0] = resumed
    assert votes_of(night) == votes
    late = Sent("list", "u2", version=9, numbers=(1, 2, 3, 4, 5))
    assert isinstance(night.feed(late), Verdict)
    assert night.cells() == recomputed(night.plan, night.units())
    assert widened(night.cells()["list", "A"], night.plan.contests["list"].width)[-1] == 5


@given(st.lists(sent(SMALL), max_size=12))
def test_a_refused_amendment_changes_nothing(before: list[Sent]) -> None:
    night = fed(SMALL, [*before])
    night.take()
    cells, chain = night.cells(), night.plan.chain
    half = (ReregisterUnit(unit="u1", registered=1), MoveUnit(unit="u1", contest="list", area="ghost"))
    answer = night.feed(Amend(half))
    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.INVALID_AMENDMENT
    foreign = night.folds[0].amend(Amendment(id="x", previous="other", changes=half[:1]), "chain-x")
    assert isinstance(foreign, Refused)
    assert (night.cells(), night.plan.chain) == (cells, chain)
    assert night.folds[0].take().cells == {}


@given(st.lists(sent(SMALL), max_size=15), st.lists(sent(SMALL), max_size=8))
def test_a_unit_closed_by_mistake_is_as_it_was_once_it_is_reopened(before: list[Sent], after: list[Sent]) -> None:
    plain = fed(SMALL, [*before])
    night = fed(SMALL, [*before, Amend((CloseUnit(unit="u1"),)), Amend((ReopenUnit(unit="u1"),))])
    contest = night.plan.contests["list"]
    assert contest.contest.closed_units == {}
    assert expectations(night.plan, contest) == expectations(plain.plan, plain.plan.contests["list"])
    for item in after:
        answers = [one.feed(item) for one in (plain, night)]
        assert answers[0] == answers[1]
    assert night.cells() == plain.cells()


def test_only_what_was_closed_and_not_merged_is_reopened() -> None:
    night = Night(SMALL)
    for change in (ReopenUnit(unit="u1"), ReopenUnit(unit="ghost")):
        answer = night.feed(Amend((change,)))
        assert isinstance(answer, Refused)
        assert "not closed" in answer.detail
    assert night.feed(Amend((CloseUnit(unit="u1", contest="list"), MergeUnits(units=("u2",), into="u4")))) is None
    assert night.feed(Amend((ReopenUnit(unit="u1", contest="groups"),))) is not None
    answer = night.feed(Amend((ReopenUnit(unit="u2"),)))
    assert isinstance(answer, Refused)
    assert "merged" in answer.detail
    assert night.feed(Amend((ReopenUnit(unit="u1", contest="list"),))) is None
    assert isinstance(night.feed(Sent("list", "u1", numbers=(1,))), Verdict)
