"""The archived foreign nights on the embedded default (SQLite log, Valkey from its wheel) end as their manifests say."""

from pathlib import Path

import pytest

from tallyroom.testing.night import StartNight
from tests.support.golden import assert_golden, corrections
from tests.support.nights import decreases, imported

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", ["us-2020-president-night", "nl-tk2023", "nl-gr2022-west-maas-en-waal"])
async def test_an_archived_night_ends_exactly(tallyroom_night: StartNight, tmp_path: Path, name: str) -> None:
    recording = imported(name, tmp_path / name)
    async with tallyroom_night(recording.folder) as night:
        snapshot = await night.run_to_end()
        fell = await decreases(night)
    assert_golden(snapshot, recording.manifest)
    assert corrections(snapshot) == len(fell)
    assert all(entry.reason for entry in fell)
    assert snapshot["environment"] == "test"
