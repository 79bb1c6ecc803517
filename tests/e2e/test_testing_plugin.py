"""The public pytest plugin: what it promises to those who test against us."""

import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from tallyroom.domain.errors import SettingError
from tallyroom.log import open_log
from tallyroom.recordings.format import open_recording
from tallyroom.settings import Settings
from tallyroom.store import EmbeddedValkey
from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import NightError, Servers, StartNight
from tallyroom.testing.servers import Occupied, replayable

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS = "tallyroom.de-bw-2025.test.events"
STRICT = """
import pytest

@pytest.mark.asyncio
async def test_strict(tallyroom_night):
    async with tallyroom_night("bw-2025") as night:
        snapshot = await night.run_to_end()
        assert snapshot["contests"][1]["areas"][0]["counts"]["cdu"] == 2006866
"""


def test_loading_the_plugin_loads_no_service() -> None:
    heavy = "{'faust', 'aiokafka', 'redis', 'httpx', 'starlette', 'msgspec'}"
    code = f"import sys, tallyroom.testing.plugin; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stranger_in_strict_mode(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(STRICT)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=strict",
        "--rootdir=.",
    ]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'base'}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


async def test_a_held_night_moves_only_as_told(tallyroom_night: StartNight) -> None:
    events = list(open_recording("bw-2025").events())
    until = events[len(events) // 2].at
    half = sum(event.at <= until for event in events)
    async with tallyroom_night("bw-2025", held=True) as night:
        assert (await night.published())["events"]["accepted"] == night.sent == 0
        assert (await night.step())["events"]["accepted"] == night.sent == 1
        assert (await night.run_to(until))["events"]["accepted"] == night.sent == half
        assert night.clock == until
        assert (await night.run_to(events[0].at))["events"]["accepted"] == half  # never back
        assert (await night.step(7))["events"]["accepted"] == half + 7
        with pytest.raises(NightError, match="time zone"):
            await night.run_to("2025-02-23T23:00:00")
        assert (await night.run_to_end())["events"]["accepted"] == len(events)
        with pytest.raises(NightError, match="held=True"):
            await night.step()


async def test_events_of_ones_own(tallyroom_night: StartNight) -> None:
    async with tallyroom_night("bw-2025", held=True) as night:
        with pytest.raises(ValueError, match="contest"):
            await night.inject({"type": "report", "source": "destatis", "unit": "08111000"})
        assert sum((await night.ends()).values()) == 0
        (place,) = await night.inject(b"no event at all", key=b"first|08111000")
        (refused,) = await night.quarantined()
        assert refused.value == b"no event at all"
        assert dict(refused.headers)["tallyroom_offset"] == b"%d" % place.offset
        assert (await night.snapshot())["quarantined"] == {"not_json": 1}
        assert [record.value for record in await night.records()] == [b"no event at all"]


async def test_a_failure_tells_what_the_services_said(tallyroom_night: StartNight) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        async with tallyroom_night("bw-2025", held=True) as night:
            _ = 1 // night.sent
    assert "gateway.log:" in caught.value.__notes__[0]
    assert '"event": "serving"' in caught.value.__notes__[0]


def test_live_elections_are_not_replayed() -> None:
    with pytest.raises(SettingError, match="live"):
        replayable("live")


@pytest.mark.kafka
async def test_given_servers_are_taken_alone_and_left_clean(
    tallyroom_night: StartNight, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    log = open_log(Settings(kafka_url=kafka_broker.url))
    await log.create(EVENTS, 3)  # another number of partitions: what is left over must really go
    with EmbeddedValkey(tmp_path / "store") as server:
        store = Redis.from_url(server.url)
        await store.set("theirs", 1)
        with pytest.raises(Occupied, match=f"{EVENTS}.*--tallyroom-clear"):
            async with tallyroom_night("bw-2025", servers=Servers(kafka_broker.url, server.url)):
                pass
        for clear in (True, False):  # the second one finds nothing of the first
            async with tallyroom_night("bw-2025", servers=Servers(kafka_broker.url, server.url, clear=clear)) as night:
                assert (await night.run_to_end())["events"]["accepted"] == night.sent
                assert len(await store.keys("*")) > 1
        assert await store.keys("*") == [b"theirs"]
        await store.aclose()
    await log.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    await admin.start()
    assert EVENTS not in await admin.list_topics()
    await admin.close()
