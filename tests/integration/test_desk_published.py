"""Acts of the desk as readers see them: frozen figures, calls beside the bound, reports that were let through."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from tallyroom.codec.events import Desk
from tallyroom.domain.election import Definition, Rule
from tallyroom.store import MemoryStore
from tests.support.elections import CLOSED_AT, ELECTION, Sent, election, with_contest
from tests.support.publishing import Room

TEXT: Final = {"en": "Being checked."}


def ruled() -> Definition:
    """The small election, one seat by plurality."""
    small = election(2)
    return with_contest(small, replace(small.contests[0], rule=Rule(method="plurality", seats=1, law="-")))


def act(what: Literal["freeze", "thaw", "call", "uncall"], minute: int, **about: Any) -> Desk:
    """An act in contest ``list``, so many minutes after the polls closed."""
    return Desk(
        id=f"{what}-{minute}", election=ELECTION, environment="test", source="cec", act=what, contest="list",
        reported_at=CLOSED_AT + timedelta(minutes=minute), operators=("one",), text=TEXT, **about,
    )  # fmt: skip


def sent(unit: str, version: int = 1, votes: int = 3) -> Any:
    """A report of the list contest."""
    return Sent("list", unit, version=version, numbers=(votes, 1, 0, 0)).event(ruled())


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room in memory."""
    made = await Room(MemoryStore(), tmp_path / "kept", ruled()).open()
    yield made
    await made.log.close()


def areas(documents: dict[str, Any]) -> dict[str, Any]:
    """Areas of the list contest by id."""
    return {item["area"]: item for name in ("areas:list:", "areas:list:R") for item in documents[name]}


async def test_a_frozen_contest_stands_at_its_last_figures_over_a_restart_and_comes_back_whole(room: Room) -> None:
    async with room.publishing():
        await room.send(sent("u1"))
        head, before = await room.covered()
        await room.send(act("freeze", 60), sent("u1", 2, votes=9), sent("u3"))
        _, frozen = await room.covered()
    mark = frozen["contest:list"]["frozen"]
    assert (mark["text"], mark["as_of"]["events"]) == (TEXT, head.as_of["events"])
    assert frozen["contest:list"] == {**before["contest:list"], "frozen": mark}
    for area, shown in areas(before).items():
        assert areas(frozen)[area] == {**shown, "frozen": mark}
    async with room.publishing("two"):
        await room.send(sent("u1", 3, votes=4))
        _, later = await room.covered()
        assert areas(later) == areas(frozen)
        await room.send(act("thaw", 61))
        _, thawed = await room.covered()
    assert (areas(thawed)["R"]["counts"]["P"], "frozen" in areas(thawed)["R"]) == (7, False)
    assert "frozen" not in thawed["contest:list"]
    assert thawed["kept:frozen"] == []


async def test_a_frozen_area_stands_alone(room: Room) -> None:
    async with room.publishing():
        await room.send(sent("u1"), sent("u3"))
        await room.covered()
        await room.send(act("freeze", 60, area="A"), sent("u1", 2, votes=9))
        _, documents = await room.covered()
    found = areas(documents)
    assert (found["A"]["counts"]["P"], found["R"]["counts"]["P"]) == (3, 12)
    assert [area for area, item in found.items() if "frozen" in item] == ["A"]
    assert "frozen" not in documents["contest:list"]


async def test_other_contests_go_on(room: Room) -> None:
    async with room.publishing():
        await room.send(act("freeze", 60))
        await room.send(Sent("inside", "u1", numbers=(2,)).event(ruled()))
        _, documents = await room.covered()
    assert documents["areas:inside:"][0]["units_reported"] == 1


async def test_a_call_stands_apart_and_the_bound_says_what_it_thinks_of_it(room: Room) -> None:
    async with room.publishing():
        await room.send(act("call", 60, selection="Q"))
        _, documents = await room.covered()
        (call,) = documents["beside:calls"]["calls"]
        assert (call["selection"], call["stands"], call["text"]) == ("Q", "open", TEXT)
        assert "operators" not in call
        await room.send(
            *(sent(unit, votes=10) for unit in ("u1", "u2", "u4")), Sent("list", "u3", registered=2).event(ruled())
        )
        _, documents = await room.covered()
        assert documents["contest:list"]["winner"]["state"] == "decided"
        assert documents["beside:calls"]["calls"][0]["stands"] == "contradicted"
        await room.send(act("uncall", 61, selection="Q"), act("call", 62, selection="P"))
        _, documents = await room.covered()
    assert [(call["selection"], call["stands"]) for call in documents["beside:calls"]["calls"]] == [("P", "agrees")]


async def test_who_let_a_report_through_is_never_published(room: Room) -> None:
    crooked = replace(Sent("list", "u1", numbers=(3, 1), broken="accounting"), released="0:0", operators=("One Name",))
    async with room.publishing():
        await room.send(crooked.event(ruled()))
        _, documents = await room.covered()
    released = documents["beside:released"]["released"]
    assert (released["count"], released["latest"][0]["unit"]) == (1, "u1")
    assert documents["beside:flags"]["flags"]["open"] == {"accounting": 1}
    assert "One Name" not in str(documents)
