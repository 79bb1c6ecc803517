"""tallyroom verify: a snapshot against a recording or a log file, by the exit code and by name."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from typer.testing import CliRunner

from tallyroom.auditor.books import Books
from tallyroom.auditor.published import shown_in
from tallyroom.cli import app
from tallyroom.codec.definition import definition_hash, encode_definition
from tallyroom.codec.events import AnyEvent, Desk, encode_event
from tallyroom.log import SqliteLog
from tallyroom.producer.entries import entries_of
from tallyroom.recordings.format import About, TimedEvent, write_recording
from tallyroom.results.documents import BESIDE, ELECTION
from tallyroom.store import MemoryStore
from tests.support.elections import CHAIN, CLOSED_AT, Sent, election, with_rules
from tests.support.elections import ELECTION as ID
from tests.support.partition import bulletin
from tests.support.publishing import TOPIC, Room

DEFINITION: Final = with_rules(election(2))
EVENTS: Final[tuple[AnyEvent, ...]] = (
    *(item.event(DEFINITION) for item in (
        Sent("list", "u1", numbers=(7, 2, 1, 0)),
        Sent("list", "u3", numbers=(5, 4, 0, 1), invalid=2),
        Sent("list", "u1", version=2, numbers=(6, 3, 1, 0)),
        Sent("list", "u4", numbers=(3, 3, 3, 3), disposition="held"),
        Sent("list", "u1", version=2, numbers=(6, 3, 1, 9)),  # refused
        Sent("groups", "u1", group="advance", numbers=(2, 3)),
    )),
    bulletin(1),
)  # fmt: skip

Snapshot = dict[str, Any]


class Night:
    """A published night: its snapshot, and its log as a recording and as a file."""

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self.folder, self.snapshot = folder, snapshot
        self.recording, self.file = folder / "recording", folder / "log.sqlite3"

    def verify(self, snapshot: Snapshot, *options: str) -> tuple[int, str]:
        """Exit code and output of the command; by default against the recording."""
        path = self.folder / "snapshot.json"
        path.write_text(json.dumps(snapshot))
        log = () if "--log" in options else ("--log", str(self.recording))
        done = CliRunner().invoke(app, ["verify", str(path), *log, *options])
        return done.exit_code, done.output


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    """A night of seven events in two partitions."""
    return await _night(tmp_path, EVENTS)


@pytest.fixture
async def frozen_night(tmp_path: Path) -> Night:
    """The same night in which the desk froze an area before its last report."""
    act = Desk(
        id="freeze", election=ID, environment="test", source="cec", reported_at=CLOSED_AT, act="freeze", contest="list",
        area="A", operators=("Aigerim", "Daniyar"),
    )  # fmt: skip
    later = Sent("list", "u1", version=3, numbers=(9, 9, 9, 9)).event(DEFINITION)
    return await _night(tmp_path, EVENTS, [act], [later])


async def _night(folder: Path, *batches: Sequence[AnyEvent]) -> Night:
    """A night whose events come in batches, each published before the next."""
    room = await Room(MemoryStore(), folder / "publisher", DEFINITION).open()
    async with room.publishing():
        for batch in batches:
            await room.send(*batch)
            await room.covered()
    made = Night(folder, await _snapshot(room))
    events = [event for batch in batches for event in batch]
    about = About(name="small", title="Small", real=False, licence="CC0-1.0")
    at = events[-1].reported_at
    write_recording(made.recording, DEFINITION, [TimedEvent(at, encode_event(event)) for event in events], about)
    log = SqliteLog(made.file)
    await log.create(TOPIC, 2)
    for event in events:
        await log.append(TOPIC, entries_of(event, encode_event(event), event.reported_at, 2))
    await log.close()
    return made


async def _snapshot(room: Room) -> Snapshot:
    """What a gateway serves of the room's revision, as of a definition that has a hash of its own."""
    revision, documents = await room.store.documents()
    assert revision is not None
    head: Snapshot = json.loads(revision.head)
    chain = definition_hash(DEFINITION)
    head |= {"definition": chain, "hashes": {**head["hashes"], "configuration": chain, "definition": chain}}
    for name in ("documents", "changed", "log"):
        del head[name]  # a gateway keeps them to itself
    for name, data in documents.items():
        head |= json.loads(data) if name == ELECTION or name.startswith(BESIDE) else {}
    return head | {"contests": [*shown_in(Books(DEFINITION, CHAIN, 2), documents).values()]}


def area(snapshot: Snapshot, name: str) -> Snapshot:
    """An area of the party lists."""
    found: Snapshot = next(item for item in snapshot["contests"][0]["areas"] if item["area"] == name)
    return found


def test_a_right_snapshot_is_equal_from_a_recording_and_from_the_log_file(night: Night) -> None:
    assert night.verify(night.snapshot)[0] == 0
    definition = night.folder / "definition.json"
    definition.write_bytes(encode_definition(DEFINITION))
    code, output = night.verify(night.snapshot, "--log", str(night.file), "--election", str(definition), "--json")
    assert code == 0
    assert json.loads(output) == {
        "revision": night.snapshot["revision"],
        "records": 7,
        "areas": 9,
        "equal": True,
        "differences": [],
    }


def test_a_filtered_snapshot_is_compared_as_far_as_it_goes(night: Night) -> None:
    some = deepcopy(night.snapshot)
    some["contests"] = [{**some["contests"][0], "areas": [area(some, "A")]}]
    assert night.verify(some)[0] == 0
    area(some, "A")["counts"]["P"] += 1
    assert night.verify(some)[0] == 1


def _swap(counts: dict[str, int]) -> None:
    counts["P"], counts["Q"] = counts["Q"], counts["P"]


def _set(within: Snapshot, value: object, *path: str) -> None:
    for name in path[:-1]:
        within = within[name]
    assert within[path[-1]] != value
    within[path[-1]] = value


def _move(seats: dict[str, dict[str, int]], one: str, other: str) -> None:
    seats[one]["now"] -= 1
    seats[other]["now"] += 1


FAULTS: Final[dict[str, tuple[Callable[[Snapshot], object], set[tuple[str | None, str | None, str]]]]] = {
    "+1": (lambda s: area(s, "B")["counts"].__setitem__("P", 6), {("list", "B", "counts.P")}),
    "x2": (lambda s: area(s, "R").__setitem__("ballots_cast", 48), {("list", "R", "ballots_cast")}),
    "a swap": (lambda s: _swap(area(s, "R")["counts"]), {("list", "R", "counts.P"), ("list", "R", "counts.Q")}),
    "a lost unit": (lambda s: area(s, "R").__setitem__("units_reported", 1), {("list", "R", "units_reported")}),
    "a held unit too few": (lambda s: area(s, "R").__setitem__("units_held", 0), {("list", "R", "units_held")}),
    "a selection of nobody": (lambda s: area(s, "A")["counts"].__setitem__("Z", 0), {("list", "A", "counts.Z")}),
    "a refusal kept quiet": (lambda s: s.__setitem__("quarantined", {}), {(None, None, "refused equivocation")}),
    "another definition": (lambda s: s.__setitem__("definition", "e" * 64), {(None, None, "definition")}),
    "a share": (lambda s: _set(area(s, "R"), "0.500001", "shares", "P"), {("list", "R", "shares.P")}),
    "a leader": (lambda s: _set(area(s, "R"), ["Q"], "leading", "selections"), {("list", "R", "leading.selections.0")}),
    "a status": (lambda s: _set(area(s, "B"), "certified", "status"), {("list", "B", "status")}),
    "a seat moved": (
        lambda s: _move(s["contests"][0]["apportionment"]["seats"], "P", "Q"),
        {("list", None, "apportionment.seats.P.now"), ("list", None, "apportionment.seats.Q.now")},
    ),
    "another winner": (
        lambda s: _set(s["contests"][1], "X", "winner", "selection"), {("groups", None, "winner.selection")},
    ),
    "a threshold passed": (
        lambda s: _set(s["contests"][0], "above", "apportionment", "threshold", "selections", "Q", "state"),
        {("list", None, "apportionment.threshold.selections.Q.state")},
    ),
    "a correction kept quiet": (
        lambda s: s["contests"][0].__setitem__("corrections", {"count": 0, "latest": [], "effect": None}),
        {("list", None, f"corrections.{name}") for name in ("count", "latest.length", "effect")},
    ),
    "a bulletin changed": (lambda s: _set(s["turnout"][0], 2, "ballots"), {(None, None, "turnout.0.ballots")}),
    "a house": (
        lambda s: _move(s["bodies"][0]["parties"], "P", "Q"),
        {(None, None, "bodies.0.parties.P.now"), (None, None, "bodies.0.parties.Q.now")},
    ),
    "a member that nobody made": (lambda s: s.__setitem__("winner", "P"), {(None, None, "winner")}),
    "a section lost": (lambda s: s.pop("flags"), {(None, None, "flags")}),
    "another clock": (lambda s: s.__setitem__("clock", "2030-03-01T23:00:00Z"), {(None, None, "clock")}),
}  # fmt: skip


def test_another_version_of_the_software_is_named_where_it_may_be_the_reason(night: Night) -> None:
    older = deepcopy(night.snapshot)
    older["hashes"]["build"] = "0.0.1"
    assert night.verify(older)[0] == 0, "the version is no figure"
    _set(area(older, "B"), "certified", "status")
    code, output = night.verify(older)
    assert code == 1
    assert "made by tallyroom 0.0.1" in " ".join(output.split())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(night: Night, fault: str) -> None:
    change, expected = FAULTS[fault]
    wrong = deepcopy(night.snapshot)
    change(wrong)
    assert wrong != night.snapshot
    code, output = night.verify(wrong, "--json")
    assert code == 1
    found = json.loads(output)["differences"]
    assert {(item["contest"], item["area"], item["figure"]) for item in found} == expected
    assert all(item["expected"] != item["found"] for item in found)


def test_areas_that_the_desk_froze_are_compared_where_they_stand(frozen_night: Night) -> None:
    night = frozen_night
    assert area(night.snapshot, "A")["counts"]["P"] == 6
    assert night.verify(night.snapshot)[0] == 0
    newer = deepcopy(night.snapshot)
    area(newer, "A")["frozen"]["as_of"] = newer["as_of"]
    code, output = night.verify(newer, "--json")
    assert code == 1, "its figures are older than the mark says"
    assert {item["area"] for item in json.loads(output)["differences"]} >= {"A"}
    some = deepcopy(night.snapshot)
    some["contests"] = some["contests"][1:]
    code, output = night.verify(some)
    assert code == 2, "what rests on the frozen area cannot be compared without it"
    assert "save the whole snapshot" in " ".join(output.split())
    unmarked = deepcopy(night.snapshot)
    del area(unmarked, "A")["frozen"]
    assert night.verify(unmarked)[0] == 1


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({}, ("--log", "nowhere"), "is no log"),
        ({"as_of": {"events": {"0": 99, "1": 1}}}, (), "the snapshot covers the first 99"),
        ({"as_of": {"events": {"0": 1}}}, ("--log", "FILE", "--election", "RECORDING"), "2 partitions"),
        ({"as_of": {}}, (), "which offsets"),
        ({"contests": None}, (), "is not a snapshot"),
        ({"environment": "live"}, (), "is of test-2030 (live)"),
        ({"hashes": {"configuration": "e" * 64, "build": "1"}}, (), "started from definition eeee"),
        ({}, ("--log", "FILE"), "--election"),
    ],
)
def test_what_cannot_be_compared_is_neither_equal_nor_different(
    night: Night, change: Snapshot, options: tuple[str, ...], says: str
) -> None:
    names = {"FILE": str(night.file), "RECORDING": str(night.recording)}
    code, output = night.verify({**night.snapshot, **change}, *(names.get(option, option) for option in options))
    assert code == 2
    assert says in " ".join(output.split())


def test_a_damaged_recording_is_not_compared(night: Night) -> None:
    path = night.recording / "events.ndjson.gz"
    path.write_bytes(path.read_bytes()[:-9])
    code, output = night.verify(night.snapshot)
    assert code == 2
    assert "SHA-256" in output


def test_a_snapshot_that_is_no_json_is_not_compared(night: Night) -> None:
    path = night.folder / "broken.json"
    path.write_bytes(b"{")
    done = CliRunner().invoke(app, ["verify", str(path), "--log", str(night.recording)])
    assert done.exit_code == 2
    assert msgspec.json.encode("is not a snapshot")[1:-1] in done.output.encode()
