"""The example of docs/testing.md: how a subscriber tests a dashboard against a recorded night."""

import httpx
import pytest

from tallyroom.testing.night import StartNight

pytestmark = pytest.mark.e2e


class Dashboard:
    """Stands for your program: it asks the gateway and shows one line."""

    def __init__(self, url: str) -> None:
        self._snapshot = f"{url}/v1/elections/kz-2023/snapshot"
        self.line = ""

    async def refresh(self) -> None:
        async with httpx.AsyncClient() as client:
            answer = await client.get(self._snapshot, params={"contest": "list", "level": "national"})
        contest = answer.raise_for_status().json()["contests"][0]
        if "embargoed_until" in contest:
            self.line = f"Polls are open until {contest['embargoed_until']}"
            return
        country = contest["areas"][0]
        votes = country["counts"]["AMANAT"]
        self.line = f"AMANAT {votes:,}, {country['units_reported']:,} of {country['units_expected']:,} stations"
        if contest["corrections"]["count"]:
            self.line += f", corrected {contest['corrections']['count']:,} times"


async def test_my_dashboard(tallyroom_night: StartNight) -> None:
    async with tallyroom_night("kz-2023", held=True) as night:
        dashboard = Dashboard(night.url)

        await night.run_to("2023-03-19T16:30:00+06:00")  # bulletins of turnout, nothing is counted yet
        await dashboard.refresh()
        assert dashboard.line == "Polls are open until 2023-03-19T15:00:00Z"

        await night.run_to("2023-03-19T22:00:00+06:00")
        await dashboard.refresh()
        assert dashboard.line == "AMANAT 585,906, 3,223 of 10,223 stations, corrected 10 times"

        await night.step(10)  # ten more events
        recount = {
            "AMANAT": 0,
            "AUYL": 38,
            "RESPUBLICA": 4,
            "AQJOL": 6,
            "QHP": 3,
            "JSDP": 3,
            "BAYTAQ": 1,
            "AGAINST_ALL": 2,
        }
        await night.inject(  # an event of your own: station 317 of region KZ-35 is counted again
            {
                "type": "report", "source": "cec", "contest": "list", "unit": "SIM-KZ-35-0317", "version": 2, "kind": "recount",
                "counts": recount, "ballots": {"cast": 59, "valid": 57},
            }
        )  # fmt: skip
        await dashboard.refresh()
        assert dashboard.line.endswith("corrected 11 times")

        await night.run_to_end()
        await dashboard.refresh()
        assert dashboard.line.startswith(f"AMANAT {3_431_510 - 28:,}, 10,223 of 10,223 stations")
