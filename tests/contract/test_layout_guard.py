"""One suite over every totals store: whoever interprets rows refuses those that another release packed, and a rebuild ends it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tallyroom.auditor.service import Auditor
from tallyroom.codec.layout import LAYOUT, ORIGIN, Origin
from tallyroom.codec.packed import cell_name
from tallyroom.domain.errors import OtherLayout
from tallyroom.publisher.cut import View
from tallyroom.publisher.journal import entries_between
from tallyroom.publisher.returns import Returns
from tallyroom.publisher.sweep import Sweep
from tallyroom.store.base import Answer
from tallyroom.tabulator.applier import Applier
from tallyroom.tabulator.owned import Owned
from tallyroom.tabulator.rebuild import Rebuild
from tallyroom.telemetry.metrics import auditor_metrics, new_registry, returned_counter, tabulator_metrics
from tests.support.elections import CHAIN, Sent, election
from tests.support.gateways import gateway, shows
from tests.support.publishing import TOPIC, Room, until
from tests.support.store_fixtures import AnyStore, apply_one, values

DEFINITION: Final = election(2)
UNITS: Final = ("u1", "u2", "u3", "u4")  # both partitions have some
TOPICS: Final = (TOPIC, "quarantine")


@pytest.fixture
async def room(store: AnyStore, tmp_path: Path) -> AsyncIterator[Room]:
    """A folded night of four reports."""
    made = await Room(store, tmp_path / "kept", DEFINITION).open()
    await made.log.create(TOPICS[1], 2)
    await made.send(*(Sent("list", unit, numbers=(3, 1)).event(DEFINITION) for unit in UNITS))
    yield made
    await made.log.close()


async def relabel(room: Room, partition: int, layout: int) -> None:
    """The partition as a release of this layout would leave it; its rows stay, as if they meant something else."""
    [held] = await values(room.store, partition, [ORIGIN])
    assert held is not None
    claim = await room.store.claim(partition)
    origin = msgspec.structs.replace(msgspec.json.decode(held, type=Origin), layout=layout)
    fields = {ORIGIN: msgspec.json.encode(origin)}
    assert await apply_one(room.store, (partition, claim.epoch), (claim.offset, claim.offset), fields) is Answer.OK


async def rebuild(room: Room) -> None:
    """Fold the whole log anew, as `tallyroom rebuild` of this release does."""
    await Rebuild(room.store, (room.log, TOPICS), room.plan).run()


async def totals(room: Room) -> dict[tuple[str, str], tuple[int, ...]]:
    """What a publisher that has just been started reads."""
    view = View(room.store, room.plan, 2)
    await view.refresh()
    view.sum_changed()
    return view.totals


@pytest.mark.parametrize("layout", [LAYOUT + 1, LAYOUT - 1])
async def test_a_tabulator_ends_at_rows_of_another_layout_and_changes_none(room: Room, layout: int) -> None:
    await relabel(room, 0, layout)
    before = dict((await room.store.claim(0)).fields)
    applier = Applier(room.store, room.log, TOPICS, room.plan, tabulator_metrics(new_registry("tabulator")))

    async def seek(partition: int, offset: int) -> None:
        raise AssertionError(f"nothing of {partition} may be read on from {offset}")

    await applier.open(seek)
    with pytest.raises(OtherLayout, match=r"Partition 0 in the store .* Operator action: .*tallyroom rebuild"):
        await applier.claim(0)
    assert await applier.claim(1) > 0, "the other partition is as this release packs it"
    assert dict(applier.owned) == {1: (await room.store.offsets())[1]}
    assert dict((await room.store.claim(0)).fields) == before


async def test_a_partition_without_rows_has_no_layout_yet(room: Room) -> None:
    made = await room.store.begin(0)
    assert Owned(made, room.plan, 2).next == 0


async def test_the_number_moves_with_the_rows(room: Room) -> None:
    """In the step that writes them, and into the hash that is folded beside."""
    for partition in (0, 1):
        [held] = await values(room.store, partition, [ORIGIN])
        assert held is not None
        assert msgspec.json.decode(held)["layout"] == LAYOUT
    await relabel(room, 0, LAYOUT + 1)
    await relabel(room, 1, LAYOUT + 1)
    await rebuild(room)
    for partition in (0, 1):
        [held] = await values(room.store, partition, [ORIGIN])
        assert held is not None
        assert msgspec.json.decode(held)["layout"] == LAYOUT


async def test_a_publisher_reads_nothing_of_another_layout(room: Room) -> None:
    view = View(room.store, room.plan, 2)
    await view.refresh()
    view.sum_changed()
    before = dict(view.totals)
    await relabel(room, 0, LAYOUT + 1)
    view.replan(room.plan)
    with pytest.raises(OtherLayout):
        await view.refresh()
    assert view.offsets()[0] == 0, "not even where it stands"
    assert view.partitions[0].raw == [None] * len(view.partitions[0].raw)
    await rebuild(room)
    assert await totals(room) == before


async def test_a_journal_exchanged_after_the_cut_is_not_read(room: Room) -> None:
    """Cut and journal are two reads: between them a rebuild of another release may put its hash there."""
    await room.send(*(Sent("list", unit, version=2, numbers=(1, 1)).event(DEFINITION) for unit in UNITS))  # all fell
    view = View(room.store, room.plan, 2)
    await view.refresh()
    for partition, part in view.partitions.items():
        assert part.journal
        await relabel(room, partition, LAYOUT + 1)
        with pytest.raises(OtherLayout):
            await entries_between(room.store, partition, 0, part.journal)


async def test_publication_stands_until_a_rebuild_and_goes_on_after_it(room: Room) -> None:
    """Readers keep the last revision, which is no row of any layout, and are told that it may be out of date."""
    async with room.publishing() as publisher:
        head, documents = await room.covered()
        await until(lambda: publisher.condition.ok)
        await room.send(Sent("list", "u1", version=2, numbers=(5, 1)).event(DEFINITION))
        head, documents = await room.covered()
        for partition in (0, 1):
            await relabel(room, partition, LAYOUT + 1)
        await room.store.adopt(CHAIN, 2)  # as the other release's rebuild ends
        await until(lambda: f"rows of layout {LAYOUT + 1}" in publisher.condition.reason)
        assert not publisher.condition.ok
        assert await room.published() == (head, documents)
        await rebuild(room)
        await until(lambda: publisher.condition.ok)
        after, same = await room.covered()
    assert same["areas:list:"] == documents["areas:list:"]
    assert after.as_of == head.as_of


async def test_an_auditor_says_nothing_of_another_layout_and_freezes_nothing(room: Room) -> None:
    metrics = auditor_metrics(new_registry("auditor"), lambda: 0.0)
    auditor = Auditor((room.store, room.store), (room.log, TOPIC), (DEFINITION, CHAIN), metrics)
    async with room.publishing():
        head, _ = await room.covered()
        assert await auditor.audit() == []
        await relabel(room, 1, LAYOUT + 1)
        with pytest.raises(OtherLayout):
            await auditor.audit()
        assert auditor.audits == 1
        assert auditor.differences == []
        mark = await room.store.mark()
        assert (mark.frozen, mark.audited) == (False, head.revision)
        await rebuild(room)
        assert await auditor.audit() == []


async def test_a_published_fault_is_found_although_the_store_is_of_another_layout(room: Room) -> None:
    metrics = auditor_metrics(new_registry("auditor"), lambda: 0.0)
    auditor = Auditor((room.store, room.store), (room.log, TOPIC), (DEFINITION, CHAIN), metrics)
    async with room.publishing():
        await room.covered()
    await relabel(room, 1, LAYOUT + 1)
    lease = await room.store.acquire("a hand", 60)
    revision, documents = await room.store.documents()
    assert lease is not None
    assert revision is not None
    figure = b'"counts":{"P":'
    wrong = {name: data.replace(figure, figure + b"1") for name, data in documents.items() if figure in data}
    assert wrong
    head = msgspec.json.decode(revision.head)
    head["revision"] += 1
    assert await room.store.publish(lease, head["revision"], msgspec.json.encode(head), wrong) is Answer.OK
    with pytest.raises(OtherLayout):
        await auditor.audit()
    assert auditor.differences
    assert (await room.store.mark()).frozen


async def test_reports_that_wait_are_not_read_from_another_layout(room: Room) -> None:
    service = Returns(room.store, (room.log, TOPIC), room.plan, returned_counter(new_registry("returns")))
    await relabel(room, 1, LAYOUT + 1)
    with pytest.raises(OtherLayout):
        await service.look()
    await rebuild(room)
    assert await service.look() == 0


async def test_a_gateway_shows_no_unit_of_another_layout(room: Room) -> None:
    async with room.publishing(), gateway(room.store, environment="test") as running:
        head, _ = await room.covered()
        await shows(running, head.revision)
        for partition in (0, 1):
            await relabel(room, partition, LAYOUT + 1)
        answer = await running.client.get(f"{running.path}/units/u1")
        assert answer.status_code == 503
        assert "another release" in answer.json()["detail"]
        await rebuild(room)
        answer = await running.client.get(f"{running.path}/units/u1")
        assert answer.status_code == 200


async def test_the_owner_before_a_rebuild_is_fenced_and_an_older_release_ends_when_it_claims(room: Room) -> None:
    """Side by side: the older release's owner is fenced by the exchange, claims, and meets a layout that it does not know."""
    owners = [Owned(await room.store.claim(partition), room.plan, 2) for partition in (0, 1)]
    await rebuild(room)
    beats = await room.store.apply([owner.heartbeat().step for owner in owners])
    assert beats == [Answer.FENCED, Answer.FENCED]
    for partition in (0, 1):
        await relabel(room, partition, LAYOUT + 1)  # had it been a rebuild of a newer release
        with pytest.raises(OtherLayout):
            Owned(await room.store.claim(partition), room.plan, 2)
    assert await values(room.store, 0, [cell_name("list", "R")]) != [None]


async def test_units_of_another_layout_are_not_compared(room: Room) -> None:
    sweep = Sweep(room.store)
    for partition in (0, 1):
        await relabel(room, partition, LAYOUT + 1)
    assert sweep.look(room.plan, {0: 1, 1: 1}) is None
    looking = sweep._task
    assert looking is not None
    with pytest.raises(OtherLayout):
        await looking
    assert sweep.look(room.plan, {0: 1, 1: 1}) is None, "a warning; the publisher goes on"
