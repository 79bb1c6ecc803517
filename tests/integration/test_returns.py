"""Reports of a unit that nobody had defined: refused, listed, sent again once an amendment names it, and counted once."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import Counter

from tallyroom.codec.events import AddUnit, Amendment, CloseUnit, Desk, ReopenUnit, Report, encode_event
from tallyroom.domain.election import ReportingUnit
from tallyroom.domain.errors import LogUnavailable
from tallyroom.log import MemoryLog
from tallyroom.log.base import Entry, Position
from tallyroom.producer.entries import entries_of
from tallyroom.publisher.returns import HEADER, Returns, due
from tallyroom.store import MemoryStore
from tallyroom.tabulation.notes import Wait
from tallyroom.telemetry.metrics import new_registry, returned_counter
from tests.integration.test_publisher import Falling
from tests.support.elections import CHAIN, CLOSED_AT, ELECTION, Sent, election, plan_of
from tests.support.publishing import TOPIC, Room

DEFINITION: Final = election(2)
CHANGES: Final = (AddUnit(unit=ReportingUnit(id="n1", registered=9), contests={"list": "B"}),)


def report(unit: str = "n1", version: int = 1, votes: int = 5) -> Report:
    """A sound report of contest ``list``, also for a unit that the definition does not know."""
    return Sent("list", unit, version=version, numbers=(votes, 1)).event(DEFINITION)


def amendment(number: int, previous: str, *changes: AddUnit | CloseUnit | ReopenUnit) -> Amendment:
    """An amendment that continues this chain."""
    return Amendment(
        id=f"amendment-{number}", election=ELECTION, environment="test", source="cec", previous=previous,
        reported_at=CLOSED_AT, changes=changes,
    )  # fmt: skip


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room in memory."""
    made = await Room(MemoryStore(), tmp_path / "kept", DEFINITION).open()
    yield made
    await made.log.close()


def returns(room: Room, counter: Counter | None = None) -> Returns:
    """A service that has just been started."""
    return Returns(
        room.store, (room.log, TOPIC), plan_of(DEFINITION), counter or returned_counter(new_registry("returns"))
    )


async def headers_at_end(room: Room) -> list[dict[str, bytes]]:
    """Headers of the last record of each partition."""
    bounds = await room.log.bounds(TOPIC)
    records = [await room.log.read(TOPIC, number, bound.end - 1, 1) for number, bound in bounds.items() if bound.end]
    return [dict(record.headers) for (record,) in records]


async def test_a_report_that_waited_is_counted_after_the_amendment(room: Room) -> None:
    """Through log, fold, store and publisher; the second look and a second service change nothing."""
    counter = returned_counter(new_registry("returns"))
    service = returns(room, counter)
    async with room.publishing():
        await room.send(report("u1"), report())
        _, before = await room.covered()
        assert before["areas:list:"][0]["counts"]["P"] == 5
        (listed,) = before["apart:list"]["units"]
        assert (listed["unit"], listed["code"]) == ("n1", "unknown_unit")
        assert await service.look() == 0, "nobody has said that there is such a unit"
        await room.send(amendment(1, CHAIN, *CHANGES))
        assert await service.look() == 1
        assert await service.look() == 0
        assert await returns(room).look() == 1, "a service that was started in this moment does not know"
        await room.fold()
        head, after = await room.covered()
    assert after["areas:list:"][0]["counts"]["P"] == 10
    assert after["apart:list"]["units"] == []
    assert (head.events["accepted"], head.events["duplicates"], head.events["quarantined"]) == (2, 1, 1)
    assert await returns(room).look() == 0, "it is settled"
    assert counter._value.get() == 1
    assert any(HEADER in headers and headers[HEADER].endswith(b":0") for headers in await headers_at_end(room))


async def test_a_newer_version_that_came_meanwhile_stays(room: Room) -> None:
    await room.send(report(version=1), amendment(1, CHAIN, *CHANGES), report(version=2, votes=7))
    assert await returns(room).look() == 0, "the unit has said something newer"


async def test_what_an_operator_rejected_is_not_sent_again(room: Room) -> None:
    await room.send(report())
    waiting = next(iter((await waits(room)).items()))
    reject = Desk(
        id="d1", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT, act="reject",
        operators=("one", "two"), target=f"{waiting[0]}:{waiting[1].offset}",
    )  # fmt: skip
    await room.send(reject, amendment(1, CHAIN, *CHANGES))
    assert await returns(room).look() == 0


async def waits(room: Room) -> dict[int, Wait]:
    """Who waits, by partition."""
    service = returns(room)
    await service.look()
    return dict(service._journals.waits())


async def test_a_report_of_a_reopened_unit_is_judged_again_and_one_of_a_closed_unit_is_not(room: Room) -> None:
    close = amendment(1, CHAIN, CloseUnit(unit="u2", contest="list"))
    await room.send(close, report("u2"))
    service = returns(room)
    assert await service.look() == 0
    chain = next(iter(service._chains.values()))
    await room.send(amendment(2, chain, ReopenUnit(unit="u2", contest="list")))
    assert await service.look() == 1
    await room.fold()
    assert await returns(room).look() == 0


async def test_a_report_that_is_refused_again_is_not_sent_for_ever(room: Room) -> None:
    """It was a stranger's: nobody could know while its unit was unknown."""
    stranger = Sent("list", "n1", broken="source").event(DEFINITION)
    await room.send(stranger, amendment(1, CHAIN, *CHANGES))
    assert await returns(room).look() == 1
    await room.fold()
    assert await returns(room).look() == 0


class Away(MemoryLog):
    """A log that takes nothing while it is away."""

    away = False

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        if self.away:
            raise LogUnavailable("nobody answers.", "start the brokers")
        return await super().append(topic, entries)


async def test_a_log_that_is_away_costs_no_report_its_return(room: Room) -> None:
    room.log = log = Away()
    await room.open()
    await room.send(report(), amendment(1, CHAIN, *CHANGES))
    service = returns(room)
    log.away = True
    with pytest.raises(LogUnavailable):
        await service.look()
    log.away = False
    assert await service.look() == 1


async def test_a_store_that_goes_back_while_it_is_read_hides_no_report(tmp_path: Path) -> None:
    store = Falling()
    room = await Room(store, tmp_path / "kept", DEFINITION).open()
    await room.send(report("u1"))
    early = store.snapshot()
    await room.send(report())
    service = returns(room)
    store.early = early
    await service.look()
    await room.fold()
    await room.send(amendment(1, CHAIN, *CHANGES))  # past where it stood, before anybody looks again
    assert await service.look() == 1
    await room.log.close()


async def test_an_amendment_on_its_way_is_waited_for(room: Room) -> None:
    await room.send(report())
    service = returns(room)
    await room.log.append(TOPIC, entries()[:1])
    await room.fold()
    assert await service.look() == 0, "one partition has it, the other has not"
    await room.log.append(TOPIC, entries()[1:])
    await room.fold()
    assert await service.look() == 1


def entries() -> list[Entry]:
    """The amendment's records, one for each partition."""
    event = amendment(1, CHAIN, *CHANGES)
    return list(entries_of(event, encode_event(event), event.reported_at, 2))


def test_only_known_open_units_are_due_in_the_order_of_the_log() -> None:
    plan = plan_of(DEFINITION)
    first = Wait(9, "list", "u1", None, 1, 0, "unknown_unit")
    waits = [
        (1, first),
        (0, first._replace(offset=7)),
        (0, first._replace(offset=3)),
        (0, first._replace(unit="ghost")),
        (0, first._replace(code="accounting")),
        (0, first._replace(contest="ghost")),
        (0, first._replace(offset=5)),
    ]
    found = due(waits, plan, {"0:5"})
    assert [(partition, wait.offset) for partition, wait in found] == [(0, 3), (0, 7), (1, 9)]
