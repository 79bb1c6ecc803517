"""Real snapshots of the built-in nights, at several times, against the published schema: nothing is served undescribed."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tallyroom.testing.night import ReplayedNight, StartNight
from tests.support.contract import component_validator, faults, snapshot_validator

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TIMES = {
    "kz-2023": [
        "2023-03-19T08:00:00Z",  # bulletins alone
        "2023-03-19T15:30:00Z",  # half an hour after the release
        "2023-03-19T18:30:00Z",  # all exit polls
        "2023-03-19T20:00:00Z",  # most stations
    ],
    "bw-2025": ["2025-02-23T20:00:00Z", "2025-02-24T00:00:00Z"],
}


async def first_event(night: ReplayedNight) -> dict[str, Any]:
    """Data of the stream's first event."""
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient() as client,
        client.stream("GET", f"{night.url}/v1/elections/{night.election}/stream") as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return found
    raise AssertionError("the stream ended")


async def read(address: str) -> Any:
    """A JSON document."""
    async with httpx.AsyncClient() as client:
        return (await client.get(address)).raise_for_status().json()


@pytest.mark.parametrize("name", TIMES)
async def test_every_snapshot_of_a_night_is_as_described(name: str, tallyroom_night: StartNight) -> None:
    validator = snapshot_validator()
    async with tallyroom_night(name, held=True) as night:
        for time in TIMES[name]:
            snapshot = await night.run_to(time)
            assert faults(validator, snapshot) == [], time
        assert faults(component_validator("StreamRevision"), await first_event(night)) == []
        assert faults(validator, await night.run_to_end()) == []
        base = f"{night.url}/v1/elections"
        for address, schema in {
            base: "Elections",
            f"{base}/{night.election}/corrections": "CorrectionsList",
            f"{base}/{night.election}/units-apart": "UnitsApartList",
            f"{base}/{night.election}/history": "HistoryList",
            f"{base}/{night.election}/units/{night.definition.units[0].id}": "UnitPage",
        }.items():
            assert faults(component_validator(schema), await read(address)) == [], address


def test_a_field_that_is_not_described_is_found() -> None:
    validator = snapshot_validator()
    assert "'surprise' was unexpected" in " ".join(faults(validator, {"surprise": 1}))
