"""Totals are a function of {unit -> newest accepted report}: never of order, slicing, partitions or what came twice."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tallyroom.codec import packed
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
    ReregisterUnit,
    WithdrawSelection,
)
from tallyroom.results.register import expectations
from tallyroom.tabulation.amend import amend
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import COUNTERS, Column, Row, plus, widened
from tallyroom.tabulation.supersede import Refused, State, Verdict
from tallyroom.tabulation.tabulate import tabulate
from tests.support.elections import (
    CHAIN,
    Amend,
    Cells,
    Item,
    Levels,
    Night,
    Sent,
    consistent,
    election,
    garbage,
    histories,
    plan_of,
    sent,
    stripped,
    summed,
)

TREES: Final[tuple[Levels, ...]] = (2, 4)
ELECTIONS: Final[Mapping[Levels, Definition]] = {levels: election(levels) for levels in TREES}

levels_and_history = st.sampled_from(TREES).flatmap(
    lambda levels: st.tuples(st.just(levels), histories(ELECTIONS[levels]))
)


def recomputed(plan: Plan, units: Mapping[str, State]) -> Cells:
    """All cells from nothing."""
    return stripped(tabulate(plan, units))


def fed(definition: Definition, history: list[Item], partitions: int = 1) -> Night:
    """A night that was fed all of it."""
    night = Night(definition, partitions)
    for item in history:
        night.feed(item)
    return night


@given(levels_and_history, st.integers(1, 3), st.data())
def test_running_totals_equal_a_recount_after_every_prefix(
    drawn: tuple[Levels, list[Item]], partitions: int, data: st.DataObject
) -> None:
    levels, history = drawn
    definition = ELECTIONS[levels]
    night = Night(definition, partitions)
    for item in history:
        night.feed(item)
        if data.draw(st.booleans(), label="taken"):
            night.take()
        elif data.draw(st.booleans(), label="looked at"):
            assert night.cells() == recomputed(night.plan, night.units())
    assert night.cells() == recomputed(night.plan, night.units())


@given(levels_and_history, st.integers(1, 3), st.data())
def test_what_take_gives_out_is_all_a_store_needs(
    drawn: tuple[Levels, list[Item]], partitions: int, data: st.DataObject
) -> None:
    """However the prefix is sliced: units and cells given out so far are the state, and none of them is stale."""
    levels, history = drawn
    definition = ELECTIONS[levels]
    night = Night(definition, partitions)
    for item in history:
        night.feed(item)
        if data.draw(st.booleans(), label="taken"):
            night.take()
            assert summed([cells for _, cells in night.stored]) == recomputed(night.plan, night.units())
    night.take()
    assert [units for units, _ in night.stored] == [dict(fold.units()) for fold in night.folds]
    assert summed([cells for _, cells in night.stored]) == recomputed(night.plan, night.units())


def test_an_amendment_does_not_swallow_totals_that_changed_in_the_same_slice() -> None:
    """The plain case of the property above: a report, then an amendment that leaves its area's cell as it is."""
    night = Night(ELECTIONS[2])
    night.feed(Sent("list", "u1", numbers=(7, 2, 1, 0)))
    night.feed(Amend((ReregisterUnit(unit="u3", registered=5),)))
    night.take()
    assert stripped(night.stored[0][1]) == recomputed(night.plan, night.units())


@given(levels_and_history)
def test_an_area_is_the_sum_of_its_children_and_its_own_units(drawn: tuple[Levels, list[Item]]) -> None:
    night = fed(ELECTIONS[drawn[0]], drawn[1])
    cells = night.cells()
    for contest in night.plan.contests.values():
        width = contest.width
        own: dict[str, Row] = {}
        for name, state in night.units().items():
            if name.startswith(f"{contest.id}|"):
                unit = name.partition("|")[2].partition("#")[0]
                area = contest.contest.units[unit]
                row = tabulate(night.plan, {name: state})[contest.id, area]
                own[area] = plus(own.get(area, (0,) * width), row)
        for area in contest.contest.areas:
            parts = own.get(area, (0,) * width)
            for child in contest.children.get(area, ()):
                parts = plus(parts, widened(cells.get((contest.id, child), ()), width))
            assert widened(cells.get((contest.id, area), ()), width) == parts, (contest.id, area)


def oracle(definition: Definition, reports: list[Sent]) -> dict[tuple[str, str], dict[str, int]]:
    """Votes by contest and area from the newest version of every leaf, without any of the code under test."""
    newest: dict[str, Sent] = {}
    for item in reports:
        if item.leaf not in newest or newest[item.leaf].version < item.version:
            newest[item.leaf] = item
    made: dict[tuple[str, str], dict[str, int]] = {}
    for item in newest.values():
        contest = next(c for c in definition.contests if c.id == item.contest)
        if item.disposition != "counted" or item.kind == "retraction":
            continue
        area: str | None = contest.units[item.unit]
        while area is not None:
            votes = made.setdefault((contest.id, area), {})
            for name, number in item.counts(contest).items():
                votes[name] = votes.get(name, 0) + number
            area = contest.areas[area]
    return {place: {name: n for name, n in votes.items() if n} for place, votes in made.items() if any(votes.values())}


def votes_of(night: Night) -> dict[tuple[str, str], dict[str, int]]:
    """The night's votes by contest and area, as the oracle writes them."""
    made: dict[tuple[str, str], dict[str, int]] = {}
    for place, row in night.cells().items():
        plan = night.plan.contests[place[0]]
        votes = widened(row, plan.width)[COUNTERS + len(plan.measures) :]
        shown = {name: n for name, n in zip(plan.selections, votes, strict=True) if n}
        if shown:
            made[place] = shown
    return made


@given(
    st.sampled_from(TREES).flatmap(lambda n: st.tuples(st.just(n), consistent(ELECTIONS[n]))),
    st.integers(1, 4),
    st.data(),
)
def test_order_repetition_and_lateness_change_nothing(
    drawn: tuple[Levels, list[Sent]], partitions: int, data: st.DataObject
) -> None:
    levels, reports = drawn
    definition = ELECTIONS[levels]
    again = data.draw(st.lists(st.sampled_from(reports), max_size=10)) if reports else []
    shuffled = data.draw(st.permutations([*reports, *again]))
    plain = fed(definition, [*reports])
    mixed = Night(definition, partitions)
    for item in shuffled:
        assert isinstance(mixed.feed(item), Verdict), "nothing here may be refused"
    assert mixed.units() == plain.units()
    assert mixed.cells() == plain.cells()
    assert votes_of(mixed) == oracle(definition, reports)


@given(levels_and_history, levels_and_history, st.integers(1, 3))
def test_continuing_from_the_store_is_like_never_having_stopped(
    drawn: tuple[Levels, list[Item]], more: tuple[Levels, list[Item]], partitions: int
) -> None:
    levels, history = drawn
    definition = ELECTIONS[levels]
    rest = [item for item in more[1] if isinstance(item, Amend) or (item.contest == "list" and item.unit < "u5")]
    night = fed(definition, history, partitions)
    night.take()
    resumed = Night(definition, partitions, len(history))
    for number, (units, cells) in enumerate(night.stored):
        resumed.folds[number] = PartitionFold(night.plan, number, partitions)
        resumed.folds[number].load(
            [(name, packed.unpack(packed.pack(state))) for name, state in units.items()],
            [(*place, packed.unpack(packed.pack(row))) for place, row in cells.items()],
        )
    assert resumed.units() == night.units()
    assert resumed.cells() == night.cells()
    for item in rest:
        assert resumed.feed(item) == night.feed(item)
    assert resumed.units() == night.units()
    assert resumed.cells() == night.cells() == recomputed(night.plan, night.units())


@given(st.sampled_from(TREES).flatmap(lambda n: st.tuples(st.just(n), histories(ELECTIONS[n]), garbage(ELECTIONS[n]))))
def test_a_refused_report_changes_nothing(drawn: tuple[Levels, list[Item], Sent]) -> None:
    levels, history, bad = drawn
    definition = ELECTIONS[levels]
    night = fed(definition, history)
    fold = night.folds[0]
    fold.take()
    units, cells, before = night.units(), night.cells(), fold.tallies.quarantined
    assert isinstance(night.feed(bad), Refused)
    changes = fold.take()
    assert (changes.units, changes.cells, changes.decreases) == ({}, {}, [])
    assert night.units() == units
    assert night.cells() == cells
    assert fold.tallies.quarantined == before + 1


@given(st.sampled_from(TREES).flatmap(lambda n: st.tuples(st.just(n), consistent(ELECTIONS[n]))), st.data())
def test_the_same_version_with_other_figures_is_refused(drawn: tuple[Levels, list[Sent]], data: st.DataObject) -> None:
    levels, reports = drawn
    definition = ELECTIONS[levels]
    night = fed(definition, [*reports])
    held = {item.leaf: item for item in sorted(reports, key=lambda item: item.version)}
    if not held:
        return
    item = data.draw(st.sampled_from(sorted(held.values(), key=lambda item: item.leaf)))
    other = replace(item, numbers=tuple(number + 1 for number in item.numbers))
    cells = night.cells()
    answer = night.feed(other)
    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.EQUIVOCATION
    assert night.cells() == cells


@given(levels_and_history)
def test_never_more_units_than_expected_and_nothing_negative(drawn: tuple[Levels, list[Item]]) -> None:
    levels, history = drawn
    definition = ELECTIONS[levels]
    night = Night(definition)
    for item in history:
        night.feed(item)
    cells = night.cells()
    for contest in night.plan.contests.values():
        expected = expectations(night.plan, contest)
        for area in contest.contest.areas:
            row = widened(cells.get((contest.id, area), ()), contest.width)
            groups = (
                Column.COMPLETE,
                Column.PARTIAL,
                Column.HELD,
                Column.ANNULLED,
                Column.NOT_OPENED,
                Column.CANCELLED,
            )
            assert sum(row[column] for column in groups) <= expected[area].units, (contest.id, area)
            shown = [value for column, value in enumerate(row) if column != Column.REGISTERED_CHANGE]
            assert min(shown) >= 0, (contest.id, area, row)
            assert expected[area].registered + row[Column.REGISTERED_CHANGE] >= 0


@given(levels_and_history)
def test_every_fall_of_a_figure_is_labelled(drawn: tuple[Levels, list[Item]]) -> None:
    """And nothing else is: figures of a unit that an accepted report made lower, name by name."""
    levels, history = drawn
    definition = ELECTIONS[levels]
    night = Night(definition)
    for item in history:
        before = night.units()
        night.fell.clear()
        night.feed(item)
        night.take()
        if isinstance(item, Amend):
            assert night.fell == []
            continue
        expected: list[tuple[str, Mapping[str, tuple[int, int]]]] = []
        for name, state in night.units().items():
            if before.get(name, state) != state:
                plan = night.plan.contests[name.partition("|")[0]]
                old, new = (
                    tabulate(night.plan, {name: one})[plan.id, plan.root][COUNTERS:] for one in (before[name], state)
                )
                pairs = zip(plan.figures, old, new, strict=True)
                falls = {figure: (was, now) for figure, was, now in pairs if now < was}
                expected += [(name, falls)] if falls else []
        assert night.fell == expected
        event(f"falls: {len(expected)}")


def test_a_decrease_carries_the_sources_reason_or_says_that_there_is_none() -> None:
    night = Night(ELECTIONS[2])
    fold = night.folds[0]
    for version, reason in ((1, None), (2, None), (3, "recounted")):
        night.feed(Sent("list", "u1", version=version, numbers=(9 - version,), reason=reason, kind="correction"))
    first, second = fold.take().decreases
    assert (first.reason, first.version, first.before_version) == ("reason not stated by source", 2, 1)
    assert (second.reason, second.kind) == ("recounted", "correction")
    assert second.figures["P"] == (7, 6)


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
    st.lists(sent(ELECTIONS[2]), max_size=12),
    st.lists(sent(ELECTIONS[2], ("n1",)), max_size=12),
)
def test_an_amended_night_equals_one_that_had_been_so_from_the_start(
    change: Change, before: list[Sent], after: list[Sent]
) -> None:
    if not isinstance(change, AddUnit):
        after = [item for item in after if item.unit != "n1"]
    amended = fed(ELECTIONS[2], [*before, Amend((change,)), *after])
    known = fed(from_the_start(ELECTIONS[2], change), [*before, *after])
    assert amended.units() == known.units()
    assert amended.cells() == known.cells()


@pytest.mark.parametrize("heir", ["invalid", "Q", "REST", None])
@given(reports=st.lists(sent(ELECTIONS[2]), max_size=15), cut=st.integers(0, 15))
def test_withdrawing_a_selection_conserves_votes(heir: str | None, reports: list[Sent], cut: int) -> None:
    plain = fed(ELECTIONS[2], [*reports])
    change = WithdrawSelection(contest="list", selection="P", counts_as=heir)
    night = fed(ELECTIONS[2], [*reports[:cut], Amend((change,)), *reports[cut:]])
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


@given(st.lists(sent(ELECTIONS[2]), max_size=15), st.lists(sent(ELECTIONS[2]), max_size=8))
def test_closing_keeps_the_counts_and_expects_the_unit_no_longer(before: list[Sent], after: list[Sent]) -> None:
    night = fed(ELECTIONS[2], [*before])
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


@given(st.lists(sent(ELECTIONS[2]), max_size=15))
def test_merging_withdraws_the_counts_and_hands_over_the_register(before: list[Sent]) -> None:
    night = fed(ELECTIONS[2], [*before])
    assert night.feed(Amend((MergeUnits(units=("u1",), into="u4"),))) is None
    assert votes_of(night) == oracle(ELECTIONS[2], [item for item in before if item.unit != "u1"])
    plan = night.plan.contests["list"]
    assert plan.contest.closed_units == {"u1": Closure.MERGED}
    assert expectations(night.plan, plan)["R"].registered == 10 + 25


@given(st.lists(sent(ELECTIONS[2]), max_size=15))
def test_rows_from_before_a_selection_was_added_stay_readable(before: list[Sent]) -> None:
    night = fed(ELECTIONS[2], [*before])
    night.take()
    units, cells = night.stored[0]
    votes = votes_of(night)
    added = replace(ELECTIONS[2].contests[0].selections[0], id="Z")
    assert night.feed(Amend((AddSelection(contest="list", selection=added),))) is None
    resumed = PartitionFold(night.plan, 0, 1)
    resumed.load(units.items(), [(*place, row) for place, row in cells.items()])
    night.folds[0] = resumed
    assert votes_of(night) == votes
    late = Sent("list", "u2", version=9, numbers=(1, 2, 3, 4, 5))
    assert isinstance(night.feed(late), Verdict)
    assert night.cells() == recomputed(night.plan, night.units())
    assert widened(night.cells()["list", "A"], night.plan.contests["list"].width)[-1] == 5


@given(st.lists(sent(ELECTIONS[2]), max_size=12))
def test_a_refused_amendment_changes_nothing(before: list[Sent]) -> None:
    night = fed(ELECTIONS[2], [*before])
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


def test_the_strategies_reach_what_they_are_for() -> None:
    """A property over a generator that never makes the interesting thing proves nothing."""
    plan = plan_of(ELECTIONS[4])
    night = Night(ELECTIONS[4], 3)
    assert len({fold.partition for fold in night.folds}) == 3
    assert [*plan.contests["list"].ancestry("N1a")] == ["N1a", "N1", "N", "R"]
    assert isinstance(night.feed(Sent("groups", "u1", group="advance", numbers=(1,))), Verdict)
    assert isinstance(night.feed(Sent("inside", "u3", numbers=(1, 2, 3))), Verdict)
    assert votes_of(night)["inside", "R"] == {"L1": 3, "L1a": 1, "L1b": 2, "L2": 3, "L2a": 3}
