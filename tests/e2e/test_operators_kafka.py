"""What operators and readers do beside a night on Kafka and Redis, by command; and a sender of reports that is killed."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest

from tallyroom.codec.events import Report, encode_event
from tallyroom.domain.election import Source
from tallyroom.publisher.returns import HEADER
from tallyroom.recordings.format import write_recording
from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import ReplayedNight, StartNight
from tests.support import commands
from tests.support.mini import ABOUT, MINI, report, timed
from tests.support.nights import debian_redis, on_kafka

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

DEFINITION: Final = replace(
    MINI, sources=(*MINI.sources, Source(id="desk", names={}, may_report=("desk", "amendment", "declaration")))
)
ONE: Final = ("--operator", "A. Operator", "--reason", "telephoned")
NEW: Final = {"change": "add_unit", "unit": {"id": "new", "registered": 30}, "contests": {"mayor": "north"}}


def broken(unit: str, version: int = 1) -> Report:
    """A sheet that does not add up: ten valid ballots, nine votes."""
    sheet = report(unit, version, x=1, y=8)
    return msgspec.structs.replace(sheet, ballots={"cast": 11, "valid": 10, "invalid": 1})


class Beside:
    """A night and the commands beside it."""

    def __init__(self, night: ReplayedNight, folder: Path, kafka_url: str) -> None:
        self.night, self.folder = night, folder
        self.settings = {
            "TALLYROOM_KAFKA_URL": kafka_url, "TALLYROOM_REDIS_URL": night.redis_url, "TALLYROOM_DATA": str(folder),
            "TALLYROOM_HTTP_PORT": str(httpx.URL(night.url).port),
        }  # fmt: skip
        self.election = str(folder / "mini")

    async def told(self, verb: str, *about: str) -> str:
        """What a command about this election says."""
        return await commands.told(self.settings, *verb.split(), self.election, *about)

    def signal(self, number: signal.Signals, *names: str) -> None:
        """Send a signal to services of the night."""
        for name in names:
            pid = self.night.services[name].pid
            assert pid is not None
            os.kill(pid, number)

    async def sent_again(self) -> list[bytes]:
        """What `tallyroom returns` appended so far."""
        return [record.value for record in await self.night.records() if HEADER in dict(record.headers)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it, a minute at most."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - services announce nothing to tests
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running(start: StartNight, broker: KafkaBroker, folder: Path, events: list[Report]) -> AsyncIterator[Beside]:
    """The night with these reports, on Kafka and Redis."""
    write_recording(folder / "mini", DEFINITION, timed([encode_event(event) for event in events]), ABOUT)
    with debian_redis(folder / "redis") as redis_url:
        async with start(folder / "mini", servers=on_kafka(broker, redis_url)) as night:
            await night.run_to_end()
            yield Beside(night, folder, broker.url)


def counts(snapshot: dict[str, Any]) -> dict[str, int]:
    """Votes for mayor in the whole town."""
    found: dict[str, int] = snapshot["contests"][0]["areas"][0]["counts"]
    return found


async def test_a_night_beside_kafka_and_redis(
    tallyroom_night: StartNight, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    events = [report("a"), report("new", x=10, y=1), broken("b")]
    async with running(tallyroom_night, kafka_broker, tmp_path, events) as beside:
        first = await beside.night.published()
        assert counts(first) == {"x": 3, "y": 4}
        await killed_in_the_middle(beside)
        last = await acts(beside)
        await read(beside, first["revision"], last)


async def killed_in_the_middle(beside: Beside) -> None:
    """The sender dies when the report stands in the log again and no tabulator has folded it: the next one sends it once more."""
    night, tabulators = beside.night, ("tabulator-1", "tabulator-2")
    beside.signal(signal.SIGSTOP, "returns")
    (beside.folder / "changes.json").write_text(json.dumps([NEW]))
    assert "1 reports that waited" in await beside.told("amend", str(beside.folder / "changes.json"), *ONE)
    await night.published()
    assert await beside.sent_again() == []
    beside.signal(signal.SIGSTOP, *tabulators)
    beside.signal(signal.SIGCONT, "returns")
    await until(lambda: _sent(beside, 1))
    beside.signal(signal.SIGKILL, "returns")
    await until(lambda: _sent(beside, 2))
    beside.signal(signal.SIGCONT, *tabulators)
    snapshot = await night.published()
    assert await beside.sent_again() == [encode_event(report("new", x=10, y=1))] * 2
    assert counts(snapshot) == {"x": 13, "y": 5}, "counted once"
    assert snapshot["events"]["duplicates"] == 1
    assert snapshot["units_apart"][0]["units"][0]["unit"] == "b"


async def _sent(beside: Beside, times: int) -> bool:
    return len(await beside.sent_again()) == times


async def acts(beside: Beside) -> dict[str, Any]:
    """Acts of the desk that tests/e2e/test_desk_night.py has not on Kafka; the snapshot after them."""
    await beside.told("desk accept-with-flag", "hall", *ONE)
    await beside.night.inject(encode_event(broken("b", 2)))
    await beside.told("desk call", "mayor:y", *ONE)
    await beside.told("desk uncall", "mayor:y", *ONE)
    await beside.told("desk embargo", "mayor", "--until", "2100-01-01T00:00:00Z", *ONE)
    hidden = await beside.night.published()
    assert hidden["contests"][0]["areas"] == []
    await beside.told("desk embargo", "mayor", "--until", "lift", *ONE)
    assert "version 2 (counted, counted)" in await beside.told("unit show", "mayor:b")
    snapshot = await beside.night.published()
    assert counts(snapshot) == {"x": 14, "y": 13}
    assert snapshot["flags"]["open"] == {"accounting": 1}
    assert snapshot["calls"] == []
    return snapshot


async def read(beside: Beside, first: int, snapshot: dict[str, Any]) -> None:
    """The published figures against the log, the change explained, the board, and the store folded anew."""
    path = beside.folder / "snapshot.json"
    path.write_text(json.dumps(snapshot))
    log = ("--log", beside.settings["TALLYROOM_KAFKA_URL"], "--election", beside.election)
    assert commands.run(beside.settings, "verify", str(path), *log).startswith("equal ")
    snapshot["contests"][0]["areas"][1]["counts"]["y"] += 1
    path.write_text(json.dumps(snapshot))
    said = commands.run(beside.settings, "verify", str(path), *log, code=1)
    assert "1 figures differ" in said
    assert "│ mayor │ north │ counts.y │ 13 │ 14 │" in said, "contest, area, selection, expected, found"
    span = ("--from", str(first), "--to", str(snapshot["revision"]), "--json")
    explained = json.loads(await beside.told("explain", *span))
    assert explained["difference"] == {"x": 11, "y": 9} | explained["difference"]
    assert {unit["unit"] for unit in explained["units"]} == {"b", "new"}
    assert "A small vote" in await commands.told(beside.settings, "results")
    assert "8 partitions" in commands.run(beside.settings, "rebuild", beside.election)
    again = await beside.night.published()
    assert (counts(again), "stale_since" in again) == ({"x": 14, "y": 13}, False)
