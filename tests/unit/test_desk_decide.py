"""Decisions of the desk: each is an event that anybody reads again, says what readers will see, and fails before it is written."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest

from tallyroom.codec.events import Declaration, Report
from tallyroom.desk import decide
from tallyroom.desk.acts import DeskError, Hand, People
from tallyroom.desk.book import CaseState
from tallyroom.domain.desk import DeskRules
from tallyroom.domain.election import Rule
from tallyroom.results.desk import freezes
from tests.support.desk import TWO, DeskRoom
from tests.support.elections import CLOSED_AT, Sent, election, with_contest

ONE: Final = People(("A. Operator",), "x")
U1: Final = Sent("list", "u1", numbers=(5, 3, 1, 0), invalid=1)


async def room() -> DeskRoom:
    """The small election with a seat by plurality and two people at the desk."""
    small = replace(election(2), desk=DeskRules(persons=2))
    rule = Rule(method="plurality", seats=1, law="-")
    return await DeskRoom(with_contest(small, replace(small.contests[0], rule=rule))).open()


@pytest.mark.parametrize(
    ("text", "said"),
    [("list", "list"), ("list:A", "A in list"), ("source:cec", "source cec"), ("publication", "publication")],
)
async def test_targets_are_contests_areas_and_sources(text: str, said: str) -> None:
    assert str(decide.target((await room()).plan, text)) == said


@pytest.mark.parametrize("text", ["ghost", "list:ghost", "source:ghost", ""])
async def test_a_target_that_is_not_there_is_named_with_what_is(text: str) -> None:
    with pytest.raises(DeskError) as caught:
        decide.target((await room()).plan, text)
    assert "name" in caught.value.action


async def test_a_freeze_and_a_thaw_made_in_one_moment_keep_their_order() -> None:
    """The clock of a replay stands still between events: acts must not."""
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    about = decide.target(desk.plan, "list")
    for _ in range(3):
        await decide.freeze(desk.hand, desk.book, about, {"en": "Checked."}, TWO)
        assert ("list", "A") in freezes(desk.plan, desk.book.facts().asides)
        await decide.thaw(desk.hand, desk.book, about, TWO)
        assert not freezes(desk.plan, desk.book.facts().asides)
    book = await desk.again()
    assert not freezes(book.plan, book.facts().asides)


async def test_a_freeze_is_public_and_needs_a_text() -> None:
    desk = await room()
    with pytest.raises(DeskError, match="no text"):
        await decide.freeze(desk.hand, desk.book, decide.target(desk.plan, "list"), {}, TWO)


async def test_a_source_is_frozen_in_every_partition_and_thawed_again() -> None:
    desk = await room()
    about = decide.target(desk.plan, "source:cec")
    await decide.freeze(desk.hand, desk.book, about, {"en": "Checked."}, TWO)
    cases = await desk.send(*(Sent("list", unit).event(desk.plan.definition) for unit in ("u1", "u2", "u3", "u4")))
    assert {str(case.code) for case in cases} == {"source_frozen"}
    assert "4 wait" in await decide.thaw(desk.hand, desk.book, about, TWO)
    assert (await desk.again()).frozen_sources() == frozenset()
    with pytest.raises(DeskError, match="not frozen"):
        await decide.thaw(desk.hand, desk.book, about, TWO)


async def test_sheets_of_a_source_are_accepted_with_a_flag_until_they_are_not() -> None:
    desk = await room()
    await decide.accept(desk.hand, desk.book, "cec", TWO, with_flag=True)
    crooked = replace(U1, broken="accounting")
    assert await desk.send(crooked.event(desk.plan.definition)) == []
    await decide.accept(desk.hand, desk.book, "cec", TWO, with_flag=False)
    assert len(await desk.send(replace(crooked, version=2).event(desk.plan.definition))) == 1


async def test_a_call_says_what_the_bound_says() -> None:
    desk = await room()
    assert "bound says: open" in await decide.call(desk.hand, desk.book, "list:Q", {}, TWO)
    reports = [Sent("list", unit, numbers=(9, 0)).event(desk.plan.definition) for unit in ("u1", "u2", "u4")]
    await desk.send(*reports, Sent("list", "u3", registered=1).event(desk.plan.definition))
    assert "ALARM" in await decide.call(desk.hand, desk.book, "list:Q", {}, TWO)
    assert decide.bound_says(desk.book, "list", "P") == "agrees"
    assert "no longer" in await decide.uncall(desk.hand, desk.book, "list:Q", TWO)
    with pytest.raises(DeskError, match="no selection"):
        await decide.call(desk.hand, desk.book, "list:ghost", {}, TWO)


async def test_a_unit_is_corrected_by_hand_with_what_was_reported_for_the_rest() -> None:
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    leaf = decide.leaf_of(desk.book, "list:u1")
    said = await decide.correct(desk.hand, desk.book, leaf, {"P": 4, "Q": 4}, TWO)
    assert "P 5 -> 4" in said
    state, at = (await desk.again()).unit(leaf)
    assert state is not None
    assert (state[0], state[6:]) == (2, (10, 9, 1, 4, 4, 1, 0))
    assert at is not None


async def test_a_correction_that_does_not_add_up_is_not_written() -> None:
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    before, leaf = desk.book.offsets, decide.leaf_of(desk.book, "list:u1")
    with pytest.raises(DeskError, match="accounting"):
        await decide.correct(desk.hand, desk.book, leaf, {"P": 50}, TWO)
    assert (await desk.again()).offsets == before
    await decide.accept(desk.hand, desk.book, "cec", TWO, with_flag=True)
    assert "P 5 -> 50" in await decide.correct(desk.hand, desk.book, leaf, {"P": 50}, TWO)


@pytest.mark.parametrize("about", ["source:cec", "publication"])
async def test_an_embargo_without_a_contest_would_be_one_of_everything(about: str) -> None:
    desk = await room()
    with pytest.raises(DeskError, match="contest or an area"):
        await decide.embargo(desk.hand, desk.book, decide.target(desk.plan, about), None, TWO)


async def test_a_correction_needs_every_figure_of_a_unit_that_has_not_reported() -> None:
    desk = await room()
    leaf = decide.leaf_of(desk.book, "list:u1")
    with pytest.raises(DeskError, match="every figure is needed"):
        await decide.correct(desk.hand, desk.book, leaf, {"P": 50}, TWO)
    with pytest.raises(DeskError, match="no figure 'ghost'"):
        await decide.correct(desk.hand, desk.book, leaf, {"ghost": 50}, TWO)


async def test_an_embargo_is_put_off_by_a_declaration_without_names() -> None:
    desk = await room()
    until = CLOSED_AT + timedelta(hours=1)
    assert until.isoformat() in await decide.embargo(desk.hand, desk.book, decide.target(desk.plan, "list"), until, TWO)
    (made,) = [item for item in (await desk.again()).facts().asides if item["type"] == "declaration"]
    assert (made["act"], made["contest"], made["operators"]) == ("embargo_extended", "list", list(TWO.operators))
    assert Declaration.__struct_config__.tag == "declaration"


async def test_an_embargo_that_is_lifted_in_the_moment_it_was_made_is_lifted() -> None:
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    contest = decide.target(desk.plan, "list")
    for until in (CLOSED_AT + timedelta(hours=1), None):
        await decide.embargo(desk.hand, desk.book, contest, until, TWO)
    made = [item for item in desk.book.facts().asides if item["type"] == "declaration"]
    ordered = sorted(made, key=lambda item: datetime.fromisoformat(item["reported_at"]))
    assert [item["act"] for item in ordered] == ["embargo_extended", "embargo_lifted"]
    assert len({item["reported_at"] for item in made}) == 2


async def test_an_amendment_counts_the_reports_that_wait_for_it() -> None:
    desk = await room()
    ghost = replace(U1, broken="unit").event(desk.plan.definition)
    (case,) = await desk.send(ghost)
    change = {"change": "add_unit", "unit": {"id": "ghost", "registered": 10}, "contests": {"list": "A"}}
    data = json.dumps([change]).encode()
    assert "1 reports" in await decide.amendment(desk.hand, desk.book, data, TWO)
    assert desk.book.plan.units["ghost"].registered == 10
    assert isinstance(case.event, Report)
    await desk.send(case.event)
    assert desk.book.state(case) is CaseState.SETTLED
    for bad, why in ((b"{", "no changes"), (data, "cannot be made")):
        with pytest.raises(DeskError, match=why):
            await decide.amendment(desk.hand, desk.book, bad, TWO)


async def test_everything_needs_enough_people_before_anything_is_written() -> None:
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    before = desk.book.offsets
    contest, leaf = decide.target(desk.plan, "list"), decide.leaf_of(desk.book, "list:u1")
    tries = [
        decide.freeze(desk.hand, desk.book, contest, {"en": "x"}, ONE),
        decide.thaw(desk.hand, desk.book, contest, ONE),
        decide.accept(desk.hand, desk.book, "cec", ONE, with_flag=True),
        decide.call(desk.hand, desk.book, "list:P", {}, ONE),
        decide.uncall(desk.hand, desk.book, "list:P", ONE),
        decide.embargo(desk.hand, desk.book, contest, None, ONE),
        decide.correct(desk.hand, desk.book, leaf, {"P": 1}, ONE),
        decide.amendment(desk.hand, desk.book, b"[]", ONE),
    ]
    for attempt in tries:
        with pytest.raises(DeskError, match="2 different ones are needed"):
            await attempt
    assert (await desk.again()).offsets == before


async def test_who_skips_the_check_of_the_desk_is_refused_by_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule does not live in a command that a stolen key need not run."""
    desk = await room()
    monkeypatch.setattr(Hand, "require", lambda *_: None)
    monkeypatch.setattr("tallyroom.desk.acts.judge_aside", lambda *_: None)
    with pytest.raises(DeskError, match="operators: desk"):
        await decide.freeze(desk.hand, desk.book, decide.target(desk.plan, "list"), {"en": "x"}, ONE)
    assert desk.book.acts == {}


async def test_texts_go_to_the_language_they_name_or_the_first() -> None:
    plan = (await room()).plan
    assert decide.texts(plan, ["en=Checked."]) == {"en": "Checked."}
    assert decide.texts(plan, ["1 = 1"]) == {"en": "1 = 1"}


async def test_units_are_named_with_their_group_where_the_contest_has_some() -> None:
    desk = await room()
    assert decide.leaf_of(desk.book, "groups:u1#advance").name == "groups|u1#advance"
    for text in ("groups:u1", "list:ghost"):
        with pytest.raises(DeskError):
            decide.leaf_of(desk.book, text)


async def test_the_history_of_a_unit_tells_what_was_refused() -> None:
    desk = await room()
    await desk.send(replace(U1, broken="accounting").event(desk.plan.definition), U1.event(desk.plan.definition))
    (item,) = decide.history(desk.book, decide.leaf_of(desk.book, "list:u1"))
    assert (item["reason"], item["state"]) == ("accounting", "settled")
