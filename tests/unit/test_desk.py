"""What operators decide, as verdicts: releases, two people behind them, frozen sources, sheets that are accepted with a flag."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from tallyroom.codec import packed
from tallyroom.codec.events import Desk
from tallyroom.domain.checks import problems
from tallyroom.domain.desk import DeskRules
from tallyroom.domain.election import Environment, Severity
from tallyroom.domain.events import Refusal
from tallyroom.tabulation.desk import persons, too_few
from tallyroom.tabulation.plan import Plan
from tests.support.elections import CLOSED_AT, ELECTION, Break, Sent, election, plan_of, with_contest
from tests.support.partition import DEFINITION, PLAN, Item, Store, act, log_of

TWO: Final = ("one", "two")
SOUND: Final = Sent("list", "u1", numbers=(5, 3, 1, 0), invalid=1)
CROOKED: Final = replace(SOUND, broken="accounting")
LET: Final = replace(CROOKED, released="0:0", operators=TWO)


class Told:
    """What became of a log: reasons of refusals in order, the votes of P in the root, and the journal's flags."""

    def __init__(self, written: Sequence[Item], plan: Plan = PLAN) -> None:
        store = Store(plan)
        owned = store.claim()
        made = store.run(owned, log_of(written, plan))
        self.refused = [str(item.refused.refusal) for step in made for item in step.refused]
        cell = store.fields.get(packed.cell_name("list", "R"))
        self.votes = packed.unpack(cell)[plan.contests["list"].column("P")] if cell is not None else 0
        self.tallies = packed.unpack_tallies(store.fields[packed.TALLIES])
        journal = [
            store.fields[packed.journal_name(at)] for at in range(int(store.fields.get(packed.JOURNAL_LENGTH, b"0")))
        ]
        entries = [packed.decode_entry(value) for value in journal]
        self.flags = {name: {str(flag.code) for flag in flags} for name, flags in packed.carried_flags(entries).items()}
        self.released = [(entry.unit, entry.version, entry.released) for entry in entries if entry.released]


def test_a_released_sheet_counts_although_it_does_not_add_up_and_carries_a_flag() -> None:
    told = Told([CROOKED, LET])
    assert (told.refused, told.votes) == (["accounting"], 6)
    assert (told.flags, told.released) == ({"list|u1": {"accounting"}}, [("u1", 1, "0:0")])


def test_what_is_released_twice_counts_once() -> None:
    told = Told([CROOKED, LET, LET])
    assert (told.votes, told.tallies.accepted, told.tallies.duplicates, len(told.released)) == (6, 1, 1, 1)


def test_a_release_that_came_too_late_is_late() -> None:
    told = Told([CROOKED, replace(SOUND, version=2), LET])
    assert (told.votes, told.tallies.late, told.flags, told.released) == (5, 1, {}, [])


def test_operators_say_which_of_two_contents_of_a_version_is_right() -> None:
    other = replace(SOUND, numbers=(9, 3, 1, 0))
    told = Told([SOUND, other, replace(other, released="0:1", operators=TWO), SOUND])
    assert told.refused == ["equivocation", "equivocation"], "the one that was accepted first is refused from now on"
    assert told.votes == 9
    assert told.released == [("u1", 1, "0:1")]


@pytest.mark.parametrize("how", ["unit", "contest", "missing", "extra", "measure", "source", "election", "environment"])
def test_what_has_no_place_in_a_row_stays_refused_whoever_says_so(how: Break) -> None:
    told = Told([replace(LET, broken=how)])
    assert (len(told.refused), told.votes) == (1, 0)


@pytest.mark.parametrize(("how", "code"), [("accounting", "accounting"), ("parts", "parts")])
def test_soft_refusals_are_flags_once_released(how: Break, code: str) -> None:
    told = Told([replace(LET, broken=how)])
    assert (told.refused, told.flags) == ([], {"list|u1": {code}})


def test_more_ballots_than_voters_are_a_flag_once_released() -> None:
    contest = DEFINITION.contests[0]
    strict = replace(contest.accounting, cast_over_registered=Severity.ERROR)
    plan = plan_of(with_contest(DEFINITION, replace(contest, accounting=strict)))
    over = replace(SOUND, numbers=(50, 0, 0, 0))
    told = Told([over, replace(over, broken="accounting", released="0:0", operators=TWO)], plan)
    assert told.refused == ["cast_over_registered"]
    assert told.flags == {"list|u1": {"cast_over_registered", "accounting"}}


def test_the_flag_goes_with_a_sound_report() -> None:
    assert Told([LET, replace(SOUND, version=2)]).flags == {}


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ((), "needed"),
        (("A. Operator",), "needed"),
        (("A. Operator", "a.  operator"), "twice"),
        (("A. Operator", " "), "blank"),
        (("A. Operator", "Ａ. Operator"), "twice"),
    ],
)
def test_one_person_is_not_two(named: tuple[str, ...], why: str) -> None:
    assert why in (too_few(named, 2) or "")
    live = plan_of(replace(DEFINITION, desk=DeskRules(persons=2)))
    told = Told([replace(LET, operators=named)], live)
    assert (told.refused, told.votes) == ([str(Refusal.OPERATORS)], 0)


def test_two_people_are_two() -> None:
    assert too_few(("A. Operator", "B. Operator"), 2) is None
    assert persons(("Ä", "ä")) == {"ä"}


def test_two_are_needed_when_live_and_the_definition_may_say_otherwise() -> None:
    assert election(2).persons == 1
    live = replace(DEFINITION, environment=Environment.LIVE)
    assert (live.persons, replace(live, desk=DeskRules(persons=1)).persons) == (2, 1)
    assert [text for text in problems(replace(DEFINITION, desk=DeskRules(persons=0))) if "persons" in text]


def test_a_correction_by_operators_needs_as_many_of_them() -> None:
    live = plan_of(replace(DEFINITION, desk=DeskRules(persons=2)))
    told = Told([SOUND, replace(SOUND, version=2, numbers=(1,), kind="correction", operators=("one",))], live)
    assert (told.refused, told.votes) == ([str(Refusal.OPERATORS)], 5)


def test_reports_of_a_frozen_source_wait_until_it_is_thawed() -> None:
    later = replace(SOUND, version=2, numbers=(7, 3, 1, 0))
    told = Told([SOUND, act("freeze"), later, act("thaw"), replace(later, version=3)])
    assert (told.refused, told.votes) == ([str(Refusal.SOURCE_FROZEN)], 7)
    assert Told([act("freeze", source="press"), SOUND]).refused == []


def test_operators_release_single_reports_of_a_frozen_source() -> None:
    told = Told([act("freeze"), SOUND, replace(SOUND, released="0:1", operators=TWO)])
    assert (told.refused, told.votes) == ([str(Refusal.SOURCE_FROZEN)], 5)
    assert (told.flags, told.released) == ({}, [("u1", 1, "0:1")])


def test_sheets_of_a_source_that_is_accepted_with_a_flag_count_until_it_is_judged_strictly_again() -> None:
    told = Told([CROOKED, act("accept_with_flag"), CROOKED, act("accept_strictly"), replace(CROOKED, version=2)])
    assert (told.refused, told.votes, told.flags) == (["accounting", "accounting"], 6, {"list|u1": {"accounting"}})


def test_a_source_that_is_accepted_with_a_flag_still_makes_typing_errors() -> None:
    assert Told([act("accept_with_flag"), replace(SOUND, broken="parts")]).refused == ["parts"]


@pytest.mark.parametrize(
    "changed",
    [
        {"target_source": None},
        {"contest": "list"},
        {"act": "call", "contest": "list", "selection": "P"},
        {"act": "reject", "target_source": None},
        {"act": "call", "target_source": None, "contest": "list"},
        {"act": "accept_with_flag", "contest": "list"},
    ],
)
def test_an_act_that_lacks_what_it_is_about_is_refused(changed: dict[str, str | None]) -> None:
    made = msgspec.structs.replace(act("freeze"), **changed)
    assert Told([made]).refused == [str(Refusal.SCHEMA)]


@pytest.mark.parametrize(
    ("written", "later", "code"), [(act("freeze"), SOUND, "source_frozen"), (act("accept_with_flag"), CROOKED, None)]
)
def test_a_new_owner_knows_the_acts_in_force(written: Desk, later: Sent, code: str | None) -> None:
    """The partition changes hands between the act and what it is about."""
    records = log_of([written, later])
    store = Store()
    store.run(store.claim(), records[:1])
    refused = [str(item.refused.refusal) for step in store.run(store.claim(), records[1:]) for item in step.refused]
    assert refused == ([] if code is None else [code])


def test_a_new_owner_knows_what_was_rejected() -> None:
    no = Desk(
        id="no", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT, act="reject", target="0:0",
        contest="list", unit="u1", version=1, operators=("one",),
    )  # fmt: skip
    records = log_of([CROOKED, no])
    store = Store()
    store.run(store.claim(), records[:1])
    assert [wait.unit for wait in store.claim().fold.waits] == ["u1"]
    owned = store.claim()
    store.run(owned, records[1:])
    assert list(owned.fold.waits) == list(store.claim().fold.waits) == []
