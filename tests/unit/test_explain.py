"""A change explained unit by unit adds up to the change, and what is out is everything that is not in."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.domain.election import Definition, PreviousCounts, PreviousResult
from tallyroom.domain.events import MoveUnit
from tallyroom.results.explain import Moment, explain
from tests.support.elections import Amend, Item, Night, Sent, election, with_contest
from tests.support.histories import histories


def with_previous() -> Definition:
    """The list contest with results of last time for two of its units."""
    made = election(2)
    before = PreviousResult(
        names={}, units={"u1": PreviousCounts(counts={"P": 6, "Q": 2}), "u4": PreviousCounts(counts={"P": 1, "Q": 1})}
    )
    return with_contest(made, replace(made.contests[0], previous=before))


DEFINITION: Final = with_previous()
FIRST: Final = Sent("list", "u1", numbers=(10, 4, 0, 0))


def moment(night: Night) -> Moment:
    """The night as it stands."""
    return Moment(night.plan, dict(night.units()))


def explained(first: list[Item], then: list[Item], area: str | None = None) -> dict[str, Any]:
    """What the later events changed in the list contest."""
    night = Night(DEFINITION)
    for item in first:
        night.feed(item)
    before = moment(night)
    for item in then:
        night.feed(item)
    return explain(before, moment(night), "list", area)


def test_a_first_report_is_behind_the_jump_that_it_makes() -> None:
    found = explained([FIRST], [Sent("list", "u2", numbers=(1, 30, 0, 0))])
    assert found["difference"] == {"cast": 31, "valid": 31, "invalid": 0, "P": 1, "Q": 30, "AGAINST": 0, "REST": 0}
    (unit,) = found["units"]
    assert (unit["unit"], unit["change"], unit["version"]) == ("u2", "reported", {"before": None, "after": 1})
    assert unit["difference"] == {"cast": 31, "valid": 31, "P": 1, "Q": 30}
    assert found["before"]["leading"]["selections"] == ["P"]
    assert found["after"]["leading"]["selections"] == ["Q"]


@pytest.mark.parametrize(
    ("later", "change"),
    [
        (replace(FIRST, version=2, numbers=(9, 4, 0, 0), kind="correction"), "superseded"),
        (replace(FIRST, version=2, disposition="held"), "held"),
        (replace(FIRST, version=2, disposition="annulled"), "annulled"),
        (replace(FIRST, version=2, kind="retraction"), "superseded"),
        (Amend((MoveUnit(unit="u1", contest="list", area="B"),)), "moved-away"),
    ],
)
def test_every_way_to_change_has_a_word(later: Item, change: str) -> None:
    (unit,) = explained([FIRST], [later], "A")["units"]
    assert unit["change"] == change


def test_nothing_in_between_is_nothing_to_explain() -> None:
    found = explained([FIRST], [FIRST, replace(FIRST, broken="accounting")])
    assert (found["units"], set(found["difference"].values()), found["amended"]) == ([], {0}, False)


def test_what_is_out_is_named_with_how_it_voted_last_time() -> None:
    out = explained([FIRST], [replace(Sent("list", "u2", numbers=(1,)), parts=(1, 2))])["outstanding"]
    assert [(unit["unit"], unit["state"]) for unit in out["units"]] == [
        ("u2", "partial"), ("u3", "missing"), ("u4", "missing"),
    ]  # fmt: skip
    assert (out["voters_registered"], out["without_register"]) == (25, 1)
    assert out["previous"] == {"units": 1, "counts": {"P": 1, "Q": 1}, "shares": {"P": "0.500000", "Q": "0.500000"}}


def test_a_contest_without_an_earlier_result_says_none() -> None:
    night = Night(election(2))
    night.feed(FIRST)
    found = explain(moment(night), moment(night), "list")["outstanding"]
    assert found["previous"] is None
    assert {unit["previous"] for unit in found["units"]} == {None}


def test_a_place_that_is_not_there_is_an_error() -> None:
    night = Night(DEFINITION)
    for contest, area in (("ghost", None), ("list", "ghost")):
        with pytest.raises(KeyError):
            explain(moment(night), moment(night), contest, area)


@given(
    histories(DEFINITION, 14), st.integers(0, 14), st.sampled_from(("R", "A", "B")), st.sampled_from(("list", "groups"))
)
def test_the_units_add_up_to_the_change_whatever_happened(
    history: list[Item], cut: int, area: str, contest: str
) -> None:
    night = Night(DEFINITION, 2)
    for item in history[:cut]:
        night.feed(item)
    before = moment(night)
    for item in history[cut:]:
        night.feed(item)
    found = explain(before, moment(night), contest, area)
    summed: Counter[str] = Counter()
    for unit in found["units"]:
        summed.update(unit["difference"])
    assert {name: summed[name] for name in found["difference"]} == found["difference"]
    figures = found["before"]["figures"], found["after"]["figures"]
    assert all(figures[1][name] - figures[0][name] == value for name, value in found["difference"].items())
    row = night.cells().get((contest, area), (0,) * 6)
    groups = max(1, len(night.plan.contests[contest].contest.count_groups))
    plan = night.plan.contests[contest]
    places = [unit for unit, at in plan.contest.units.items() if at in plan.within(area)]
    expected = groups * sum(unit not in plan.contest.closed_units for unit in places)
    apart = sum((*row, *(0,) * 6)[3:6])
    assert found["outstanding"]["count"] == expected - (*row, 0)[0] - apart
