"""Whole nights through real Kafka, two Faust workers, Redis or Valkey and a gateway end exactly as their manifests say."""

import json
from pathlib import Path

import pytest

from tallyroom.codec.packed import Entry
from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import StartNight
from tests.support.golden import assert_golden, corrections
from tests.support.nights import debian_redis, decreases, imported, on_kafka
from tests.support.shared import archived_night

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

PE = "pe-2021-runoff"


async def test_kazakhstan_2023_on_redis(tallyroom_night: StartNight, kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    with debian_redis(tmp_path / "redis") as redis_url:
        async with tallyroom_night("kz-2023", servers=on_kafka(kafka_broker, redis_url)) as night:
            snapshot = await night.run_to_end()
            fell = await decreases(night)
            refused = await night.quarantined()
    manifest = night.recording.manifest
    assert_golden(snapshot, manifest)
    assert len(snapshot["contests"]) == 30
    assert sum(sum(contest["areas"][0]["counts"].values()) for contest in snapshot["contests"][:1]) == 6_366_441
    assert len(refused) == sum(manifest.expect["quarantined"].values())
    assert corrections(snapshot) >= len(fell), "those that only raise figures are corrections too"
    without = sum(len(entry.fell or {}) for entry in fell if entry.reason == "reason not stated by source")
    assert without == manifest.expect["decreases_without_reason"]
    assert len(snapshot["turnout"]) + len(snapshot["estimates"]) > 0


async def test_baden_wuerttemberg_2025_on_valkey(tallyroom_night: StartNight, kafka_broker: KafkaBroker) -> None:
    async with tallyroom_night("bw-2025", servers=on_kafka(kafka_broker)) as night:
        snapshot = await night.run_to_end()
        every = await decreases(night)
    manifest = night.recording.manifest
    assert_golden(snapshot, manifest)
    fell = [
        entry for entry in every if entry.contest in ("first", "second")
    ]  # constituencies say the first votes again
    assert len({entry.unit for entry in fell}) == manifest.expect["decreases_units"] == 221
    assert len(rows_of_the_source(fell)) == manifest.expect["decreases"] == 546
    assert {entry.reason for entry in fell} == {"reason not stated by source"}
    assert corrections(snapshot) >= len(every), "those that only raise figures are corrections too"
    municipalities = {unit.id for unit in night.definition.units}
    assert "BW" not in municipalities, "the statewide row of the source is no municipality"
    expected = [contest["areas"][0]["units_expected"] for contest in snapshot["contests"]]
    assert expected[:2] == [1104, 1104]
    assert (len(expected) - 2, sum(expected[2:])) == (38, 1105), "Stuttgart is in two of the 38 constituencies"


def rows_of_the_source(fell: list[Entry]) -> set[tuple[str, str, str]]:
    """Fallen figures as the statistical office lists them: ballots cast and registered voters once for both contests."""
    once = ("cast", "registered")
    return {
        ("" if name in once else entry.contest or "", entry.unit or "", name)
        for entry in fell
        for name in entry.fell or {}
    }


async def test_peru_2021_on_valkey(tallyroom_night: StartNight, kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    source = json.loads((archived_night(PE) / "manifest.json").read_text("utf-8"))
    recording = imported(PE, tmp_path / PE)
    first, second, _ = sorted(source["status_counts"])
    async with tallyroom_night(recording.folder, held=True, servers=on_kafka(kafka_broker)) as night:
        for time in (first, second):
            early = (await night.run_to(time))["contests"][0]["areas"][0]
            said = source["status_counts"][time]
            assert early["units_reported"] == said["CONTABILIZADAS NORMALES"]
            assert early["units_annulled"] == said["ACTA ELECTORAL ANULADA"]
            assert early["units_not_opened"] == said["MESA NO INSTALADA"]
            assert early["units_held"] > 0
            assert early["status"] == "unofficial-partial"
        snapshot = await night.run_to_end()
    assert_golden(snapshot, recording.manifest)
    root, sums, annulled = snapshot["contests"][0]["areas"][0], source["totals_in_this_set"], recording.manifest.expect
    assert root["units_expected"] == 86_488
    assert root["units_reported"] + root["units_annulled"] + root["units_not_opened"] == 86_488
    assert (root["units_annulled"], root["units_not_opened"], root["units_held"]) == (220, 6, 0)
    assert root["ballots_cast"] + root["ballots_cast_annulled"] == sums["cast"]
    assert root["ballots"]["null"] + annulled["annulled_ballots"]["null"] == sums["null"]
    assert root["counts"] == {name: sums[name] for name in ("perulibre", "fuerzapopular")}
