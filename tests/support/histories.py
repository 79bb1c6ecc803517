"""Hypothesis strategies for what may stand in the logs of the small elections.

They lean to what goes wrong on real nights: ties, zeroes, corrections downward, versions out of order, garbage.
"""

from dataclasses import replace
from typing import Final, TypeVar

from hypothesis import strategies as st

from tallyroom.domain.election import Definition, ReportingUnit, SelectionStatus
from tallyroom.domain.events import (
    AddSelection,
    AddUnit,
    Change,
    CloseUnit,
    MergeUnits,
    MoveUnit,
    ReopenUnit,
    ReregisterUnit,
    WithdrawSelection,
)
from tests.support.elections import BREAKS, Amend, Item, Sent, selection

_Value = TypeVar("_Value")


def rarely(value: st.SearchStrategy[_Value]) -> st.SearchStrategy[_Value | None]:
    """Mostly None."""
    return st.one_of(st.none(), st.none(), st.none(), value)


figures = st.sampled_from((0, 0, 0, 1, 1, 2, 7, 10))
"""Votes: zeroes and ties more often than not, so that later versions fall as often as they rise."""


@st.composite
def sent(draw: st.DrawFn, definition: Definition, extra_units: tuple[str, ...] = ()) -> Sent:
    """A sound report of any kind for one of the definition's units (or ``extra_units``, in the contest ``list``)."""
    leaves = [
        (contest.id, unit, group)
        for contest in definition.contests
        for unit in (*contest.units, *(extra_units if contest.id == "list" else ()))
        for group in (contest.count_groups or (None,))
    ]
    contest, unit, group = draw(st.sampled_from(leaves))
    return Sent(
        contest=contest,
        unit=unit,
        group=group,
        version=draw(st.integers(1, 4)),
        numbers=tuple(draw(st.lists(figures, min_size=1, max_size=4))),
        invalid=draw(figures),
        kind=draw(st.sampled_from(("counted", "counted", "correction", "recount", "repeat", "retraction"))),
        disposition=draw(
            st.sampled_from(("counted", "counted", "counted", "held", "annulled", "not_opened", "cancelled"))
        ),
        registered=draw(rarely(st.sampled_from((0, 9, 12)))),
        parts=draw(rarely(st.sampled_from(((0, 2), (1, 2), (2, 2))))),
        reason=draw(rarely(st.just("recounted"))),
    )


@st.composite
def released(draw: st.DrawFn, definition: Definition) -> Sent:
    """A report let through by operators, or by too few of them: sound, or with something that can or cannot be forgiven."""
    breaks = (None, "accounting", "parts", "accounting", "unit", "missing", "source")
    return replace(
        draw(sent(definition)),
        broken=draw(st.sampled_from(breaks)),
        released=draw(rarely(st.just("0:0"))) or "0:1",
        operators=draw(st.sampled_from((("one", "two"), ("one",), ("one", "One"), ()))),
    )


def consistent(definition: Definition) -> st.SearchStrategy[list[Sent]]:
    """Reports in which a version of a leaf always says the same: nothing to refuse, however often and late it comes."""
    return st.lists(sent(definition), max_size=20, unique_by=lambda item: (item.leaf, item.version))


def successions(definition: Definition) -> st.SearchStrategy[list[Item]]:
    """Reports of one leaf, each of which replaces the one before: what falls from one to the next is met often here."""

    def of_one_leaf(reports: list[Sent]) -> list[Item]:
        one = reports[0]
        return [
            replace(item, contest=one.contest, unit=one.unit, group=one.group, version=version)
            for version, item in enumerate(reports, 1)
        ]

    return st.lists(sent(definition), min_size=2, max_size=8).map(of_one_leaf)


def garbage(definition: Definition) -> st.SearchStrategy[Sent]:
    """Reports with one thing wrong."""
    return st.builds(
        lambda item, how: replace(item, broken=how, kind="counted", disposition="counted"),
        sent(definition),
        st.sampled_from(BREAKS),
    )


NEW_UNITS: Final = ("n1", "n2")


@st.composite
def changes(draw: st.DrawFn, definition: Definition) -> Change:
    """A change that may or may not be possible when it comes."""
    areas = tuple(definition.contests[0].areas)
    known = tuple(unit.id for unit in definition.units)
    unit = st.sampled_from((*known, *NEW_UNITS))
    register = st.sampled_from((None, 0, 5, 40))
    match draw(st.integers(0, 7)):
        case 0:
            new = ReportingUnit(id=draw(st.sampled_from(NEW_UNITS)), registered=draw(register))
            return AddUnit(unit=new, contests={"list": draw(st.sampled_from(areas))})
        case 1:
            return CloseUnit(unit=draw(unit), contest=draw(rarely(st.just("list"))))
        case 2:
            return MergeUnits(units=(draw(unit),), into=draw(unit))
        case 3:
            return MoveUnit(unit=draw(unit), contest="list", area=draw(st.sampled_from((*areas, "ghost"))))
        case 4:
            return ReregisterUnit(unit=draw(unit), registered=draw(register))
        case 5:
            return AddSelection(contest="list", selection=selection(draw(st.sampled_from(("P", "Z1", "Z2")))))
        case 6:
            return ReopenUnit(unit=draw(unit), contest=draw(rarely(st.just("list"))))
        case _:
            return WithdrawSelection(
                contest="list",
                selection=draw(st.sampled_from(("P", "Q", "REST"))),
                status=draw(st.sampled_from((SelectionStatus.WITHDRAWN, SelectionStatus.DEAD))),
                counts_as=draw(st.sampled_from((None, "invalid", "Q", "AGAINST"))),
            )


def amends(definition: Definition) -> st.SearchStrategy[Amend]:
    """Amendments of one or two changes."""
    return st.builds(lambda made: Amend(tuple(made)), st.lists(changes(definition), min_size=1, max_size=2))


def histories(definition: Definition, max_size: int = 20) -> st.SearchStrategy[list[Item]]:
    """Anything that may stand in a log, in any order: reports twice as often as garbage and amendments."""
    some: st.SearchStrategy[Sent] = sent(definition, NEW_UNITS)
    return st.lists(st.one_of(some, some, garbage(definition), amends(definition)), max_size=max_size)
