"""`tallyroom explain` as a process: a recording by times, a running night by the revisions of its gateway."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tallyroom.testing.night import StartNight

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")


def run(*arguments: str, code: int = 0, settings: Mapping[str, str] | None = None) -> str:
    """Standard output (an error's: standard error) of the command."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TALLYROOM_")}
    done = subprocess.run(
        [SCRIPT, *arguments], env={**own, **(settings or {})}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else " ".join(done.stderr.split())


def adds_up(found: dict[str, Any]) -> None:
    """The units are behind all of the change."""
    summed: Counter[str] = Counter()
    for unit in found["units"]:
        summed.update(unit["difference"])
    assert {name: summed[name] for name in found["difference"]} == found["difference"]


def test_a_recording_is_explained_by_times() -> None:
    span = ("--from", "2023-03-19T18:00:00Z", "--to", "2023-03-19T18:02:00Z")
    found = json.loads(run("explain", "kz-2023", *span, "--area", "KZ-79", "--json"))
    adds_up(found)
    assert found["units"]
    assert {unit["area"] for unit in found["units"]} == {"KZ-79"}
    assert found["outstanding"]["count"] > 100
    table = run("explain", "kz-2023", *span, settings={"COLUMNS": "200"})
    assert "units behind it" in table
    assert "no zone" in run("explain", "kz-2023", "--from", "2023-03-19T18:00:00", *span[2:], code=1)
    assert "'KZ-99'" in run("explain", "kz-2023", *span, "--area", "KZ-99", code=1)


async def test_a_night_is_explained_between_two_of_its_revisions(tallyroom_night: StartNight) -> None:
    async with tallyroom_night("kz-2023", held=True) as night:
        early = await night.run_to("2023-03-19T16:00:00Z")
        late = await night.run_to("2023-03-19T16:40:00Z")
        settings = {
            "TALLYROOM_HTTP_PORT": str(httpx.URL(night.url).port),
            "TALLYROOM_DATA": str(night._night.settings.data),
        }
        span = ("--from", str(early["revision"]), "--to", str(late["revision"]))
        found = json.loads(run("explain", "kz-2023", *span, "--json", settings=settings))
        unknown = run("explain", "kz-2023", "--from", "1", "--to", "999999", code=1, settings=settings)
    adds_up(found)
    roots = [next(c for c in snapshot["contests"] if c["contest"] == "list")["areas"][0] for snapshot in (early, late)]
    counts = [root["counts"] for root in roots]
    assert counts[0] != counts[1]
    assert {name: counts[1][name] - counts[0][name] for name in counts[0]} == {
        name: found["difference"][name] for name in counts[0]
    }
    assert found["outstanding"]["count"] == roots[1]["units_expected"] - roots[1]["units_reported"]
    assert "999999" in unknown
