"""Shortcuts of the hot path: about what they pass over, the rules that they spare have nothing to say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallyroom.domain.election import Contest, Identity, Relation
from tallyroom.domain.plausibility import Flag, Plausibility
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import picked
from tests.support.elections import election

CONTESTS: Final = {contest.id: contest for contest in election().contests}
LIST: Final = CONTESTS["list"]
APART: Final = replace(  # an identity whose parts do not stand together
    LIST,
    accounting=replace(
        LIST.accounting,
        identities=(
            *LIST.accounting.identities,
            Identity(total="cast", parts=("valid", LIST.selections[0].id), relation=Relation.AT_LEAST),
        ),
    ),
)
LEAST: Final = replace(  # ballots cast are at least the valid ones
    LIST,
    accounting=replace(
        LIST.accounting,
        identities=(
            LIST.accounting.identities[0],
            Identity(total="cast", parts=("valid",), relation=Relation.AT_LEAST),
        ),
    ),
)
SETTINGS: Final = (
    Plausibility(),
    Plausibility(minimum=1, one_selection="0.5"),
    Plausibility(off=(Flag.EXACT_DOUBLE, Flag.DIGIT_JUMP)),
)

votes: Final = st.one_of(st.integers(0, 5), st.integers(0, 30), st.integers(0, 3000))
factors: Final = st.sampled_from((0, 1, 2, 3, 10, 11))


@st.composite
def steps(draw: st.DrawFn, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Figures of one unit before and now: multiples, digits too many, growth of one selection, or anything."""
    before = tuple(draw(st.lists(votes, min_size=width, max_size=width)))
    match draw(st.integers(0, 3)):
        case 0:
            times = draw(factors)
            now = [value * times for value in before]
        case 1:
            at, more = draw(st.integers(0, width - 1)), draw(st.integers(0, 9))
            now = [value + value * more // 10 for value in before]
            now[at] = before[at] * draw(factors) + more
        case 2:
            now = list(before)
            now[draw(st.integers(0, width - 1))] += draw(votes)
        case _:
            now = draw(st.lists(votes, min_size=width, max_size=width))
    return before, tuple(now)


def added_up(figures: Sequence[int], contest: Contest) -> tuple[int, ...]:
    """The figures with the measures that the selections give."""
    selections = tuple(figures[len(contest.accounting.measures) :])
    named = dict(zip(contest.accounting.measures, figures, strict=False))
    named["valid"] = sum(selections)
    named["cast"] = named["valid"] + named.get("invalid", 0)
    return (*(named[name] for name in contest.accounting.measures), *selections)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("contest", CONTESTS.values(), ids=CONTESTS)
@given(data=st.data(), sound=st.booleans())
def test_a_step_that_is_passed_over_raises_no_flag(
    contest: Contest, settings: Plausibility, data: st.DataObject, sound: bool
) -> None:
    plan = ContestPlan(replace(contest, plausibility=settings))
    before, now = data.draw(steps(plan.length))
    if sound:
        before, now = added_up(before, contest), added_up(now, contest)
    if not plan.rules.leaps(before, now):
        assert not [*plan.rules.of_step(before, now), *plan.rules.emptied(before, now)]


@pytest.mark.parametrize("contest", [*CONTESTS.values(), APART, LEAST], ids=[*CONTESTS, "apart", "least"])
@given(data=st.data())
def test_figures_add_up_exactly_if_no_check_objects(contest: Contest, data: st.DataObject) -> None:
    plan = ContestPlan(contest)
    figures = tuple(data.draw(st.lists(st.integers(0, 4), min_size=plan.length, max_size=plan.length)))
    if data.draw(st.booleans()) and {"valid", "cast"} <= set(contest.accounting.measures):
        figures = added_up(figures, contest)
    assert plan.adds_up(figures) == all(check(figures) is None for check in plan.checks)


@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(), min_size=10, max_size=10))
@example([3, 4, 5], list(range(10)))
@example([7], list(range(10)))
def test_picked_takes_what_stands_at_the_positions(positions: list[int], row: list[int]) -> None:
    assert picked(positions)(tuple(row)) == tuple(row[at] for at in positions)
