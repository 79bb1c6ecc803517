"""The checker is checked: faults planted in a real store are found, named, and freeze publication; operators thaw it by name."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import pytest

from tallyroom.auditor.compare import Difference
from tallyroom.auditor.service import Auditor, OtherDefinition
from tallyroom.codec import packed
from tallyroom.domain.election import ReportingUnit
from tallyroom.tabulation.plan import Plan
from tests.support.auditing import DEFINITION, FIRST, P, Row, Scene
from tests.support.elections import Sent, with_contest
from tests.support.publishing import TOPIC, until


async def test_a_sound_night_is_never_frozen(scene: Scene) -> None:
    for version in range(2, 6):
        await scene.send(
            Sent("list", "u1", version=version, numbers=(9 - version,)), Sent("groups", "u1", group="advance")
        )
        assert await scene.auditor.audit() == []
    await scene.room.covered()
    assert await scene.auditor.audit() == []
    assert not (await scene.room.store.mark()).frozen
    await until(lambda: scene.publisher.condition.ok)


PLANTED: Final[Mapping[str, tuple[str, Callable[[Row], Row] | None, set[str]]]] = {
    "+1": ("t:list|R", lambda row: (*row[:P], row[P] + 1, *row[P + 1 :]), {"P"}),
    "x2": (
        "t:list|A",
        lambda row: tuple(2 * value for value in row),
        {"P", "Q", "AGAINST", "cast", "valid", "complete"},
    ),
    "a swap": ("t:list|A", lambda row: (*row[:P], row[P + 1], row[P], *row[P + 2 :]), {"P", "Q"}),
    "a lost unit": ("u:list|u1", None, {"report"}),
    "a changed unit": ("u:list|u1", lambda row: (*row[:-1], row[-1] + 1), {"REST"}),
    "a lost cell": ("t:list|B", None, {"P", "Q", "cast", "complete"}),
    "a lost event": ("s", lambda row: (row[0] - 1, *row[1:]), {"events accepted"}),
}


@pytest.mark.parametrize("fault", PLANTED)
async def test_a_fault_planted_in_the_store_freezes_publication(scene: Scene, fault: str) -> None:
    field, change, figures = PLANTED[fault]
    await scene.plant(field, change)
    found = await scene.auditor.audit()
    assert {item.figure for item in found} >= figures
    why = await scene.frozen()
    assert why.count == len(found)
    assert why.differences[0] == str(found[0])
    before = await scene.room.store.head()
    await scene.send(Sent("groups", "u3", group="advance", numbers=(3, 4)))
    await asyncio.sleep(0.5)
    assert await scene.room.store.head() == before, "nothing new is published"
    assert json.loads(await scene.room.store.condition() or b"{}")["ok"] is False, "readers are told since when"


async def test_differences_are_named_place_by_place(scene: Scene) -> None:
    await scene.plant("t:list|A", PLANTED["a swap"][1])
    found = await scene.auditor.audit()
    number = int((await scene.partition_of("u:list|u1"))[-1])
    at = {"contest": "list", "area": "A", "partition": number}
    assert set(found) == {Difference("P", 7, 2, **at), Difference("Q", 2, 7, **at)}  # type: ignore[arg-type]
    assert str(Difference("P", 7, 2, "list", "A")) == "contest list, area A, P: the log says 7, found 2"


async def test_a_fault_planted_in_what_was_published_is_withdrawn(scene: Scene) -> None:
    head, _ = await scene.room.covered()
    await scene.plant_published("areas:list:", lambda text: text.replace('"P":12', '"P":13', 1))
    found = await scene.auditor.audit()
    assert Difference("counts.P", 12, 13, "list", "R") in found
    assert any(item.figure == "hash of document areas:list:" for item in found)
    assert (await scene.frozen()).revision == head.revision
    async with asyncio.timeout(20):
        while (current := await scene.room.store.head()) is None or current.number == head.revision:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await scene.figure() == 12, "the last revision that was right is published again"


async def test_a_revision_made_of_a_wrong_total_is_withdrawn(scene: Scene) -> None:
    """The fault stands in the store, is published with the next report, and only then found."""
    await scene.plant("t:list|R", PLANTED["+1"][1])
    good, _ = await scene.room.covered()
    for unit in ("u1", "u3", "u4"):  # one of them is in the partition with the fault; none touches contest list
        await scene.room.send(Sent("inside", unit, numbers=(1, 0, 0)).event(DEFINITION))
    wrong, _ = await scene.room.covered()
    assert await scene.figure() == 13, "the fault was published"
    found = await scene.auditor.audit()
    assert Difference("counts.P", 12, 13, "list", "R") in found
    assert (await scene.frozen()).revision == wrong.revision
    back, documents = await scene.room.when(lambda head, _: head.revision > wrong.revision)
    assert documents["areas:list:"][0]["counts"]["P"] == 12
    assert back.as_of == good.as_of


async def test_named_operators_thaw_publication_by_an_event_in_the_log(scene: Scene) -> None:
    await scene.thaw(1)  # written before anything was frozen: it lifts nothing
    await scene.plant("t:list|R", PLANTED["+1"][1])
    assert await scene.auditor.audit() != []
    await scene.frozen()
    await scene.send(
        Sent("list", "u4", numbers=(1, 1, 1, 1))
    )  # its area is the root: the total is written anew, 1 too high
    await asyncio.sleep(0.4)
    assert (await scene.room.store.mark()).frozen
    await scene.thaw(2)
    await scene.room.covered()
    mark = await scene.room.store.mark()
    assert not mark.frozen
    assert json.loads(mark.thaw)["operators"] == ["Aigerim", "Daniyar"]
    await until(lambda: scene.publisher.condition.ok)


async def test_what_was_thawed_does_not_freeze_again_but_another_fault_does(scene: Scene) -> None:
    await scene.plant("t:list|A", PLANTED["+1"][1])
    await scene.auditor.audit()
    await scene.frozen()
    await scene.thaw(1)
    await until(lambda: scene.publisher.condition.ok)
    assert await scene.auditor.audit() != [], "it is still there, and ops see it"
    assert not (await scene.room.store.mark()).frozen
    await scene.plant("t:list|B", PLANTED["+1"][1])
    assert await scene.auditor.audit() != []
    assert (await scene.room.store.mark()).frozen
    await scene.frozen()


@pytest.mark.parametrize("fault", PLANTED)
async def test_a_rebuild_heals_the_store_and_a_thaw_lets_publication_go_on(scene: Scene, fault: str) -> None:
    field, change, _ = PLANTED[fault]
    await scene.plant(field, change)
    assert await scene.auditor.audit() != []
    await scene.frozen()
    assert (await scene.rebuild()).records == len(FIRST)
    assert await scene.auditor.audit() == []
    assert (await scene.room.store.mark()).frozen, "only people thaw it"
    await scene.thaw(1)
    await scene.room.covered()
    await until(lambda: scene.publisher.condition.ok)
    assert await scene.figure() == 12
    assert await scene.auditor.audit() == []


async def test_totals_that_were_exchanged_at_the_same_offset_are_published(scene: Scene) -> None:
    """Without a single new event: nobody waits for the next report to see a corrected figure."""
    await scene.plant("t:list|R", PLANTED["+1"][1])
    for unit in ("u1", "u3", "u4"):
        await scene.room.send(Sent("inside", unit, numbers=(1, 0, 0)).event(DEFINITION))
    wrong, _ = await scene.room.covered()
    assert await scene.figure() == 13
    await scene.rebuild()
    _, documents = await scene.room.when(lambda head, _: head.revision > wrong.revision)
    assert documents["areas:list:"][0]["counts"]["P"] == 12


async def test_an_owner_goes_on_where_the_rebuild_stopped(scene: Scene) -> None:
    await scene.send(Sent("list", "u4", numbers=(1, 1, 1, 1)))
    await scene.rebuild()
    await scene.send(Sent("list", "u4", version=2, numbers=(2, 1, 1, 1)), Sent("list", "u2", numbers=(0, 0, 0, 1)))
    await scene.room.covered()
    assert await scene.figure() == 14
    assert await scene.auditor.audit() == []


async def test_another_definition_file_judges_the_whole_log_anew(scene: Scene) -> None:
    """A unit that the first file did not know: its report was refused, and counts after the rebuild."""
    contest = DEFINITION.contests[0]
    known = replace(contest, units={**contest.units, "late": "B"})
    other = replace(with_contest(DEFINITION, known), units=(*DEFINITION.units, ReportingUnit(id="late", registered=50)))
    await scene.room.send(Sent("list", "late", numbers=(5, 0, 0, 0)).event(with_contest(DEFINITION, contest)))
    await scene.room.covered()
    assert await scene.figure() == 12
    plan = Plan(other, "1" * 64)
    assert (await scene.rebuild(plan)).units == 3
    meta = await scene.room.store.meta()
    assert meta is not None
    assert meta.definition == plan.chain
    books = Auditor((scene.room.store, scene.room.store), (scene.room.log, TOPIC), (other, plan.chain), scene.metrics)
    with pytest.raises(OtherDefinition):  # what was published is by the first file
        await books.audit()
    with pytest.raises(OtherDefinition):
        await scene.auditor.audit()
    await until(lambda: "no amendment leads to" in scene.publisher.condition.reason)
    assert await scene.figure() == 12, "readers keep the last good revision until a publisher has the new file"
    total = 0
    for partition in (0, 1):
        [raw] = await scene.room.store.units(partition, [b"t:list|R"])
        total += packed.unpack(raw)[P] if raw is not None else 0
    assert total == 17
