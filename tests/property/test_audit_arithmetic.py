"""The auditor's arithmetic and the one that makes results, written twice, agree over all kinds of rules and figures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyroom.auditor.derived import Chosen, Derived
from tallyroom.auditor.published import shown_in
from tallyroom.auditor.reckoned import reckoned
from tallyroom.domain.election import (
    Allocation,
    Body,
    Condition,
    Definition,
    Join,
    Role,
    Rule,
    SelectionStatus,
    Threshold,
)
from tests.support.audits import Tabulated, audited
from tests.support.elections import Sent, election, with_contest, with_rules

PLAIN: Final = election(2)
SHARES: Final = ("0", "1/20", "1/5", "1/4", "1/3", "2/5", "1/2", "0.333333", "2/3")
BASES: Final = (("selections",), ("valid",), ("cast",), ("registered",))
LISTS: Final = ("hare", "droop", "dhondt", "sainte-lague", "modified-sainte-lague", "plurality")


@st.composite
def thresholds(draw: st.DrawFn, depth: int = 1) -> Threshold:
    return Threshold(
        share=draw(st.sampled_from(SHARES)),
        base=draw(st.sampled_from(BASES[:3])),
        area=draw(st.sampled_from((None, None, None, "A", "R"))),
        strict=draw(st.booleans()),
        exempt=draw(st.sampled_from(((), (), ("Q",)))),
        minimum_parties=draw(st.sampled_from((0, 0, 2, 3))) if depth else 0,
        alternatives=(draw(thresholds(depth=0)),) if depth and draw(st.booleans()) else (),
    )


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    lead = draw(st.sampled_from((None, None, "1/10", "1/3")))
    level = draw(st.sampled_from((None, None, "part")))
    return Condition(
        share=draw(st.sampled_from(SHARES)) if lead is None or draw(st.booleans()) else None,
        lead=lead,
        base=draw(st.sampled_from(BASES)),
        strict=draw(st.booleans()),
        level=level,
        areas_needed=None if level is None else draw(st.integers(1, 2)),
    )


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    method = draw(st.sampled_from((*LISTS, *LISTS, "majority", "referendum")))
    if method in ("majority", "referendum"):
        looked = draw(st.lists(conditions(), min_size=method == "referendum", max_size=2))
        if method == "referendum":
            looked = [replace(item, of="P") for item in looked]
        return Rule(
            method=method, seats=1, law="", conditions=tuple(looked), join=draw(st.sampled_from(list(Join)))
        )  # fmt: skip
    bars = tuple(draw(st.lists(thresholds(), max_size=2)))
    if draw(st.integers(0, 3)) == 0:
        areas = {"A": draw(st.integers(0, 4)), "B": draw(st.integers(0, 4))}
        bars = tuple(replace(item, level=draw(st.sampled_from((None, "part"))), area=None) for item in bars)
        given_out = tuple(Allocation(area=area, seats=seats) for area, seats in areas.items())
        return Rule(method=method, seats=sum(areas.values()), law="", allocations=given_out, thresholds=bars)
    first = draw(st.sampled_from((None, "1.2"))) if method == "modified-sainte-lague" else None
    return Rule(
        method=method, seats=draw(st.sampled_from((1, 1, 2, 3, 7, 12))), law="", thresholds=bars, first_divisor=first
    )  # fmt: skip


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """The small election with a rule of any kind, lists that end, candidates who died or withdrew, and a house."""
    definition = PLAIN
    areas = tuple(replace(area, level="whole" if area.id == "R" else "part") for area in definition.areas)
    for contest in definition.contests[:2]:
        selections = tuple(
            replace(
                item,
                list_candidates=draw(st.sampled_from((None, None, 1, 2))),
                status=draw(st.sampled_from((*[SelectionStatus.ACTIVE] * 6, SelectionStatus.DEAD))),
                role=Role.PARTY if item.role is Role.OTHER else item.role,
                party=draw(st.sampled_from((None, None, "green"))),
            )
            for item in contest.selections
        )
        definition = with_contest(definition, replace(contest, rule=draw(rules()), selections=selections))
    house = Body(
        id="house", names={}, seats=20, contests=("list", "groups"), weights={"groups": draw(st.integers(1, 3))}
    )
    return replace(definition, areas=areas, bodies=(house,))


votes = st.sampled_from((0, 0, 1, 2, 3, 3, 5, 10, 10, 20, 333_333, 1_000_000))


@st.composite
def nights(draw: st.DrawFn) -> Tabulated:
    """A few reports whose figures lean to ties and zeroes."""
    night = Tabulated(draw(definitions()), 1)
    for unit in draw(st.sets(st.sampled_from(("u1", "u2", "u3", "u4")))):
        four = draw(st.tuples(votes, votes, votes, votes))
        night.send(Sent("list", unit, numbers=four, invalid=draw(st.integers(0, 3))))
        night.send(Sent("groups", unit, group="advance", numbers=four[:2]))
    return night


def found_in(night: Tabulated, change: "Callable[[Shown], object] | None" = None) -> list[str]:
    """What the arithmetic finds in the documents that the results' own code makes of the recounted totals."""
    books = audited(night)
    derived = Derived(books, Chosen(), books.sums(), {})
    made = {name: msgspec.json.encode(document) for name, document in derived.documents().items()}
    contests = list(shown_in(books, made).values())
    shown = {"contests": contests, "bodies": msgspec.json.decode(made["beside:bodies"])["bodies"]}
    if change is not None:
        change(shown)
    return [str(item) for item in reckoned(derived, shown["contests"], shown["bodies"])]


@settings(max_examples=300)
@given(nights())
def test_outcomes_reckoned_twice_agree(night: Tabulated) -> None:
    assert found_in(night) == []


def sound() -> Tabulated:
    """A night with lists above and below a threshold, a mayor, and a house of both."""
    night = Tabulated(with_rules(PLAIN), 1)
    night.send(Sent("list", "u1", numbers=(700, 200, 10, 0)))
    night.send(Sent("list", "u3", numbers=(500, 401, 0, 1), invalid=2))
    night.send(Sent("groups", "u1", group="advance", numbers=(2, 3)))
    return night


Shown = dict[str, Any]


def _contest(shown: Shown, name: str) -> Shown:
    found: Shown = next(item for item in shown["contests"] if item["contest"] == name)
    return found


PLANTED: Final[dict[str, tuple[Callable[[Shown], object], str]]] = {
    "a share off by one in its last digit": (
        lambda shown: _contest(shown, "list")["areas"][0]["shares"].update(Q="0.331681"),
        "contest list, area R, shares.Q: the log says 0.331678, found 0.331681",
    ),
    "a share that crosses a line": (
        lambda shown: _contest(shown, "list")["areas"][0]["shares"].update(AGAINST=None),
        "contest list, area R, shares.AGAINST: the log says 0.005519, found None",
    ),
    "turnout": (
        lambda shown: _contest(shown, "list")["areas"][1].update(turnout_reported="0.910000"),
        "contest list, area A, turnout_reported: the log says 91.000000, found 0.910000",
    ),
    "a leader": (
        lambda shown: _contest(shown, "list")["leading"].update(selections=["Q"]),
        "contest list, leading.selections.0: the log says P, found Q",
    ),
    "a seat moved": (
        lambda shown: _contest(shown, "list")["apportionment"]["seats"]["P"].update(now=4),
        "contest list, apportionment.seats.P.now: the log says 5, found 4",
    ),
    "a winner": (
        lambda shown: _contest(shown, "groups")["winner"].update(selection="X"),
        "contest groups, winner.selection: the log says Y, found X",
    ),
    "a threshold passed": (
        lambda shown: _contest(shown, "list")["apportionment"]["threshold"]["selections"]["Q"].update(
            state="decided-below"
        ),
        "contest list, apportionment.threshold.selections.Q.state: the log says above, found decided-below",
    ),
    "a house": (
        lambda shown: shown["bodies"][0]["parties"]["P"].update(now=8),
        "bodies.0.parties.P.now: the log says 5, found 8",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_in_the_code_that_makes_results_is_found(fault: str) -> None:
    """The revision derived anew would say the same as the published one: the arithmetic alone says otherwise."""
    change, said = PLANTED[fault]
    assert found_in(sound()) == []
    assert found_in(sound(), change) == [said]
