"""Totals are a function of {unit -> newest accepted report}: never of order, slicing, partitions or what came twice."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hypothesis import event, given
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.domain.election import Definition
from tallyroom.domain.events import (
    Refusal,
    ReregisterUnit,
)
from tallyroom.results.register import expectations
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.rows import COUNTERS, Column, Row, plus, widened
from tallyroom.tabulation.supersede import Refused, Verdict
from tallyroom.tabulation.tabulate import tabulate
from tests.support.elections import (
    Amend,
    Item,
    Levels,
    Night,
    Sent,
    election,
    plan_of,
    stripped,
    summed,
)
from tests.support.histories import consistent, garbage, histories, successions
from tests.support.oracle import fed, oracle, recomputed, votes_of

TREES: Final[tuple[Levels, ...]] = (2, 4)
ELECTIONS: Final[Mapping[Levels, Definition]] = {levels: election(levels) for levels in TREES}

levels_and_history = st.sampled_from(TREES).flatmap(
    lambda levels: st.tuples(st.just(levels), histories(ELECTIONS[levels]))
)
levels_and_succession = st.sampled_from(TREES).flatmap(
    lambda levels: st.tuples(st.just(levels), successions(ELECTIONS[levels]))
)


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


@given(levels_and_history)
def test_no_area_ever_has_more_units_than_are_expected(drawn: tuple[Levels, list[Item]]) -> None:
    """Philippines 2025: files delivered twice. Whatever comes, in whatever order, however the definition is amended."""
    levels, history = drawn
    night = Night(ELECTIONS[levels])
    everybody = [
        Sent(contest.id, unit, group=group)
        for contest in ELECTIONS[levels].contests
        for unit in contest.units
        for group in contest.count_groups or (None,)
    ]
    for item in (*everybody, *history):
        night.feed(item)
        cells = night.folds[0].cells()
        for name, contest in night.plan.contests.items():
            for area, expected in expectations(night.plan, contest).items():
                row = cells.get((name, area), (0,) * contest.width)
                assert sum(row[Column.COMPLETE : Column.CANCELLED + 1]) <= expected.units, (name, area)


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
            assert row[Column.SETTLED_WITHOUT_ROLL] <= expected[area].without_register, (contest.id, area, row)
            assert expected[area].registered + row[Column.REGISTERED_CHANGE] >= 0


@given(st.one_of(levels_and_history, levels_and_succession))
def test_every_fall_of_a_figure_is_labelled(drawn: tuple[Levels, list[Item]]) -> None:
    """And nothing else is: figures and register of a unit that an accepted report made lower, name by name."""
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
                old, new = (tabulate(night.plan, {name: one})[plan.id, plan.root] for one in (before[name], state))
                pairs = zip(plan.figures, old[COUNTERS:], new[COUNTERS:], strict=True)
                falls = {figure: (was, now) for figure, was, now in pairs if now < was}
                defined = night.plan.units[item.unit].registered
                was, now = ((defined or 0) + row[Column.REGISTERED_CHANGE] for row in (old, new))
                if now < was and (defined is not None or (item.registered is not None and item.kind != "retraction")):
                    falls["registered"] = (was, now)
                    event("the register falls")
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
    assert second.fell["P"] == (7, 6)


def test_the_strategies_reach_what_they_are_for() -> None:
    """A property over a generator that never makes the interesting thing proves nothing."""
    plan = plan_of(ELECTIONS[4])
    night = Night(ELECTIONS[4], 3)
    assert len({fold.partition for fold in night.folds}) == 3
    assert [*plan.contests["list"].ancestry("N1a")] == ["N1a", "N1", "N", "R"]
    assert isinstance(night.feed(Sent("groups", "u1", group="advance", numbers=(1,))), Verdict)
    assert isinstance(night.feed(Sent("inside", "u3", numbers=(1, 2, 3))), Verdict)
    assert votes_of(night)["inside", "R"] == {"L1": 3, "L1a": 1, "L1b": 2, "L2": 3, "L2a": 3}
