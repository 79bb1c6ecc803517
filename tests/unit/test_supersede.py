"""The unit rule, and what a unit contributes to its area: one case a rule."""

from dataclasses import replace
from typing import Literal

import pytest

from tallyroom.domain.checks import problems
from tallyroom.domain.election import Closure, Contest, Definition, Identity, Relation, Severity
from tallyroom.domain.events import Disposition, Kind, Refusal
from tallyroom.tabulation.plan import Leaf, Plan
from tallyroom.tabulation.rows import COUNTERS, Column, counters, widened
from tallyroom.tabulation.supersede import (
    CONTENT,
    FIGURES,
    Refused,
    State,
    Verdict,
    compare,
    contribution,
    disposition_of,
    fell,
    kind_of,
    state_of,
)
from tests.support.elections import Night, Sent, election, plan_of, with_contest

DEFINITION = election(2)
PLAN = plan_of(DEFINITION)


def leaf_of(sent: Sent, plan: Plan = PLAN) -> Leaf:
    """The leaf that a report is about."""
    leaf = plan.leaf(plan.contests[sent.contest], sent.unit, sent.group)
    assert leaf is not None
    return leaf


def state(sent: Sent, plan: Plan = PLAN) -> State:
    """The state after a sound report."""
    made = state_of(sent.event(plan.definition), leaf_of(sent, plan))
    assert not isinstance(made, Refused), made
    return made


def refusal(sent: Sent, plan: Plan = PLAN) -> Refusal:
    """Why the report is refused."""
    made = state_of(sent.event(plan.definition), leaf_of(sent, plan))
    assert isinstance(made, Refused)
    return made.refusal


def row(sent: Sent, plan: Plan = PLAN) -> dict[str, int]:
    """What the unit contributes: the counters and figures that are not 0."""
    made = contribution(leaf_of(sent, plan), state(sent, plan))
    names = [column.name.lower() for column in Column] + list(leaf_of(sent, plan).plan.figures)
    return {name: value for name, value in zip(names, made, strict=True) if value}


U1 = Sent("list", "u1", numbers=(5, 3, 1, 0), invalid=2)


def test_a_newer_version_wins_and_an_older_one_is_late() -> None:
    old, new, leaf = state(U1), state(replace(U1, version=2)), leaf_of(U1)
    assert compare(None, old, leaf) is Verdict.FIRST
    assert compare(old, new, leaf) is Verdict.SUPERSEDES
    assert compare(new, old, leaf) is Verdict.LATE


def test_the_same_version_is_a_duplicate_whenever_it_was_reported() -> None:
    again = list(state(U1))
    again[1] += 60_000
    assert compare(state(U1), tuple(again), leaf_of(U1)) is Verdict.DUPLICATE


@pytest.mark.parametrize(
    "other",
    [
        replace(U1, numbers=(5, 3, 0, 1)),
        replace(U1, invalid=3),
        replace(U1, disposition="held"),
        replace(U1, kind="recount"),
        replace(U1, parts=(1, 2)),
        replace(U1, registered=10),
    ],
)
def test_the_same_version_with_other_content_is_equivocation(other: Sent) -> None:
    answer = compare(state(U1), state(other), leaf_of(U1))
    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.EQUIVOCATION


def test_content_starts_behind_version_and_time() -> None:
    made = state(replace(U1, version=7, kind="recount", disposition="annulled"))
    assert made[0] == 7
    assert (kind_of(made), disposition_of(made)) == (Kind.RECOUNT, Disposition.ANNULLED)
    assert made[CONTENT + 1 : FIGURES] == (1, 1, -1)
    assert made[FIGURES:] == (11, 9, 2, 5, 3, 1, 0)


def test_a_counted_unit_brings_its_register_and_figures() -> None:
    assert row(U1) == {
        "complete": 1, "registered_complete": 10, "cast": 11, "valid": 9, "invalid": 2, "P": 5, "Q": 3, "AGAINST": 1,
    }  # fmt: skip


def test_a_partial_unit_is_in_the_totals_but_not_complete() -> None:
    made = row(replace(U1, numbers=(1, 1, 0, 0), invalid=0, parts=(1, 2)))
    assert made == {
        "partial": 1, "registered_partial": 10, "partial_room": 8, "cast": 2, "valid": 2, "P": 1, "Q": 1,
    }  # fmt: skip


def test_a_partial_unit_over_its_register_leaves_no_room_rather_than_a_negative_one() -> None:
    assert "partial_room" not in row(replace(U1, parts=(1, 2)))


def test_a_held_unit_is_in_no_total_and_its_ballots_are_shown_apart() -> None:
    assert row(replace(U1, disposition="held")) == {"held": 1, "registered_held": 10, "cast_held": 11}


def test_an_annulled_unit_is_complete_and_in_no_total() -> None:
    assert row(replace(U1, disposition="annulled")) == {"annulled": 1, "registered_apart": 10, "cast_annulled": 11}


@pytest.mark.parametrize("disposition", ["not_opened", "cancelled"])
def test_a_unit_that_never_counted_brings_its_register_only(disposition: Literal["not_opened", "cancelled"]) -> None:
    assert row(replace(U1, disposition=disposition)) == {disposition: 1, "registered_apart": 10}


def test_a_retraction_withdraws_everything() -> None:
    assert row(replace(U1, kind="retraction")) == {}


def test_a_reported_register_counts_instead_of_the_defined_one() -> None:
    assert row(replace(U1, registered=12))["registered_complete"] == 12
    assert row(replace(U1, registered=12))["registered_change"] == 2
    assert row(replace(U1, registered=0))["registered_change"] == -10


def test_a_unit_without_a_register_says_so_until_one_is_reported() -> None:
    u3 = Sent("list", "u3", numbers=(1,))
    assert row(u3)["without_register"] == 1
    assert "registered_complete" not in row(u3)
    assert row(replace(u3, registered=8))["registered_change"] == 8
    assert "without_register" not in row(replace(u3, registered=8))


def test_a_unit_without_a_roll_is_settled_once_nothing_more_can_come_of_it() -> None:
    """Whatever register it reports: the counter is about the definition, which has none to bound what is out with."""
    u3 = Sent("list", "u3", numbers=(1,))
    settled = [
        u3, replace(u3, registered=8), replace(u3, parts=(2, 2)), replace(u3, kind="correction"),
        replace(u3, disposition="annulled"), replace(u3, disposition="not_opened"), replace(u3, disposition="cancelled"),
    ]  # fmt: skip
    assert [row(sent).get("settled_without_roll") for sent in settled] == [1] * len(settled)
    awaited = [
        replace(u3, parts=(1, 2)), replace(u3, parts=(1, 2), registered=8), replace(u3, disposition="held"),
        replace(u3, disposition="held", registered=8), replace(u3, kind="retraction"),
    ]  # fmt: skip
    assert [row(sent).get("settled_without_roll") for sent in awaited] == [None] * len(awaited)
    assert "settled_without_roll" not in row(U1)
    assert "settled_without_roll" not in row(replace(U1, disposition="annulled"))
    group = replace(u3, contest="groups", numbers=(1, 2))
    assert row(replace(group, group="in_person"))["settled_without_roll"] == 1
    assert "settled_without_roll" not in row(replace(group, group="advance")), "counted once, with the first group"


@pytest.mark.parametrize("closure", list(Closure))
def test_a_closed_unit_without_a_roll_is_no_settled_one(closure: Closure) -> None:
    """It is not expected any more: it must not stand for another one that still is."""
    contest = replace(DEFINITION.contests[0], closed_units={"u3": closure})
    plan = plan_of(with_contest(DEFINITION, contest))
    for disposition in ("counted", "annulled"):
        assert "settled_without_roll" not in row(Sent("list", "u3", numbers=(1,), disposition=disposition), plan)


def test_a_units_voters_are_counted_once_with_its_first_group() -> None:
    first, second = (Sent("groups", "u1", numbers=(1, 2), group=group) for group in ("in_person", "advance"))
    assert row(first)["registered_complete"] == 10
    assert "registered_complete" not in row(second)


def test_a_register_reported_with_every_group_is_counted_once() -> None:
    """Both returns of a unit say that 12 voters are registered (defined: 10): the area has 2 more, not 14 more."""
    night = Night(DEFINITION)
    for group in ("in_person", "advance"):
        night.feed(Sent("groups", "u1", numbers=(1, 2), group=group, registered=12))
    cell = night.cells()["groups", "A"]
    assert cell[Column.REGISTERED_COMPLETE] == 12
    assert cell[Column.REGISTERED_CHANGE] == 2


def strict_register(contest: Contest) -> Definition:
    """The definition with a contest whose voters cannot vote elsewhere."""
    accounting = replace(contest.accounting, cast_over_registered=Severity.ERROR)
    return with_contest(DEFINITION, replace(contest, accounting=accounting))


def test_more_ballots_than_voters_are_refused_where_the_definition_says_so() -> None:
    plan = plan_of(strict_register(DEFINITION.contests[0]))
    assert row(replace(U1, numbers=(5, 3, 0, 0), invalid=2), plan)["cast"] == 10
    assert refusal(U1, plan) is Refusal.CAST_OVER_REGISTERED
    assert row(replace(U1, registered=11), plan)["cast"] == 11
    assert row(Sent("list", "u3", numbers=(99,)), plan)["cast"] == 4 * 99, "no register is no bound"


def test_the_second_group_of_a_unit_is_not_measured_against_a_register_of_nobody() -> None:
    """Three advance votes of a unit with ten voters are plausible: refusing them loses them."""
    plan = plan_of(strict_register(DEFINITION.contests[1]))
    assert row(Sent("groups", "u1", numbers=(1, 2), group="in_person"), plan)["cast"] == 3
    assert row(Sent("groups", "u1", numbers=(1, 2), group="advance"), plan)["cast"] == 3


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("missing", Refusal.MISSING_SELECTION),
        ("extra", Refusal.UNKNOWN_SELECTION),
        ("measure", Refusal.UNKNOWN_MEASURE),
        ("accounting", Refusal.ACCOUNTING),
        ("parts", Refusal.PARTS),
    ],
)
def test_implausible_reports_are_refused(
    broken: Literal["missing", "extra", "measure", "accounting", "parts"], expected: Refusal
) -> None:
    assert refusal(replace(U1, broken=broken)) is expected


def test_a_list_has_the_votes_of_its_candidates() -> None:
    assert row(Sent("inside", "u1", numbers=(1, 2, 3)))["L1"] == 3
    assert refusal(Sent("inside", "u1", numbers=(1, 2, 3), broken="accounting")) is Refusal.ACCOUNTING


def test_several_marks_relax_the_identity_upward_only() -> None:
    contest = DEFINITION.contests[0]
    identities = (Identity(total="valid", parts=("selections",)),)
    accounting = replace(contest.accounting, marks_per_ballot=3, identities=identities)
    plan = plan_of(with_contest(DEFINITION, replace(contest, accounting=accounting)))
    check = plan.contests["list"].checks[0]
    assert check((3, 3, 0, 9, 0, 0, 0)) is None
    assert check((3, 3, 0, 5, 0, 0, 0)) is None
    assert check((3, 3, 0, 9, 1, 0, 0)) is not None


def test_an_identity_that_is_a_bound_holds_from_above() -> None:
    contest = DEFINITION.contests[0]
    identity = Identity(total="cast", parts=("valid", "invalid"), relation=Relation.AT_LEAST)
    accounting = replace(contest.accounting, identities=(identity,))
    check = plan_of(with_contest(DEFINITION, replace(contest, accounting=accounting))).contests["list"].checks[0]
    assert check((9, 5, 3, 0, 0, 0, 0)) is None
    assert check((7, 5, 3, 0, 0, 0, 0)) is not None


def test_an_identity_without_parts_is_a_problem_of_the_definition_not_a_crash_at_the_first_report() -> None:
    contest = DEFINITION.contests[0]
    accounting = replace(contest.accounting, identities=(Identity(total="valid", parts=()),))
    definition = with_contest(DEFINITION, replace(contest, accounting=accounting))
    if not list(problems(definition)):
        assert refusal(U1, plan_of(definition)) is Refusal.ACCOUNTING


def test_selections_that_are_all_inside_each_other_are_a_problem_of_the_definition() -> None:
    contest = DEFINITION.contests[0]
    p, q, *_ = contest.selections
    circle = replace(contest, selections=(replace(p, parent="Q"), replace(q, parent="P")))
    assert list(problems(with_contest(DEFINITION, circle)))


def test_a_selection_named_like_a_measure_is_a_problem_of_the_definition() -> None:
    """Columns are found by name: votes for ``invalid`` would be read where the invalid ballots are."""
    contest = DEFINITION.contests[0]
    blank = replace(contest.selections[0], id="invalid")
    clash = replace(contest, selections=(*contest.selections, blank))
    assert list(problems(with_contest(DEFINITION, clash)))


def test_a_count_group_that_cannot_be_told_from_a_unit_is_a_problem_of_the_definition() -> None:
    """A unit's state is kept as contest|unit#group: ``a#b`` could not be read back from the store."""
    for groups in (("a#b", "c"), ("", "c"), ("c", "c")):
        assert list(problems(with_contest(DEFINITION, replace(DEFINITION.contests[1], count_groups=groups)))), groups


def test_falling_names_only_what_fell() -> None:
    leaf = leaf_of(U1)
    before = state(U1)
    after = state(replace(U1, version=2, numbers=(6, 1, 1, 0)))
    assert fell(leaf, before, after) == {"Q": (3, 1), "cast": (11, 10), "valid": (9, 8)}
    assert fell(leaf, before, before) == {}
    assert fell(leaf, after, before) == {"P": (6, 5)}


@pytest.mark.parametrize(
    ("before", "after", "falls"),
    [
        (replace(U1, registered=9), replace(U1, registered=8), (9, 8)),
        (U1, replace(U1, registered=8), (10, 8)),  # defined: 10
        (replace(U1, registered=12), U1, (12, 10)),
        (replace(U1, registered=12), replace(U1, registered=8, disposition="held"), (12, 8)),
        (U1, replace(U1, registered=12), None),
        (replace(U1, registered=8), U1, None),
        (replace(U1, unit="u3", registered=3), replace(U1, unit="u3", registered=0), (3, 0)),  # defined: nothing
        (replace(U1, unit="u3", registered=3), replace(U1, unit="u3"), None),
        (replace(U1, unit="u3"), replace(U1, unit="u3", registered=0), None),
        (replace(U1, registered=12), replace(U1, kind="retraction"), (12, 10)),
        (U1, replace(U1, kind="retraction", registered=3), None),
    ],
)
def test_a_register_falls_where_it_is_known_before_and_after(
    before: Sent, after: Sent, falls: tuple[int, int] | None
) -> None:
    assert fell(leaf_of(before), state(before), state(after)).get("registered") == falls


def test_a_fall_of_the_register_alone_is_labelled_with_the_first_count_group_only() -> None:
    night = Night(DEFINITION)
    for version, registered in ((1, 9), (2, 7)):
        for group in ("in_person", "advance"):
            night.feed(Sent("groups", "u1", version, numbers=(1, 2), group=group, registered=registered))
    night.take()
    assert night.fell == [("groups|u1#in_person", {"registered": (9, 7)})]
    assert night.folds[0].tallies.decreases == 1


def test_a_measure_named_like_the_register_is_a_problem_of_the_definition() -> None:
    """A fall of the register is labelled ``registered``; a measure of that name would hide it."""
    contest = DEFINITION.contests[0]
    accounting = replace(contest.accounting, measures=(*contest.accounting.measures, "registered"))
    assert list(problems(with_contest(DEFINITION, replace(contest, accounting=accounting))))


def test_rows_are_widened_never_narrowed() -> None:
    assert widened((1, 2), 4) == (1, 2, 0, 0)
    assert widened((1, 2, 3), 2) == (1, 2, 3)
    assert len(counters(complete=1)) == COUNTERS
