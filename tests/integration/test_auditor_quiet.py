"""What is shown otherwise on purpose is no difference: an auditor that cried wolf would freeze a night that is right."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from tallyroom.auditor.service import Auditor
from tallyroom.codec.events import AddSelection, Amendment, Change, CloseUnit, Desk, WithdrawSelection
from tallyroom.domain.election import Definition, Environment
from tallyroom.domain.errors import LogUnavailable
from tallyroom.log import MemoryLog
from tallyroom.store import MemoryStore
from tallyroom.telemetry.metrics import auditor_metrics, new_registry
from tests.support.elections import CHAIN, CLOSED_AT, ELECTION, Sent, election, with_rules
from tests.support.publishing import TOPIC, Room, until

DEFINITION: Final = with_rules(election(2))


@asynccontextmanager
async def audited(folder: Path, definition: Definition = DEFINITION) -> AsyncIterator[tuple[Room, Auditor]]:
    """A night that is published, and its auditor; at the end it must not be frozen."""
    room = await Room(MemoryStore(), folder, definition).open()
    metrics = auditor_metrics(new_registry("auditor"), lambda: 0.0)
    auditor = Auditor((room.store, room.store), (room.log, TOPIC), (definition, CHAIN), metrics)
    async with room.publishing():
        yield room, auditor
        head, _ = await room.covered()
        assert await auditor.audit() == []
        mark = await room.store.mark()
        assert (mark.frozen, mark.audited) == (False, head.revision)


def act(number: int, what: Literal["freeze", "thaw"], **about: Any) -> Desk:
    return Desk(
        id=f"act-{number}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT,
        act=what, operators=("Aigerim", "Daniyar"), text={"en": "Being checked."}, **about,
    )  # fmt: skip


async def test_places_that_the_desk_froze_are_compared_where_they_stand(tmp_path: Path) -> None:
    async with audited(tmp_path) as (room, auditor):
        await room.send(Sent("list", "u1", numbers=(7, 2, 1, 0)).event(DEFINITION))
        await room.covered()
        await room.send(act(1, "freeze", contest="list", area="A"))
        await room.send(act(2, "freeze", contest="groups"))
        _, documents = await room.covered()
        await room.send(Sent("list", "u1", version=2, numbers=(1, 9, 1, 0)).event(DEFINITION))
        await room.send(Sent("groups", "u1", group="advance", numbers=(3, 3)).event(DEFINITION))
        _, documents = await room.covered()
        shown = {item["area"]: item for item in (*documents["areas:list:"], *documents["areas:list:R"])}
        assert (shown["A"]["counts"]["P"], shown["R"]["counts"]["P"]) == (7, 1), "one stands still, the other does not"
        assert await auditor.audit() == []
        await room.send(act(3, "thaw", contest="list", area="A"))


async def test_what_is_under_embargo_is_not_missing(tmp_path: Path) -> None:
    late = replace(DEFINITION.contests[0], release_at=CLOSED_AT + timedelta(hours=3))
    definition = replace(DEFINITION, contests=(late, *DEFINITION.contests[1:]))
    async with audited(tmp_path, definition) as (room, auditor):
        await room.send(Sent("list", "u1", numbers=(7, 2, 1, 0)).event(definition))
        _, documents = await room.covered()
        assert documents["areas:list:"] == []
        assert await auditor.audit() == []
        await room.send(
            Sent("list", "u3", version=200, numbers=(1, 1, 1, 1)).event(definition)
        )  # moves the clock past it


async def test_a_live_night_is_derived_at_the_clock_that_its_revision_names(tmp_path: Path) -> None:
    """There the wall clock is the election clock: what it releases is public where the revision names a later time."""
    release = datetime.now(UTC) + timedelta(seconds=1.5)
    late = replace(DEFINITION.contests[0], release_at=release)
    contests = (late, *DEFINITION.contests[1:])
    definition = replace(DEFINITION, environment=Environment.LIVE, contests=contests)
    async with audited(tmp_path, definition) as (room, auditor):
        await room.send(Sent("list", "u1", numbers=(7, 2, 1, 0)).event(definition))
        shown: list[object] = []
        while not shown:
            head, documents = await room.covered()
            shown = documents["areas:list:"]
            assert head.clock is not None
            assert bool(shown) is (head.clock >= release)
            assert await auditor.audit() == []


async def test_an_amended_definition_is_followed(tmp_path: Path) -> None:
    async with audited(tmp_path) as (room, auditor):
        await room.send(Sent("list", "u1", numbers=(7, 2, 1, 0)).event(DEFINITION))
        await room.send(Sent("list", "u3", numbers=(1, 1, 1, 1), parts=(1, 2)).event(DEFINITION))
        await room.covered()
        assert await auditor.audit() == []
        changes: tuple[Change, ...] = (
            WithdrawSelection(contest="list", selection="P", counts_as="Q"),
            AddSelection(contest="list", selection={"id": "Z", "names": {}}),
            CloseUnit(unit="u3", contest="list"),
        )
        await room.send(
            Amendment(
                id="a1", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT, previous=CHAIN,
                changes=changes,
            )
        )  # fmt: skip
        _, documents = await room.covered()
        assert documents["areas:list:"][0]["counts"] == {"P": 0, "Q": 11, "AGAINST": 2, "REST": 1, "Z": 0}


async def test_a_store_that_lost_everything_is_awaited_not_accused(tmp_path: Path) -> None:
    async with audited(tmp_path) as (room, auditor):
        await room.send(Sent("list", "u1", numbers=(7, 2, 1, 0)).event(DEFINITION))
        await room.covered()
        assert await auditor.audit() == []
        assert isinstance(room.store, MemoryStore)
        before = room.store.snapshot()
        await room.send(Sent("list", "u3", numbers=(1, 1, 1, 1)).event(DEFINITION))
        await room.covered()
        assert await auditor.audit() == []
        room.store.rollback_to(before)
        assert await auditor.audit() == [], "behind what was audited: it is folded again"
        await room.fold()


class Away(MemoryLog):
    """A log whose brokers do not answer the first questions."""

    left = 2

    async def partitions(self, topic: str) -> int:
        if self.left:
            self.left -= 1
            raise LogUnavailable("nobody answers.", "start the brokers")
        return await super().partitions(topic)


async def test_an_auditor_waits_for_a_log_that_is_away() -> None:
    log, store, stop = Away(), MemoryStore(), asyncio.Event()
    await log.create(TOPIC, 2)
    metrics = auditor_metrics(new_registry("auditor"), lambda: 0.0)
    auditor = Auditor((store, store), (log, TOPIC), (DEFINITION, CHAIN), metrics)
    running = asyncio.create_task(auditor.run(stop, every=0.01))
    await until(lambda: auditor.audits > 0 or running.done())
    stop.set()
    await running
    assert log.left == 0
