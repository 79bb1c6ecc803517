"""Two operators at two machines: the first one's command makes a file, the second one reads it, signs and sends."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from tallyroom.cli import app
from tallyroom.codec.definition import encode_definition
from tallyroom.codec.events import encode_event
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Source
from tallyroom.domain.errors import TallyroomError
from tallyroom.log import EMBEDDED_FILE, SqliteLog, events_topic
from tallyroom.producer.entries import entries_of
from tallyroom.producer.keyfile import generate
from tests.support.elections import EVENTS, Sent, election

TOPIC: Final = events_topic("test-2030", "test")


class Machines:
    """A folder of each person, and the log that both reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        keys = []
        for name in ("anna", "boris"):
            (folder / name).mkdir()
            keys.append(generate(folder / name / "own.key", name))
        operators = tuple(Operator(id=key.id, key=key.public) for key in keys)
        sources = (
            Source(id="cec", names={}, may_report=tuple(kind for kind in EVENTS if kind != "desk")),
            Source(id="desk", names={}, may_report=("desk", "amendment", "declaration")),
        )
        self.definition = replace(election(2), desk=DeskRules(persons=2, operators=operators), sources=sources)
        (folder / "election.json").write_bytes(encode_definition(self.definition))
        asyncio.run(self._filled())

    async def _filled(self) -> None:
        log = SqliteLog(self.folder / EMBEDDED_FILE)
        await log.create(TOPIC, 2)
        for unit in ("u1", "u2"):
            event = Sent("list", unit, numbers=(5, 3, 1, 0), broken="accounting").event(self.definition)
            await log.append(TOPIC, entries_of(event, encode_event(event), event.reported_at, 2))
        await log.close()

    def at(self, person: str, *arguments: str, answer: str = "") -> Result:
        """A command that this person types."""
        before = Path.cwd()
        os.chdir(self.folder / person)
        try:
            return CliRunner().invoke(app, arguments, env={"TALLYROOM_DATA": str(self.folder)}, input=answer)
        finally:
            os.chdir(before)

    def states(self) -> dict[str, str]:
        """What became of each refused report."""
        done = self.at("anna", "quarantine", "list", str(self.folder / "election.json"), "--state", "all", "--json")
        return {case["unit"]: case["state"] for case in json.loads(done.stdout)["cases"]}


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)


def test_two_people_at_two_machines_release_two_reports(machines: Machines) -> None:
    election_file = str(machines.folder / "election.json")
    names = ("--operator", "anna=own.key", "--operator", "boris", "--reason", "telephoned")
    done = machines.at("anna", "quarantine", "release", election_file, "accounting", *names)
    assert done.exit_code == 0, (done.output, done.exception)
    (made,) = (machines.folder / "anna").glob("*.act.json")
    assert made.name == done.stdout.strip()
    assert "2 decisions are in this file" in done.stderr
    assert f"tallyroom desk countersign ELECTION {made.name}" in done.stderr
    assert machines.states() == {"u1": "waiting", "u2": "waiting"}

    countersign = ("desk", "countersign", election_file, str(made), "--operator", "boris=own.key")
    done = machines.at("boris", *countersign, answer="n\n")
    assert done.exit_code == 1, "nothing is signed that nobody says yes to"
    assert '"released": "' in done.stdout
    assert [f'"unit": "{unit}"' in done.stdout for unit in ("u1", "u2")] == [True, True]
    assert "signed by anna" in done.stderr
    assert machines.states() == {"u1": "waiting", "u2": "waiting"}
    done = machines.at("boris", *countersign, answer="y\n")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "sent, and in force" in done.stdout
    assert machines.states() == {"u1": "released", "u2": "released"}
    recording = str(machines.folder / "recorded")
    assert machines.at("anna", "record", election_file, "-o", recording).exit_code == 0
    told = json.loads(machines.at("anna", "tabulate", recording).stdout)
    assert (told["quarantined"], told["released"]["count"]) == ({"accounting": 2}, 2), (
        "a recording keeps the signatures"
    )


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (("--operator", "anna=own.key", "--operator", "boris=own.key"), "holds the key 'anna', not that of 'boris'"),
        (("--operator", "anna", "--operator", "boris"), "operator anna has not signed it"),
        (("--operator", "anna=own.key"), "2 different ones are needed"),
    ],
)
def test_one_person_alone_decides_nothing(machines: Machines, named: tuple[str, ...], why: str) -> None:
    about = ("list", "--text", "Checked.", *named, "--reason", "x")
    done = machines.at("anna", "desk", "freeze", str(machines.folder / "election.json"), *about)
    assert isinstance(done.exception, TallyroomError)
    assert why in done.exception.what
    assert list((machines.folder / "anna").glob("*.act.json")) == []
