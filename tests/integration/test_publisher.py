"""The publisher over a store and a log: embargoes, numbers after a crash, rolled-back stores, definitions on their way."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tallyroom.codec.events import Amendment, Control, Declaration, Participation, Report, ReregisterUnit, encode_event
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import LogUnavailable, StoreError
from tallyroom.domain.partition import partition_of
from tallyroom.log import MemoryLog
from tallyroom.log.base import Bounds, Entry
from tallyroom.publisher import guards
from tallyroom.publisher.cut import View
from tallyroom.publisher.service import Condition
from tallyroom.store import MemoryStore
from tallyroom.store.base import Answer, Lease
from tests.support.elections import CHAIN, CLOSED_AT, ELECTION, Sent, election
from tests.support.publishing import TOPIC, Room, until
from tests.support.store_fixtures import AnyStore

DEFINITION: Final = election(2)
UNITS: Final = ("u1", "u2", "u3", "u4")


def report(unit: str, version: int = 1, votes: int = 3, definition: Definition = DEFINITION) -> Report:
    """A sound report of contest ``list``; version N is reported N minutes after the polls closed."""
    return Sent("list", unit, version=version, numbers=(votes, 1), kind="correction").event(definition)


def bulletin(minutes: int) -> Participation:
    """A bulletin that moves the election clock and no total; ``minutes`` after the polls closed."""
    return Participation(
        id=f"bulletin-{minutes}", election=ELECTION, environment="test", source="cec", measure="cast", area="A",
        reported_at=CLOSED_AT + timedelta(minutes=minutes), as_of=CLOSED_AT, ballots=minutes,
    )  # fmt: skip


def control() -> Control:
    """The authority's own total of the country."""
    return Control(
        id="control-1", election=ELECTION, environment="test", source="cec", contest="list", area="R",
        reported_at=CLOSED_AT + timedelta(minutes=2), counts={"P": 9},
    )  # fmt: skip


def amendment() -> Amendment:
    """A change that shows in the definition and in no total."""
    return Amendment(
        id="amendment-1", election=ELECTION, environment="test", source="cec", previous=CHAIN,
        reported_at=CLOSED_AT + timedelta(minutes=5), changes=(ReregisterUnit(unit="u4", registered=77),),
    )  # fmt: skip


def votes(documents: dict[str, Any]) -> int:
    """Votes of P in the country."""
    found: int = documents["areas:list:"][0]["counts"]["P"]
    return found


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room in memory."""
    made = await Room(MemoryStore(), tmp_path / "kept", DEFINITION).open()
    yield made
    await made.log.close()


@pytest.fixture
def short_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubt after half a second, so that a test need not last five."""
    monkeypatch.setattr(guards, "STALL_S", 0.5)


async def test_everything_of_a_contest_appears_at_once_when_its_embargo_lifts(tmp_path: Path) -> None:
    """What lifts it is the clock, moved by an event that touches no area of the contest."""
    release = CLOSED_AT + timedelta(minutes=30)
    definition = replace(DEFINITION, release_at=release)
    room = await Room(MemoryStore(), tmp_path / "kept", definition).open()
    async with room.publishing():
        await room.send(*(report(unit) for unit in UNITS), control(), bulletin(29))
        head, documents = await room.covered()
        assert head.clock == CLOSED_AT + timedelta(minutes=29)
        for contest in ("list", "groups", "inside"):
            assert documents[f"contest:{contest}"].keys() == {"contest", "status", "embargoed_until"}
            assert documents[f"areas:{contest}:"] == documents[f"areas:{contest}:R"] == []
        assert documents["beside:declared"]["declared"] == []
        assert len(documents["beside:turnout"]["turnout"]) == 1, "turnout is under no embargo here"
        await room.send(bulletin(30))
        head, documents = await room.when(lambda _, documents: "embargoed_until" not in documents["contest:list"])
    assert head.clock == release
    assert [area["area"] for area in documents["areas:list:R"]] == ["A", "B"]
    assert sum(area["counts"]["P"] for area in documents["areas:list:R"]) + 3 == votes(documents) == 12  # u4 is in R
    assert [area["area"] for area in documents["areas:groups:R"]] == ["A", "B"]
    assert [item["kind"] for item in documents["beside:declared"]["declared"]] == ["control"]


async def test_an_embargo_that_is_put_off_hides_what_was_shown(tmp_path: Path) -> None:
    """One area has another time than the others: the rest stays, the area and all above it go, and come back."""
    room = await Room(MemoryStore(), tmp_path / "kept", DEFINITION).open()
    later = CLOSED_AT + timedelta(minutes=30)
    put_off = Declaration(
        id="put-off", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT + timedelta(minutes=3),
        act="embargo_extended", contest="list", area="B", release_at=later,
    )  # fmt: skip
    async with room.publishing():
        await room.send(*(report(unit) for unit in UNITS), control())
        _, before = await room.covered()
        await room.send(put_off)
        _, hidden = await room.covered()
        assert [area["area"] for area in hidden["areas:list:R"]] == ["A"]
        assert (hidden["areas:list:"], hidden["contest:list"].keys()) == ([], {"contest", "status", "embargoed_until"})
        assert [item["kind"] for item in hidden["beside:declared"]["declared"]] == ["declaration"]
        await room.send(bulletin(30))
        _, shown = await room.covered()
    assert shown["areas:list:R"] == before["areas:list:R"]
    assert shown["contest:list"] == before["contest:list"]


async def test_a_number_that_was_reserved_and_never_published_is_left_out(store: AnyStore, tmp_path: Path) -> None:
    """A crash between the two must neither give the number out twice nor stop publication for ever."""
    room = await Room(store, tmp_path / "kept", DEFINITION).open()
    async with room.publishing():
        await room.send(report("u1"))
        before, _ = await room.covered()
    room.keeper.reserve(before.revision + 1)
    async with room.publishing("two") as publisher:
        await room.send(report("u2"))
        after, documents = await room.covered()
        assert (after.revision, votes(documents)) == (before.revision + 2, 6)
        await room.send(report("u3"))
        last, documents = await room.covered()
        assert (last.revision, votes(documents)) == (after.revision + 1, 9)
        await until(lambda: publisher.condition.ok)


async def test_a_rolled_back_store_is_waited_for_and_numbers_go_on(room: Room) -> None:
    assert isinstance(room.store, MemoryStore)
    async with room.publishing() as publisher:
        await room.send(report("u1"))
        await room.covered()
        earlier = room.store.snapshot()
        await room.send(Sent("inside", "u1", numbers=(4,)).event(DEFINITION))
        newest, lost = await room.covered()
        room.store.rollback_to(earlier)
        await until(lambda: "behind" in publisher.condition.reason)
        await room.send(report("u3"))  # the worker folds again from where the store stands
        head, documents = await room.covered()
        assert head.revision > newest.revision
        assert votes(documents) == 6
        assert documents["areas:inside:"] == lost["areas:inside:"], "documents that went back are written again"
        await until(lambda: publisher.condition.ok)


async def test_a_publisher_started_on_a_rolled_back_store_continues_from_its_disk(room: Room) -> None:
    assert isinstance(room.store, MemoryStore)
    async with room.publishing():
        await room.send(report("u1"))
        await room.covered()
        earlier = room.store.snapshot()
        await room.send(report("u2"))
        newest, _ = await room.covered()
    room.store.rollback_to(earlier)
    async with room.publishing("one") as publisher:
        found, documents = await room.when(lambda head, _: head.revision == newest.revision)
        assert (found, votes(documents)) == (newest, 6), "readers get the last good revision at once"
        await room.fold()
        await room.send(report("u3"))
        head, documents = await room.covered()
        assert (head.revision > newest.revision, votes(documents)) == (True, 9)
        await until(lambda: publisher.condition.ok)


async def test_a_flushed_store_is_filled_again_and_readers_never_see_less(room: Room) -> None:
    assert isinstance(room.store, MemoryStore)
    async with room.publishing():
        await room.send(report("u1"), report("u2"))
        newest, _ = await room.covered()
    room.store.flush()
    async with room.publishing() as publisher:
        await room.store.open(room.plan.chain, 2)
        found, documents = await room.when(lambda _, __: True)
        assert (found, votes(documents)) == (newest, 6)
        assert not publisher.condition.ok
        await room.send(report("u3"))
        head, documents = await room.covered()
        assert (head.revision > newest.revision, votes(documents)) == (True, 9)


async def test_partitions_at_different_definitions_raise_doubt_and_nothing_is_shown(
    room: Room, short_stall: None
) -> None:
    data = encode_event(amendment())
    async with room.publishing() as publisher:
        await room.send(report("u1"))
        before, _ = await room.covered()
        await until(lambda: publisher.condition.ok)
        await room.log.append(TOPIC, [Entry(b"amendment", data, (), 0)])
        await room.send(report("u1", 2, votes=8))
        await until(lambda: "amendment" in publisher.condition.reason)
        found = await room.published()
        assert found is not None
        assert found[0] == before, "a cut of two definitions is never shown"
        await room.log.append(TOPIC, [Entry(b"amendment", data, (), 1)])
        await room.fold()
        head, documents = await room.covered()
        await until(lambda: publisher.condition.ok)
    assert head.definition != before.definition
    assert votes(documents) == 8
    registers = {unit["id"]: unit.get("registered") for unit in documents["definition"]["units"]}
    assert registers["u4"] == 77


async def test_a_log_that_goes_on_without_tabulators_raises_doubt(room: Room, short_stall: None) -> None:
    async with room.publishing() as publisher:
        await room.send(report("u1"))
        await room.covered()
        await until(lambda: publisher.condition.ok)
        partition = partition_of(b"list|u2", 2)
        await room.log.append(TOPIC, [Entry(b"list|u2", encode_event(report("u2")))])
        await until(lambda: f"nobody tabulates partition {partition}" in publisher.condition.reason)
        await room.fold()
        await until(lambda: publisher.condition.ok)


async def test_corrections_are_the_same_whatever_order_journals_are_read_in(room: Room) -> None:
    """Two publishers, one of them started late, must say the same of the same cut, or hashes of revisions differ."""
    assert isinstance(room.store, MemoryStore)
    names = [unit for unit in UNITS if partition_of(f"list|{unit}".encode(), 2) == 0]
    others = [unit for unit in UNITS if unit not in names]
    assert names
    assert others
    lowered = [report(unit, version, votes=20 - version) for version in (1, 2, 3) for unit in (*others, *names)]
    for event in lowered:
        await room.log.append(TOPIC, [Entry(f"list|{event.unit}".encode(), encode_event(event))])
    views = [View(room.store, room.plan, 2) for _ in range(3)]
    await room.fold((1,))
    await views[0].refresh()
    await room.fold((0,))
    await views[0].refresh()
    await views[1].refresh()
    views[2].partitions = dict(reversed(views[2].partitions.items()))
    for number in (1, 0):
        await views[2]._read(number, views[2].partitions[number])
    listed = [view.journals.corrections()["list"] for view in views]
    assert listed[0] == listed[1] == listed[2]
    assert len(listed[0]) == 2 * len(UNITS)
    order = [(item["at"], item["partition"], item["offset"]) for item in listed[0]]
    assert order == sorted(order)
    assert [at for at, _, _ in order] != [item["at"] for item in sorted(listed[0], key=lambda item: item["partition"])]


async def test_corrections_are_listed_once_after_a_rollback(room: Room) -> None:
    assert isinstance(room.store, MemoryStore)
    await room.send(report("u1"))
    early = room.store.snapshot()
    await room.send(report("u1", 2, votes=2))
    view = View(room.store, room.plan, 2)
    await view.refresh()
    before = view.journals.corrections()
    room.store.rollback_to(early)
    await view.refresh()
    await room.fold()
    await view.refresh()
    assert view.journals.corrections() == before
    assert len(before["list"]) == 1


class Falling(MemoryStore):
    """A store that is put back to ``early`` once, before a journal is read from it."""

    early: Any = None

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        if names and self.early is not None:
            self.rollback_to(self.early)
            self.early = None
        return await super().units(partition, names)


async def test_no_correction_is_missed_when_the_store_goes_back_between_totals_and_journal(tmp_path: Path) -> None:
    store = Falling()
    room = await Room(store, tmp_path / "kept", DEFINITION).open()
    await room.send(report("u1"))
    early = store.snapshot()
    await room.send(report("u1", 2, votes=2))
    view = View(store, room.plan, 2)
    store.early = early
    await view.refresh()
    await room.fold()
    await room.send(report("u1", 3, votes=1))  # past where it stood, before anybody looks again
    await view.refresh()
    assert [item["version"] for item in view.journals.corrections()["list"]] == [2, 3]
    await room.log.close()


class Losing(MemoryStore):
    """A store that loses one revision, request and answer, when it is told to."""

    losing = False

    async def publish(
        self, lease: Lease, revision: int, head: bytes, documents: Mapping[str, bytes], knowing: str = ""
    ) -> Answer:
        if self.losing:
            self.losing = False
            return Answer.LOST
        return await super().publish(lease, revision, head, documents, knowing)


async def test_what_was_derived_and_never_published_is_derived_again(tmp_path: Path) -> None:
    """The definition is derived once after an amendment; the revision that brought it may be lost (chaos seed 30011)."""
    store = Losing()
    room = await Room(store, tmp_path / "kept", DEFINITION).open()
    async with room.publishing():
        await room.send(report("u1"))
        await room.covered()
        store.losing = True
        await room.send(amendment())
        head, documents = await room.covered()
        assert not store.losing
        units = {unit["id"]: unit.get("registered") for unit in documents["definition"]["units"]}
        assert head.definition != CHAIN
        assert units["u4"] == 77
    await room.log.close()


class Away(MemoryLog):
    """A log whose brokers may be away."""

    away = False

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        if self.away:
            raise LogUnavailable("nobody answers.", "start the brokers")
        return await super().bounds(topic)


async def test_a_publisher_outlives_its_log_and_says_so(tmp_path: Path) -> None:
    room = Room(MemoryStore(), tmp_path / "kept", DEFINITION)
    room.log = log = Away()
    await room.open()
    async with room.publishing() as publisher:
        await room.send(report("u1"))
        before, _ = await room.covered()
        log.away = True
        await until(lambda: "the log is away" in publisher.condition.reason)
        log.away = False
        await until(lambda: publisher.condition.ok)
        await room.send(report("u2"))
        after, documents = await room.covered()
        assert (after.revision, votes(documents)) == (before.revision + 1, 6)


async def test_a_publisher_outlives_its_folder_and_says_so(room: Room, tmp_path: Path) -> None:
    async with room.publishing() as publisher:
        await room.send(report("u1"))
        before, _ = await room.covered()
        (tmp_path / "kept").rename(tmp_path / "elsewhere")
        (tmp_path / "kept").write_bytes(b"")  # no file can be written below a file
        await room.send(report("u2"))
        await until(lambda: "revision.number cannot be written" in publisher.condition.reason)
        said = msgspec.json.decode(await room.store.condition() or b"{}", type=Condition)
        (tmp_path / "kept").unlink()
        await until(lambda: publisher.condition.ok)
        after, documents = await room.covered()
        assert (after.revision, votes(documents)) == (before.revision + 1, 6)
    assert not said.ok
    assert room.keeper.number() == after.revision


async def test_a_damaged_number_is_named(room: Room, tmp_path: Path) -> None:
    room.keeper.reserve(7)
    (tmp_path / "kept" / "revision.number").write_bytes(b"")
    with pytest.raises(StoreError, match=r"revision\.number is damaged"):
        room.keeper.number()
