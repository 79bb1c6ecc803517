"""The record of decided questions as the publisher carries it from revision to revision, over restarts."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tallyroom.codec.events import Report
from tallyroom.domain.rule import Rule
from tallyroom.store import MemoryStore
from tests.support.elections import CLOSED_AT, Sent, election, with_contest
from tests.support.publishing import Room

UNITS: Final = ("u1", "u2", "u3", "u4")
_PLAIN: Final = election(2)
DEFINITION: Final = with_contest(_PLAIN, replace(_PLAIN.contests[0], rule=Rule(method="plurality", seats=1, law="-")))


def report(unit: str, votes: tuple[int, int], version: int = 1) -> Report:
    """Votes of P and Q; version N is reported N minutes after the polls closed."""
    return Sent("list", unit, version=version, numbers=votes, kind="correction").event(DEFINITION)


def winner(documents: dict[str, Any]) -> dict[str, Any] | None:
    """The entry of the winner's question."""
    entries = documents["beside:decided"]["decided"].get("list", [])
    return next((entry for entry in entries if entry["question"] == "winner"), None)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A room in memory."""
    made = await Room(MemoryStore(), tmp_path / "kept", DEFINITION).open()
    yield made
    await made.log.close()


async def test_the_record_survives_restarts_and_keeps_what_a_correction_undid(room: Room) -> None:
    async with room.publishing():
        await room.send(*(report(unit, (2, 1)) for unit in UNITS[:3]))
        _, documents = await room.covered()
        assert winner(documents) is None
        await room.send(report("u4", (2, 1)))
        head, documents = await room.covered()
        first = winner(documents)
        assert first is not None
        assert (first["answer"], first["by"], first["revision"]) == ("P", "register", head.revision)
        assert (first["units_reported"], first["units_expected"]) == (4, 4)
        assert first["since"] == (CLOSED_AT + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    async with room.publishing("two"):
        await room.send(report("u1", (1, 1), version=2))
        _, documents = await room.covered()
        assert winner(documents) == first
        await room.send(report("u2", (0, 9), version=3))
        head, documents = await room.covered()
    after = winner(documents)
    assert after is not None
    assert (after["answer"], after["revision"]) == ("Q", head.revision)
    (undone,) = after["undone"]
    assert (undone["answer"], undone["revision"], undone["until_revision"]) == ("P", first["revision"], head.revision)
