"""A unit's own page, from a publisher's revision and the store: what it says, and what it must not say."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from tallyroom.codec.events import AnyEvent, Participation
from tallyroom.domain.election import Definition
from tallyroom.store import MemoryStore
from tests.support.elections import CLOSED_AT, ELECTION, Sent, election
from tests.support.gateways import Running, gateway, shows
from tests.support.publishing import Room

DEFINITION = election(2)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *events: AnyEvent, definition: Definition = DEFINITION
) -> AsyncIterator[tuple[Room, Running]]:
    """A gateway that shows these events."""
    room = await Room(MemoryStore(), folder, definition).open()
    async with room.publishing(), gateway(room.store, environment="test") as running:
        await room.send(*events)
        head, _ = await room.covered()
        await shows(running, head.revision)
        yield room, running
    await room.log.close()


async def unit(running: Running, name: str) -> dict[str, Any]:
    """The unit's returns by contest."""
    answer = await running.client.get(f"{running.path}/units/{name}")
    assert answer.status_code == 200, answer.text
    return {item["contest"]: item for item in answer.json()["contests"]}


def report(name: str, **more: Any) -> AnyEvent:
    """A report of contest ``list``."""
    return Sent("list", name, **{"numbers": (3, 1), **more}).event(DEFINITION)


async def test_it_says_what_the_unit_said_last(tmp_path: Path) -> None:
    async with serving(tmp_path, report("u1"), report("u1", version=2, numbers=(2, 2), kind="correction")) as (
        _,
        running,
    ):
        found = (await unit(running, "u1"))["list"]
        assert (found["state"], found["version"], found["kind"]) == ("counted", 2, "correction")
        assert found["counts"]["P"] == 2
        assert found["voters_registered"] == 10
        assert (await unit(running, "u3"))["list"] == {
            "contest": "list", "area": "B", "count_group": None, "state": "expected",
        }  # fmt: skip


async def test_figures_that_are_in_no_total_are_not_shown(tmp_path: Path) -> None:
    held = report("u2", disposition="held")
    async with serving(tmp_path, report("u1"), held) as (_, running):
        found = (await unit(running, "u2"))["list"]
        assert found["state"] == "held"
        assert "counts" not in found
        assert "ballots" not in found


async def test_nothing_of_a_unit_is_public_before_its_area_is(tmp_path: Path) -> None:
    release = CLOSED_AT + timedelta(minutes=30)
    definition = replace(DEFINITION, release_at=release)
    async with serving(tmp_path, report("u1"), definition=definition) as (room, running):
        found = await unit(running, "u1")
        assert {item["state"] for item in found.values()} == {"embargoed"}
        assert set(found["list"]) == {"contest", "area", "count_group", "state"}
        bulletin = Participation(
            id="b", election=ELECTION, environment="test", source="cec", measure="cast", area="A", ballots=1,
            reported_at=release, as_of=CLOSED_AT,
        )  # fmt: skip
        await room.send(bulletin)
        head, _ = await room.covered()
        await shows(running, head.revision)
        assert (await unit(running, "u1"))["list"]["state"] == "counted"


async def test_a_unit_that_nobody_defined_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, report("u1")) as (_, running):
        answer = await running.client.get(f"{running.path}/units/u%2F9")
        assert (answer.status_code, answer.json()["type"], answer.json()["value"]) == (
            404, "urn:tallyroom:problem:unknown-unit", "u/9",
        )  # fmt: skip


async def test_while_figures_may_be_out_of_date_no_unit_is_vouched_for() -> None:
    async with gateway() as running:
        await running.press.publish()
        await running.press.say(ok=False)
        await shows(running, 1)
        answer: httpx.Response = await running.client.get(f"{running.path}/units/SIM-1")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:tallyroom:problem:not-current")
