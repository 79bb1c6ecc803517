"""The Kazakh night a second before its release and at it: nothing of any contest, then all of it, in every document."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pytest

from tallyroom.cli.board import Board
from tallyroom.cli.common import load_election
from tallyroom.recordings.format import open_recording

RELEASE: Final = datetime(2023, 3, 19, 15, tzinfo=UTC)
"""21:00 in Astana: 20:00 in the five western regions, an hour after the east has closed."""
SECOND: Final = timedelta(seconds=1)
HIDDEN: Final = frozenset({"counts", "shares", "leading", "seats", "corrections", "apportionment", "winner", "parties"})


def named(value: Any) -> Iterator[str]:
    """Every member name in a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if inner not in (None, [], {}):
                yield name
            yield from named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named(inner)


class Night(NamedTuple):
    """Snapshots of everything that arrived in the night, whatever the clock says: more than anybody would ever hold back."""

    before: dict[str, Any]
    at: dict[str, Any]
    operators: dict[str, Any]


@pytest.fixture(scope="module")
def night() -> Night:
    """A second before the release, at it, and before it for the eyes of the operators."""

    async def made() -> Night:
        board = await Board.open(*load_election("kz-2023"))
        await board.feed(open_recording("kz-2023").events())
        early = RELEASE - SECOND
        return Night(
            await board.snapshot(early), await board.snapshot(RELEASE), await board.snapshot(early, release=True)
        )

    return asyncio.run(made())


def test_a_second_before_the_release_nothing_is_public_but_turnout(night: Night) -> None:
    snapshot = night.before
    for contest in snapshot["contests"]:
        assert contest == {
            "contest": contest["contest"], "status": "pre-election", "embargoed_until": "2023-03-19T15:00:00Z", "areas": [],
        }  # fmt: skip
    assert (snapshot["declared"], snapshot["estimates"], snapshot["units_apart"]) == ([], [], [])
    assert snapshot["flags"]["listed"] == []
    assert {body["parties"] for body in snapshot["bodies"]} == {None}
    assert all(area["reports"] == area["checks"] == [] for area in snapshot["turnout_by_area"])
    assert len(snapshot["turnout"]) > 100, "bulletins came while polls were open"
    assert set(named({**snapshot, "turnout": []})).isdisjoint(HIDDEN - {"seats"})


def test_at_the_release_all_of_it_is(night: Night) -> None:
    snapshot = night.at
    assert all("embargoed_until" not in contest and contest["areas"] for contest in snapshot["contests"])
    assert set(named(snapshot)) >= HIDDEN
    assert snapshot["estimates"] == [], "exit polls wait for their own time"
    house = snapshot["bodies"][0]["parties"]
    assert {party: seats["now"] for party, seats in house.items() if seats["now"]} == {
        "AMANAT": 62, "AUYL": 8, "INDEPENDENT": 7, "RESPUBLICA": 6, "AQJOL": 6, "QHP": 5, "JSDP": 4,
    }  # fmt: skip


def test_the_board_of_the_operators_shows_it_before(night: Night) -> None:
    assert all(contest["areas"] for contest in night.operators["contests"])
