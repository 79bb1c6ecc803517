"""Incidents of real nights played again through the running system: none reaches the public totals unflagged.

One night holds them all, each as a contest of its own (tests/incidents). It is played once, and looked at on the way.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from redis.asyncio import Redis

from tallyroom.auditor.books import Books
from tallyroom.auditor.published import Reading
from tallyroom.auditor.published import snapshot as differences
from tallyroom.codec.definition import definition_hash
from tallyroom.log import LogRecord
from tallyroom.recordings.format import TimedEvent, write_recording
from tallyroom.testing.night import ReplayedNight, Servers, replayed_night
from tests.incidents.scene import ABOUT, ELECTION, NIGHT, Incident, definition, events, renamed
from tests.incidents.sources import SOURCES
from tests.incidents.units import UNITS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

INCIDENTS: Final = tuple(map(renamed, (*UNITS, *SOURCES)))
_PATIENCE_S: Final = 20.0
_AT_ONCE: Final = 15
"""Incidents that are played before the public looks: each look costs a second or two."""


@dataclass
class Seen:
    """What could be seen of the night, by incident."""

    contests: dict[str, dict[str, Any]] = field(default_factory=dict)
    flags: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    records: list[LogRecord] = field(default_factory=list)
    partitions: int = 0
    revisions_while_empty: list[dict[str, Any]] = field(default_factory=list)
    posted: int = 0


def timetable() -> list[tuple[Incident, TimedEvent]]:
    """The night of all incidents, a minute after each other."""
    return [
        (incident, event)
        for number, incident in enumerate(INCIDENTS)
        for event in events(incident, NIGHT + timedelta(minutes=number))
    ]


def recording(folder: Path) -> Path:
    """The night as a recording."""
    write_recording(folder, definition(INCIDENTS), (event for _, event in timetable()), ABOUT)
    return folder


async def look(night: ReplayedNight, group: Sequence[Incident], seen: Seen) -> None:
    """Play some incidents; what the public sees then. What compares units with each other may come a moment later."""
    shown = await night.step(sum(len(incident.steps) for incident in group))
    wanted = {(incident.name, code) for incident in group for code, _ in incident.flags}
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while True:
        seen.snapshots.append(shown)
        flags = shown["flags"]["listed"]
        if wanted <= {(flag["contest"], flag["code"]) for flag in flags}:
            break
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.2)
        shown = await night.snapshot()
    for incident in group:
        seen.contests[incident.name] = next(item for item in shown["contests"] if item["contest"] == incident.name)
        seen.flags[incident.name] = [flag for flag in flags if flag["contest"] == incident.name]


async def refusals(night: ReplayedNight) -> dict[str, list[str]]:
    """Codes by incident, of the records that the quarantine says it has them from."""
    of = {event.value: incident.name for incident, event in timetable()}
    sent = {(record.partition, record.offset): of[record.value or b""] for record in await night.records()}
    found: dict[str, list[str]] = {incident.name: [] for incident in INCIDENTS}
    for record in await night.quarantined():
        said = {name: value.decode() for name, value in record.headers if name.startswith("tallyroom_")}
        place = (int(said["tallyroom_partition"]), int(said["tallyroom_offset"]))
        found[sent[place]].append(said["tallyroom_reason"])
    return found


async def play(folder: Path) -> Seen:
    """The whole night; then the store is emptied (South Africa 2024: the board went to 0), and the public goes on looking."""
    seen = Seen()
    async with replayed_night(recording(folder / "recording"), folder, Servers(), ("max", True), 60.0) as night:
        for start in range(0, len(INCIDENTS) - 1, _AT_ONCE):
            await look(night, INCIDENTS[start : min(start + _AT_ONCE, len(INCIDENTS) - 1)], seen)
        await look(night, INCIDENTS[-1:], seen)  # a day of silence, which every contest hears
        seen.refused = await refusals(night)
        seen.end = await night.published()
        seen.records, seen.partitions = await night.records(), len(await night.ends())
        async with httpx.AsyncClient(base_url=night.url) as client:
            planted = await client.post(f"/v1/elections/{ELECTION}/snapshot", json={"contests": []})
            seen.posted = planted.status_code
        store = Redis.from_url(night.redis_url)
        await store.flushall()
        await store.aclose()
        for _ in range(10):
            seen.revisions_while_empty.append(await night.snapshot())
            await asyncio.sleep(0.2)
        seen.revisions_while_empty.append(await night.published())
    return seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The night, played once for all tests here."""
    return asyncio.run(play(tmp_path_factory.mktemp("incidents")))


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.name)
def test_incident(incident: Incident, seen: Seen) -> None:
    """Its faulty figures are refused with the right code, or flagged beside the totals, or harmless; the totals are as expected."""
    assert sorted(seen.refused[incident.name]) == sorted(incident.refused)
    flags = {(flag["code"], flag["unit"] or flag["area"]) for flag in seen.flags[incident.name]}
    assert flags == incident.flags
    contest = seen.contests[incident.name]
    assert contest["areas"][0]["counts"] == incident.counts
    incident.check(contest)
    assert (incident.verdict == "alarm") <= bool(incident.flags)
    assert (incident.verdict == "quarantined") <= bool(incident.refused)


def test_the_catalogue_names_every_kind_of_verdict_and_no_contest_twice() -> None:
    assert {incident.verdict for incident in INCIDENTS} == {"accepted", "quarantined", "alarm"}
    assert len({incident.name for incident in INCIDENTS}) == len(INCIDENTS)


def test_every_incident_stands_in_the_documents() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plausibility.md").read_text("utf-8").partition("## Incidents")[2]
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == [incident.name for incident in _listed()]
    for incident, (_, _, verdict) in zip(_listed(), rows, strict=True):
        told = {code for code, _ in incident.flags} | set(incident.refused)
        assert {
            code for code in told if f"`{code}`" not in verdict
        } == set() or incident.name == "negative-votes-remaining"


def _listed() -> list[Incident]:
    """The catalogue, the silence with the other incidents of real nights."""
    real = [incident for incident in INCIDENTS if incident.name[-4:].isdigit() or incident.name.endswith("-refused")]
    return [*real, *(incident for incident in INCIDENTS if incident not in real)]


def test_every_figure_can_be_recomputed_from_the_log_by_other_code(seen: Seen) -> None:
    """Iowa 2020, Ukraine 2014: what is shown is what was stored, and nobody can write into it."""
    defined = definition(INCIDENTS)
    books = Books(defined, definition_hash(defined), seen.partitions)
    books.read(seen.records)
    assert [str(difference) for difference in differences(Reading(books), seen.end)] == []
    assert seen.posted == 405


def numbers(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number of a JSON value with the names that lead to it."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from numbers(value, f"{path}.{name}")
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value, path)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node


def test_no_snapshot_ever_had_a_negative_figure_or_what_is_no_number(seen: Seen) -> None:
    for shown in seen.snapshots:
        assert not re.search(r"[\s\"](nan|-?infinity)\b[^-]", json.dumps(shown["contests"]), re.IGNORECASE)
        wrong = [(path, value) for path, value in numbers(shown["contests"]) if value < 0 or isinstance(value, float)]
        assert not [item for item in wrong if not re.search(r"swing|change|effect|difference", item[0])]


def test_nothing_is_complete_while_something_is_missing(seen: Seen) -> None:
    for area in (area for shown in seen.snapshots for contest in shown["contests"] for area in contest["areas"]):
        if area["status"] == "unofficial-complete":
            missing = area["units_expected"] - area["units_reported"]
            assert missing == area["units_annulled"] + area["units_not_opened"] + area["units_cancelled"]
            assert area["units_partial"] == area["units_held"] == 0


def test_every_snapshot_says_what_made_it_and_that_it_is_no_result(seen: Seen) -> None:
    """Philippines 2016: a change of the code in the middle of the night shows. Test data are marked as such."""
    for shown in seen.snapshots:
        assert shown["environment"] == "test"
        assert shown["hashes"].keys() >= {"build", "configuration", "definition", "content"}
    assert len({(shown["hashes"]["build"], shown["hashes"]["configuration"]) for shown in seen.snapshots}) == 1


def test_a_board_never_goes_back_to_zero(seen: Seen) -> None:
    """South Africa 2024: the store is emptied after the night; the last good figures stay, and are said to be old."""
    before = seen.end["contests"]
    assert all(shown["contests"] == before for shown in seen.revisions_while_empty)
    assert all(shown["revision"] >= seen.end["revision"] for shown in seen.revisions_while_empty)
    assert any(shown.get("stale_since") for shown in seen.revisions_while_empty)
    assert not seen.revisions_while_empty[-1].get("stale_since")


def test_unchanged_is_told_from_stale(seen: Seen) -> None:
    """The same report three times: the totals are the same, the log went on, and nothing is said to be out of date."""
    assert all("stale_since" not in shown for shown in seen.snapshots)
    revisions = [shown["revision"] for shown in seen.snapshots]
    assert revisions == sorted(revisions)
    assert seen.end["events"]["duplicates"] >= 2 + 4  # stale-or-unchanged, philippines-2025
