"""The desk: states of refused records, what a release would change, and decisions that anybody reads again from the log."""

from dataclasses import replace
from typing import Final

import pytest

from tallyroom.codec.reading import PartitionReader
from tallyroom.desk.acts import DeskError, People, chosen
from tallyroom.desk.book import At, CaseState
from tallyroom.desk.views import Filter, Scales, counted, listed, shown
from tallyroom.domain.desk import DeskRules
from tallyroom.domain.election import Allocation, Definition, Rule, Threshold
from tallyroom.domain.events import Refusal
from tests.support.desk import TWO, DeskRoom
from tests.support.elections import Sent, election, with_contest
from tests.support.partition import act

U1: Final = Sent("list", "u1", numbers=(5, 3, 1, 0), invalid=1)
CROOKED: Final = replace(U1, numbers=(1, 8, 1, 0), broken="accounting", invalid=0)


def ruled() -> Definition:
    """The small election with a rule: three seats by Hare above a fifth of the votes, two people at the desk."""
    small = replace(election(2), desk=DeskRules(persons=2))
    rule = Rule(
        method="hare",
        seats=3,
        law="-",
        allocations=(Allocation(area="R", seats=3),),
        thresholds=(Threshold(share="1/5"),),
    )
    return with_contest(small, replace(small.contests[0], rule=rule))


async def room() -> DeskRoom:
    """An open desk."""
    return await DeskRoom(ruled()).open()


async def test_a_case_waits_until_operators_release_it() -> None:
    desk = await room()
    (case,) = await desk.send(CROOKED.event(desk.plan.definition))
    assert (case.code, desk.book.state(case)) == (Refusal.ACCOUNTING, CaseState.WAITING)
    await desk.hand.release(case, TWO)
    for book in (desk.book, await desk.again()):
        assert book.state(book.cases[case.at]) is CaseState.RELEASED
        decision = book.decision(case)
        assert decision is not None
        assert (decision.operators, decision.reason) == (TWO.operators, TWO.reason)
        assert book.facts().totals["list", "R"][desk.plan.contests["list"].column("Q")] == 8


async def test_bytes_that_are_no_event_are_rejected_and_stay_out() -> None:
    desk = await room()
    (case,) = await desk.send(b"{broken")
    await desk.hand.reject(case, TWO)
    book = await desk.again()
    assert book.state(book.cases[case.at]) is CaseState.REJECTED
    assert (await shown(book, case, Scales(book)))["original"] == "{broken"


async def test_who_rejected_may_still_release_and_not_the_other_way_round() -> None:
    desk = await room()
    (case,) = await desk.send(CROOKED.event(desk.plan.definition))
    await desk.hand.reject(case, TWO)
    with pytest.raises(DeskError, match="rejected by A"):
        await desk.hand.reject(case, TWO)
    await desk.hand.release(case, TWO)
    for decide in (desk.hand.release, desk.hand.reject):
        with pytest.raises(DeskError, match="released by A"):
            await decide(case, TWO)


async def test_a_newer_report_of_the_unit_settles_the_case_and_a_release_is_nothing_then() -> None:
    desk = await room()
    (case,) = await desk.send(CROOKED.event(desk.plan.definition), replace(U1, version=2).event(desk.plan.definition))
    assert desk.book.state(case) is CaseState.SETTLED
    assert Scales(desk.book).weigh(case) is None
    assert "late" in str(Scales(desk.book).verdict(case))


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (People(("A. Operator",), "x"), "2 different ones are needed"),
        (People(("A. Operator", "a. operator"), "x"), "twice"),
        (People(("A. Operator", "B. Operator"), " "), "no reason"),
    ],
)
async def test_too_few_people_and_no_reason_are_said_before_anything_is_written(who: People, why: str) -> None:
    desk = await room()
    (case,) = await desk.send(CROOKED.event(desk.plan.definition))
    before = desk.book.offsets
    for decide in (desk.hand.release, desk.hand.reject):
        with pytest.raises(DeskError, match=why):
            await decide(case, who)
    assert (await desk.again()).offsets == before


@pytest.mark.parametrize("broken", ["unit", "contest", "missing", "source"])
async def test_hard_refusals_say_what_can_be_done_instead(broken: str) -> None:
    desk = await room()
    (case,) = await desk.send(replace(U1, broken=broken).event(desk.plan.definition))  # type: ignore[arg-type]
    with pytest.raises(DeskError, match="no decision can make a figure of it"):
        await desk.hand.release(case, TWO)
    await desk.hand.reject(case, TWO)
    assert desk.book.state(case) is CaseState.REJECTED


async def test_what_a_release_would_turn_is_an_alarm() -> None:
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    (case,) = await desk.send(replace(CROOKED, version=2).event(desk.plan.definition))
    found = await shown(desk.book, case, Scales(desk.book))
    assert found["previous"]["figures"]["P"] == 5
    released = found["if_released"]
    assert (released["verdict"], released["could_change_outcome"]) == ("supersedes", True)
    assert released["figures"]["Q"] == {
        "before": 3, "after": 8, "share_before": "0.333333", "share_after": "0.800000",
    }  # fmt: skip
    turned = {(turn["what"], turn["of"]): (turn["before"], turn["after"]) for turn in released["turns"]}
    assert turned["leading", "list"] == (["P"], ["Q"])
    assert turned["threshold", "P"] == ("above", "below")
    assert turned["seats", "Q"] == (1, 3)
    (line,) = listed(desk.book, Filter(state=CaseState.WAITING), Scales(desk.book))
    assert line["could_change_outcome"]
    await desk.hand.release(case, TWO)
    root = desk.book.facts().totals["list", "R"]
    assert root[desk.plan.contests["list"].column("Q")] == 8, "the promised figures are the ones that came"


async def test_a_release_that_turns_nothing_says_so() -> None:
    desk = await room()
    await desk.send(U1.event(desk.plan.definition))
    (case,) = await desk.send(
        replace(U1, version=2, numbers=(5, 3, 0, 1), broken="accounting").event(desk.plan.definition)
    )
    effect = Scales(desk.book).weigh(case)
    assert effect is not None
    assert (effect.could_change_outcome, set(effect.figures)) == (False, {"P", "AGAINST", "REST"})


async def test_a_list_is_filtered_by_state_reason_contest_and_source() -> None:
    desk = await room()
    definition = desk.plan.definition
    await desk.send(
        CROOKED.event(definition), replace(U1, broken="source").event(definition), b"{",
        Sent("inside", "u1", broken="accounting").event(definition),
    )  # fmt: skip
    assert len(listed(desk.book, Filter())) == 4
    assert [line["reason"] for line in listed(desk.book, Filter(source="nobody"))] == ["unknown_source"]
    assert [line["contest"] for line in listed(desk.book, Filter(contest="inside"))] == ["inside"]
    assert len(listed(desk.book, Filter(code="accounting"))) == 2
    assert counted(listed(desk.book, Filter()))["state"] == {"waiting": 4}


async def test_places_that_hold_nothing_refused_are_named() -> None:
    desk = await room()
    for text in ("0:7", "x", "1", "a:b"):
        with pytest.raises(DeskError, match=r"PARTITION:OFFSET|refused at"):
            chosen(desk.book, [text])


async def test_a_frozen_source_waits_and_is_released_after_the_thaw() -> None:
    desk = await room()
    (case,) = await desk.send(act("freeze"), U1.event(desk.plan.definition))
    assert (case.code, desk.book.frozen_sources()) == (Refusal.SOURCE_FROZEN, frozenset({"cec"}))
    await desk.send(act("thaw"))
    await desk.hand.release(case, TWO)
    assert desk.book.frozen_sources() == frozenset()
    assert desk.book.facts().totals["list", "R"][0] == 1


async def test_a_rejected_report_waits_no_more_for_whoever_folds_the_log() -> None:
    """By unit and version: in a replay over other partitions the place that the act names is another record's."""
    desk = await room()
    (case,) = await desk.send(CROOKED.event(desk.plan.definition))
    for waits in ([(CROOKED.unit, 1)], []):
        book = await desk.again()
        records = [await book.record(At(partition, at)) for partition, end in book.offsets.items() for at in range(end)]
        fold = PartitionReader(desk.plan)
        for offset, record in enumerate(records):
            fold.take(record.value, None, record.headers, offset)
        assert [(wait.unit, wait.version) for wait in fold.fold.waits] == waits
        if waits:
            await desk.hand.reject(case, TWO)
