"""A published snapshot compared with what a recording's manifest says of the night's end."""

from collections.abc import Mapping
from typing import Any

from tallyroom.recordings.format import Manifest
from tallyroom.recordings.golden import GoldenTotals

Snapshot = Mapping[str, Any]


def roots(snapshot: Snapshot) -> dict[str, GoldenTotals]:
    """The root area of every contest as the snapshot shows it; a register that nobody stated is 0 in a manifest."""
    return {
        contest["contest"]: GoldenTotals(
            counts=area["counts"],
            ballots=area["ballots"],
            units_reported=area["units_reported"],
            units_expected=area["units_expected"],
            units_partial=area["units_partial"],
            units_held=area["units_held"],
            units_annulled=area["units_annulled"],
            units_not_opened=area["units_not_opened"],
            units_cancelled=area["units_cancelled"],
            voters_registered=area["voters_registered"] or 0,
        )
        for contest in snapshot["contests"]
        for area in contest["areas"][:1]
    }


def assert_golden(snapshot: Snapshot, manifest: Manifest) -> None:
    """Every contest's root, the fate of every event and the labelled decreases are those of the manifest, exactly."""
    assert roots(snapshot) == dict(manifest.golden)
    expect, events = manifest.expect, snapshot["events"]
    decreases = expect.get("decreases_tabulated", expect["decreases"])
    assert events == {
        "accepted": expect["accepted"],
        "superseded": expect["superseded"],
        "duplicates": expect["duplicates"],
        "late": expect["late"],
        "decreases": decreases,
        "aside": expect.get("asides", 0),
        "quarantined": sum(expect["quarantined"].values()),
    }
    assert snapshot["quarantined"] == expect["quarantined"]
    assert "stale_since" not in snapshot
    assert_levels_add_up(snapshot)


def assert_levels_add_up(snapshot: Snapshot) -> None:
    """Where a whole level of a contest is shown, votes and units of its areas make the root's."""
    for contest in snapshot["contests"]:
        by_level: dict[str, list[Mapping[str, Any]]] = {}
        for area in contest["areas"]:
            by_level.setdefault(area["level"], []).append(area)
        root = contest["areas"][0]
        for areas in by_level.values():
            if sum(area["units_expected"] for area in areas) != root["units_expected"]:
                continue  # units that hang above this level, or levels that do not cover the whole
            for name, votes in root["counts"].items():
                assert sum(area["counts"][name] for area in areas) == votes, (contest["contest"], name)


def corrections(snapshot: Snapshot) -> int:
    """Reports over all contests that lowered figures, as the snapshot counts them."""
    return sum(contest["corrections"]["count"] for contest in snapshot["contests"])
