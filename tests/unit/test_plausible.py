"""Rules about one unit's reports: what raises each flag, what just does not, what settles it, and what a definition makes of it."""

from dataclasses import replace
from typing import Any, Final

import pytest

from tallyroom.codec import packed
from tallyroom.domain.checks import problems
from tallyroom.domain.election import Contest, PreviousCounts, PreviousResult, Severity
from tallyroom.domain.events import SOFT, Refusal, ReregisterUnit
from tallyroom.domain.plausibility import OF_REPORTS, Flag, Plausibility
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.supersede import Refused, Verdict
from tests.support.elections import Amend, Item, Night, Sent, election, plan_of, with_contest

BASE: Final = Sent("list", "u3", numbers=(200, 150, 40, 10), invalid=5)  # u3 has no register
V2: Final = replace(BASE, version=2)


def contest(**changes: Any) -> Contest:
    """Contest list, with these fields changed."""
    return replace(next(item for item in election().contests if item.id == "list"), **changes)


def night(settings: Plausibility | None = None, **changes: Any) -> Night:
    """A night whose contest list has these thresholds."""
    return Night(with_contest(election(), contest(plausibility=settings, **changes)))


def flags(at: Night, *items: Item) -> set[str]:
    """Codes that units carry once these events are in."""
    for item in items:
        assert not isinstance(at.feed(item), Refused)
    return {str(flag.code) for carried in at.folds[0].flags().values() for flag in carried}


@pytest.mark.parametrize(
    ("code", "items"),
    [
        ("cast_over_registered", [Sent("list", "u1", numbers=(8, 3, 0, 0))]),  # 11 of 10
        ("invalid_share", [replace(BASE, invalid=401)]),
        ("exact_double", [BASE, replace(V2, numbers=(400, 300, 80, 20), invalid=10)]),
        ("exact_double", [BASE, replace(V2, numbers=(600, 450, 120, 30), invalid=15)]),  # three times
        ("digit_jump", [BASE, replace(V2, numbers=(200, 150, 403, 10))]),
        ("digit_jump", [BASE, replace(V2, numbers=(380, 280, 400, 15))]),  # the others grew as well
        ("one_selection", [BASE, replace(V2, numbers=(200, 550, 40, 10))]),
        ("emptied", [BASE, replace(V2, numbers=(0, 0, 0, 0), invalid=0)]),
        ("emptied", [BASE, replace(V2, kind="retraction")]),
    ],
)
def test_what_raises_a_flag(code: str, items: list[Item]) -> None:
    assert flags(night(), *items) == {code}
    assert flags(night(Plausibility(off=(Flag(code),))), *items) <= {"one_selection"}  # the next rule may speak then


@pytest.mark.parametrize(
    "items",
    [
        [BASE],
        [Sent("list", "u1", numbers=(7, 3, 0, 0))],  # everybody voted
        [replace(BASE, invalid=400)],  # exactly half
        [replace(BASE, numbers=(4, 3, 2, 0), invalid=90)],  # too few to speak of a share
        [BASE, replace(V2, numbers=(400, 300, 80, 20), invalid=11)],
        [replace(BASE, numbers=(10, 20, 5, 0)), replace(V2, numbers=(20, 40, 10, 0), invalid=10)],  # 35 votes added
        [BASE, replace(V2, numbers=(2000, 1500, 400, 101))],  # a part of the unit, then all of it
        [BASE, replace(V2, numbers=(2000, 1500, 440, 110), parts=(1, 1))],
        [BASE, replace(V2, numbers=(200, 240, 43, 10))],  # 90 of 93: less than the minimum
        [BASE, replace(V2, numbers=(210, 545, 40, 10))],  # 395 of 405
        [BASE, replace(V2, numbers=(0, 1, 0, 0))],
        [BASE, replace(V2, kind="retraction", reason="entered for the wrong station")],
        [BASE, replace(V2, disposition="held")],
        [replace(BASE, kind="retraction"), replace(V2, numbers=(0, 0, 0, 0))],
        [replace(BASE, numbers=(3, 1, 0, 0)), replace(V2, numbers=(30, 150, 9, 0))],  # 3 and 30: by chance
        [
            Sent("groups", "u4", numbers=(20, 4), group="in_person"),
            Sent("groups", "u4", numbers=(9, 9), group="advance"),
        ],
    ],
)
def test_what_raises_none(items: list[Item]) -> None:
    assert flags(night(), *items) == set()


def test_a_digit_too_many_is_seen_at_once_where_there_is_a_register() -> None:
    """Shiawassee County 2020: 15,371 typed as 153,710. u4 has 25 voters; 20 became 200."""
    at = night(Plausibility(minimum=10))
    assert flags(at, Sent("list", "u4", numbers=(200, 3, 1, 0))) == {"cast_over_registered", "digit_jump"}
    assert flags(at, Sent("list", "u4", version=2, numbers=(20, 3, 1, 0))) == set()


def test_a_swing_is_measured_against_the_same_unit() -> None:
    before = PreviousResult(names={}, units={"u3": PreviousCounts(counts={"P": 300, "Q": 100}, base=400)})
    moved = replace(BASE, numbers=(50, 300, 30, 20))  # 75 % -> 12.5 %
    assert flags(night(previous=before), moved) == {"swing"}
    assert flags(night(previous=before), BASE) == set()
    assert flags(night(previous=before), replace(moved, unit="u4", numbers=(1, 15, 0, 0), invalid=0)) == set()
    assert flags(night(Plausibility(swing="3/4"), previous=before), moved) == set()


@pytest.mark.parametrize("later", [(440, 330, 90, 30), (401, 301, 81, 21)])
def test_a_step_stays_flagged_until_figures_fall(later: tuple[int, ...]) -> None:
    at = night()
    assert flags(at, BASE, replace(V2, numbers=(400, 300, 80, 20), invalid=10)) == {"exact_double"}
    assert flags(at, replace(V2, version=3, numbers=later, invalid=10)) == {"exact_double"}
    assert flags(at, replace(V2, version=4, numbers=(200, 150, 40, 10))) == set()


def test_a_flag_about_the_figures_goes_with_them_and_a_new_register_settles_it() -> None:
    over = Sent("list", "u1", numbers=(8, 3, 0, 0))
    at = night()
    assert flags(at, over, replace(over, version=2, numbers=(7, 3, 0, 0))) == set()
    assert flags(at, replace(over, version=3)) == {"cast_over_registered"}
    assert flags(at, Amend((ReregisterUnit(unit="u1", registered=11),))) == set()
    assert flags(at, Amend((ReregisterUnit(unit="u1", registered=9),))) == {"cast_over_registered"}
    assert flags(at, replace(over, version=4, registered=11)) == set()


def test_the_tolerance_also_widens_what_is_refused() -> None:
    error = replace(contest().accounting, cast_over_registered=Severity.ERROR)
    over = Sent("list", "u1", numbers=(8, 3, 0, 0))
    refused = night(accounting=error).feed(over)
    assert isinstance(refused, Refused)
    assert refused.refusal is Refusal.CAST_OVER_REGISTERED
    assert flags(night(Plausibility(over_register="1/10"), accounting=error), over) == set()


@pytest.mark.parametrize("code", sorted(OF_REPORTS - {Flag.SWING, Flag.CAST_OVER_REGISTERED}))
def test_a_definition_can_make_a_rule_refuse_and_what_is_refused_leaves_no_trace(code: Flag) -> None:
    steps = {
        Flag.INVALID_SHARE: replace(V2, invalid=401),
        Flag.EXACT_DOUBLE: replace(V2, numbers=(400, 300, 80, 20), invalid=10),
        Flag.DIGIT_JUMP: replace(V2, numbers=(200, 150, 403, 10)),
        Flag.ONE_SELECTION: replace(V2, numbers=(200, 550, 40, 10)),
        Flag.EMPTIED: replace(V2, numbers=(0, 0, 0, 0), invalid=0),
    }
    at = night(Plausibility(refuse=(code,)))
    at.feed(BASE)
    before = at.units()
    refused = at.feed(steps[code])
    assert isinstance(refused, Refused)
    assert refused.refusal == str(code)
    assert refused.refusal in SOFT
    assert (at.units(), at.folds[0].flags()) == (before, {})
    assert at.feed(replace(steps[code], numbers=(201, 150, 40, 10), invalid=5)) is Verdict.SUPERSEDES


def lenient(at: Night, item: Sent, offset: int = 99) -> object:
    """The report counted by decision of a person."""
    return at.folds[0].report(item.event(at.plan.definition), item.key, offset, lenient=True)


@pytest.mark.parametrize(
    ("code", "item"),
    [
        ("accounting", replace(BASE, broken="accounting")),
        ("parts", replace(BASE, broken="parts")),
        ("invalid_share", replace(BASE, invalid=401)),
    ],
)
def test_a_soft_refusal_that_is_waived_becomes_a_flag(code: str, item: Sent) -> None:
    at = night(Plausibility(refuse=(Flag.INVALID_SHARE,)))
    assert isinstance(at.feed(item), Refused)
    assert lenient(at, item) is Verdict.FIRST
    ((flag,),) = at.folds[0].flags().values()
    assert flag.code == code
    assert flag.text.endswith(".")
    assert isinstance(
        lenient(at, replace(item, version=2, broken="missing")), Refused
    )  # hard: it has no place in a row


def test_the_journal_gives_the_flags_back() -> None:
    at = night()
    flags(at, BASE, replace(V2, numbers=(400, 300, 80, 20), invalid=10), Sent("list", "u1", numbers=(8, 3, 0, 0)))
    flags(at, Sent("list", "u1", version=2, numbers=(7, 3, 0, 0)))
    doubts = at.folds[0].take().doubts
    entries = [packed.decode_entry(packed.encode_entry(packed.doubt_entry(doubt))) for doubt in doubts]
    assert [entry.offset for entry in entries] == [2, 3, 4]
    again = PartitionFold(plan_of(at.plan.definition), 0, 1)
    again.load(at.units().items(), (), packed.carried_flags(entries))
    assert again.flags() == at.folds[0].flags() != {}


def test_what_says_the_same_again_is_not_written_down_again() -> None:
    over = Sent("list", "u1", numbers=(8, 3, 0, 0))
    at = night()
    flags(at, over, replace(over, version=2, kind="correction"), replace(over, version=3, numbers=(8, 4, 0, 0)))
    doubts = at.folds[0].take().doubts
    assert [(doubt.version, doubt.raised) for doubt in doubts] == [(1, ("cast_over_registered",)), (3, ())]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Plausibility(swing="2"), "not between 0 and 1"),
        (Plausibility(invalid_share="half"), "not a fraction"),
        (Plausibility(refuse=(Flag.STALL,)), "looks beyond one unit's reports"),
        (Plausibility(refuse=(Flag.SWING,), off=(Flag.SWING,)), "is off"),
        (Plausibility(identical_units=1), "below 2"),
    ],
)
def test_thresholds_that_make_no_sense_are_named(settings: Plausibility, says: str) -> None:
    (problem,) = problems(with_contest(election(), contest(plausibility=settings)))
    assert says in problem
