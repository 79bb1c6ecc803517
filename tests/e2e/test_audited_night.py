"""A night in real processes with a fault planted in its store: what the public sees, what ops see, and how it heals."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from redis.asyncio import Redis

from tallyroom.codec import packed
from tallyroom.codec.events import encode_event
from tallyroom.domain.election import Source
from tallyroom.recordings.format import write_recording
from tallyroom.tabulation.recount import COUNTERS
from tallyroom.testing.night import ReplayedNight, StartNight
from tests.support.mini import ABOUT, MINI, report, timed

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

DEFINITION: Final = replace(MINI, sources=(*MINI.sources, Source(id="desk", names={}, may_report=("desk",))))
PREFIX: Final = "tallyroom:{mini.test}:"
X: Final = len(COUNTERS) + 3  # behind cast, valid, invalid


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(120):
        while not await condition():  # noqa: ASYNC110 - services announce nothing to tests
            await asyncio.sleep(0.2)


async def plant(server: "Redis") -> None:
    """One vote more for x in the whole town, in whichever partition holds its total."""
    for partition in range(8):
        key = f"{PREFIX}p:{partition}"
        data = await server.hget(key, "t:mayor|town")
        if data is not None:
            row = packed.unpack(data)  # type: ignore[arg-type]
            await server.hset(key, "t:mayor|town", struct.pack(f"<{len(row)}q", *row[:X], row[X] + 1, *row[X + 1 :]))
            return
    raise AssertionError("no partition holds the town's total")


def command(night: ReplayedNight, folder: Path, *arguments: str) -> str:
    """A command of the operator, with the night's own store and log."""
    environment = {**os.environ, "TALLYROOM_REDIS_URL": night.redis_url, "TALLYROOM_DATA": str(folder)}
    done = subprocess.run(
        [Path(sys.executable).with_name("tallyroom"), *arguments],
        env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_planted_vote_is_found_frozen_rebuilt_and_thawed(tallyroom_night: StartNight, tmp_path: Path) -> None:
    events = [encode_event(report(unit=unit)) for unit in ("a", "b")]
    write_recording(tmp_path / "mini", DEFINITION, timed(events), ABOUT)
    async with tallyroom_night(tmp_path / "mini") as night:
        right = await night.run_to_end()
        assert _votes(right) == 6
        server = Redis.from_url(night.redis_url)
        try:
            await until(lambda: _audited(server, right["revision"]))
            pid = night.services["auditor"].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)  # a dead auditor comes back and reads the log again
            await plant(server)
            await until(lambda: _stale(night))
            assert _votes(await night.snapshot()) == 6, "the public keeps the last good figures"
            why = (await server.hget(f"{PREFIX}mark", "why")).decode()  # type: ignore[union-attr]
            assert "contest mayor, area town" in why
            folder = night.services["auditor"].output.parents[1]
            assert "2 records" in command(night, folder, "rebuild", str(tmp_path / "mini"))
            assert await _stale(night), "only people thaw it"
            command(
                night, folder, "desk", "thaw", str(tmp_path / "mini"), "publication", "--operator", "Aigerim",
                "--operator", "Daniyar", "--reason", "rebuilt",
            )  # fmt: skip
            healed = await night.published()
            assert _votes(healed) == 6
            assert "stale_since" not in healed
            assert healed["revision"] > right["revision"]
        finally:
            await server.aclose()


def _votes(snapshot: dict[str, object]) -> int:
    contests: list[dict[str, list[dict[str, dict[str, int]]]]] = snapshot["contests"]  # type: ignore[assignment]
    return contests[0]["areas"][0]["counts"]["x"]


async def _audited(server: "Redis", revision: int) -> bool:
    found = await server.hget(f"{PREFIX}mark", "audited")
    return found is not None and int(found) >= revision


async def _stale(night: ReplayedNight) -> bool:
    return "stale_since" in await night.snapshot()
