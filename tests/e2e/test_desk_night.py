"""A night at the desk: sheets refused, one released, one rejected, a contest frozen and thawed, a unit corrected, all by command,
seen in the snapshot; and the recorded log tabulates to the same figures. On the embedded default and on real Kafka."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tallyroom.codec.events import encode_event
from tallyroom.domain.desk import DeskRules
from tallyroom.domain.election import Definition, Rule, Source
from tallyroom.recordings.format import About, TimedEvent, write_recording
from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import ReplayedNight, Servers, StartNight
from tests.support.elections import CLOSED_AT, EVENTS, Sent, election, with_contest
from tests.support.nights import on_kafka

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")
TWO: Final = ("--operator", "A. Operator", "--operator", "B. Operator", "--reason", "confirmed by telephone")


def ruled() -> Definition:
    """The small election with a desk of two people and one seat by plurality."""
    small = replace(
        election(2),
        desk=DeskRules(persons=2),
        sources=(
            Source(id="cec", names={}, may_report=tuple(kind for kind in EVENTS if kind != "desk")),
            Source(id="desk", names={}, may_report=("desk", "amendment")),
        ),
    )
    return with_contest(small, replace(small.contests[0], rule=Rule(method="plurality", seats=1, law="-")))


def sent(unit: str, version: int = 1, **about: Any) -> Sent:
    """A report of the list contest."""
    return Sent("list", unit, version=version, **{"numbers": (5, 3, 1, 0), **about})


def recording(folder: Path) -> Path:
    """Two sound reports, two sheets that do not add up, and bytes that are no event."""
    definition = ruled()
    items = [
        sent("u1"),
        sent("u2", numbers=(0, 0, 0, 0)),
        sent("u3", numbers=(1, 9, 0, 0), broken="accounting"),
        sent("u1", 2, numbers=(500, 3, 1, 0), broken="accounting"),
    ]
    events = [
        TimedEvent(CLOSED_AT + timedelta(minutes=at), encode_event(item.event(definition)))
        for at, item in enumerate(items)
    ]
    events.append(TimedEvent(CLOSED_AT + timedelta(minutes=9), b"{broken", b"list|u1"))
    about = About(name="desk-night", title="A night at the desk", real=False, licence="CC0-1.0")
    write_recording(folder, definition, events, about)
    return folder


class Shell:
    """Commands as an operator types them, beside a night that runs."""

    def __init__(self, folder: Path, data: Path, kafka_url: str | None) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("TALLYROOM_")}
        self._environment = {
            **own,
            "TALLYROOM_DATA": str(data),
            "TALLYROOM_KAFKA_URL": kafka_url or "",
            "COLUMNS": "200",
        }
        self._folder = folder

    async def run(self, *arguments: str, code: int = 0) -> str:
        """Standard output, or standard error of a command that must fail."""
        process = await asyncio.create_subprocess_exec(
            SCRIPT, *arguments, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, error = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == code, (arguments, out.decode(), error.decode())
        assert b"Traceback" not in error
        return out.decode() if code == 0 else " ".join(error.decode().split())

    async def desk(self, group: str, verb: str, *arguments: str, code: int = 0) -> str:
        """A command of the desk about this election."""
        return await self.run(group, verb, str(self._folder), *arguments, code=code)

    async def cases(self, state: str = "waiting") -> dict[str, dict[str, Any]]:
        """Refused records by unit, or by reason for bytes that are no event."""
        found = json.loads(await self.desk("quarantine", "list", "--state", state, "--json"))
        return {case["unit"] or case["reason"]: case for case in found["cases"]}


def area(snapshot: dict[str, Any], name: str = "R") -> dict[str, Any]:
    """An area of the list contest."""
    contest = next(item for item in snapshot["contests"] if item["contest"] == "list")
    found: dict[str, Any] = next(item for item in contest["areas"] if item["area"] == name)
    return found


async def the_night(night: ReplayedNight, shell: Shell) -> dict[str, Any]:
    """What happens at the desk, step by step; the last snapshot."""
    snapshot = await night.run_to_end()
    assert (area(snapshot)["counts"]["P"], area(snapshot)["counts"]["Q"]) == (5, 3)
    cases = await shell.cases()
    assert {name: case["reason"] for name, case in cases.items()} == {
        "u3": "accounting", "u1": "accounting", "not_json": "not_json",
    }  # fmt: skip
    assert cases["u3"]["could_change_outcome"], "Q would lead"
    shown = json.loads(await shell.desk("quarantine", "show", cases["u3"]["at"], "--json"))
    assert shown["if_released"]["figures"]["Q"]["after"] == 12
    alone = await shell.desk("quarantine", "release", cases["u3"]["at"], "--operator", "A", "--reason", "x", code=1)
    assert "2 different ones are needed" in alone
    await shell.desk("quarantine", "release", cases["u3"]["at"], *TWO)
    await shell.desk("quarantine", "reject", cases["u1"]["at"], "not_json", *TWO)
    snapshot = await night.published()
    assert (area(snapshot)["counts"]["P"], area(snapshot)["counts"]["Q"]) == (7, 12)
    assert snapshot["flags"]["open"]["accounting"] == 1
    assert snapshot["released"]["count"] == 1
    assert "A. Operator" not in json.dumps(snapshot)
    assert await shell.cases() == {}
    return await frozen_and_corrected(night, shell)


async def frozen_and_corrected(night: ReplayedNight, shell: Shell) -> dict[str, Any]:
    """A freeze holds the figures while a unit is corrected underneath; the thaw shows it."""
    assert "last published figures" in await shell.desk("desk", "freeze", "list", "--text", "Being checked.", *TWO)
    await night.published()
    await shell.desk("unit", "correct", "list:u1", "P=4", "AGAINST=2", *TWO)
    snapshot = await night.published()
    assert (area(snapshot)["counts"]["P"], area(snapshot)["frozen"]["text"]) == (7, {"en": "Being checked."})
    await shell.desk("desk", "thaw", "list", *TWO)
    snapshot = await night.published()
    assert (area(snapshot)["counts"]["P"], "frozen" in area(snapshot)) == (6, False)
    await shell.desk("desk", "call", "list:Q", "--text", "Q has it.", *TWO)
    snapshot = await night.published()
    assert [(call["selection"], call["stands"]) for call in snapshot["calls"]] == [("Q", "open")]
    return snapshot


async def recorded_again(shell: Shell, folder: Path, out: Path) -> dict[str, Any]:
    """The log of the night recorded, and tabulated without any server."""
    await shell.run("record", str(folder), "-o", str(out))
    found: dict[str, Any] = json.loads(await shell.run("tabulate", str(out)))
    return found


def figures(snapshot: dict[str, Any]) -> Sequence[Any]:
    """What must be the same, whoever folds the log."""
    areas = [(name, area(snapshot, name)["counts"], area(snapshot, name)["ballots"]) for name in ("R", "A", "B")]
    return [*areas, snapshot["quarantined"], snapshot["released"]["count"], snapshot["flags"]["open"], apart(snapshot)]


def apart(snapshot: dict[str, Any]) -> list[tuple[str, str]]:
    """Units in no total, and those with a report that waits."""
    return [(unit["unit"], unit["state"]) for found in snapshot["units_apart"] for unit in found["units"]]


@pytest.mark.parametrize("log", ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def test_a_night_at_the_desk(
    log: str, tallyroom_night: StartNight, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = recording(tmp_path / "desk-night")
    servers = Servers()
    if log == "kafka":
        broker: KafkaBroker = request.getfixturevalue("kafka_broker")
        servers = on_kafka(broker)
    async with tallyroom_night(folder, servers=servers) as night:
        shell = Shell(folder, night.data, servers.kafka_url)
        snapshot = await the_night(night, shell)
        again = await recorded_again(shell, folder, tmp_path / "recorded")
    assert figures(again) == figures(snapshot)
