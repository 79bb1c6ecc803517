"""The built-in night: every published figure is hit, every station is plausible, and the committed copy is current."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import (
    AnyEvent,
    Control,
    Declaration,
    Estimate,
    Participation,
    Report,
    decode_event,
    partition_key,
)
from tallyroom.domain.checks import problems
from tallyroom.domain.election import Contest, Definition, Environment, UnitKind
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.builtin import folder_of
from tallyroom.recordings.format import About, Recording, TimedEvent
from tallyroom.recordings.simulate import simulate, simulate_kz2023
from tallyroom.recordings.simulate.facts import kz2023_facts
from tallyroom.recordings.simulate.figures import apportion, fit
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused

FACTS = kz2023_facts()
PUBLISHED_VOTES = {
    "AMANAT": 3_431_510,
    "AUYL": 693_938,
    "RESPUBLICA": 547_154,
    "AQJOL": 535_139,
    "QHP": 432_920,
    "JSDP": 331_058,
    "BAYTAQ": 146_431,
    "AGAINST_ALL": 248_291,
}


class Night(NamedTuple):
    definition: Definition
    timed: list[TimedEvent]
    events: list[AnyEvent]
    about: About

    def contest(self, identifier: str) -> Contest:
        return next(contest for contest in self.definition.contests if contest.id == identifier)

    def reports(self) -> list[Report]:
        return [event for event in self.events if isinstance(event, Report)]


def make(seed: int) -> Night:
    definition, events, about = simulate_kz2023(seed)
    timed = list(events)
    return Night(definition, timed, [decode_event(event.value) for event in timed], about)


@pytest.fixture(scope="module", name="night")
def made_night() -> Night:
    return make(2023)


@pytest.fixture(scope="module", name="newest")
def newest_reports(night: Night) -> dict[tuple[str, str], Report]:
    """The unit rule in its plainest form: the highest version of each unit and contest that may speak for it."""
    return newest_of(night)


def newest_of(night: Night) -> dict[tuple[str, str], Report]:
    places = {(contest.id, unit) for contest in night.definition.contests for unit in contest.units}
    found: dict[tuple[str, str], Report] = {}
    for report in night.reports():
        place = (report.contest, report.unit)
        sums = report.ballots.get("valid", 0) == sum(report.counts.values())
        if place in places and report.source == "cec" and sums:
            found[place] = max(found.get(place, report), report, key=lambda item: item.version)
    return found


def digest(night: Night) -> str:
    whole = hashlib.sha256(definition_hash(night.definition).encode())
    for event in night.timed:
        whole.update(event.at.isoformat().encode() + event.value)
    return whole.hexdigest()


def list_sums(newest: Mapping[tuple[str, str], Report]) -> tuple[Counter[str], Counter[str]]:
    counts: Counter[str] = Counter()
    ballots: Counter[str] = Counter()
    for (contest, _), report in newest.items():
        if contest == "list":
            counts.update(report.counts)
            ballots.update(report.ballots)
    return counts, ballots


def test_definition_is_sound_and_whole(night: Night) -> None:
    definition = night.definition
    assert list(problems(definition)) == []
    assert definition.environment is Environment.SIMULATION
    assert len(definition.units) == 10_223
    assert sum(unit.kind is UnitKind.OVERSEAS for unit in definition.units) == 77
    assert sum(unit.registered or 0 for unit in definition.units) == 12_035_578
    assert [unit.id for unit in definition.units if not unit.id.startswith("SIM-")] == []
    assert all(unit.registered is None or 0 < unit.registered <= 3_000 for unit in definition.units)
    assert len(definition.contests) == 30
    assert len(night.contest("list").units) == 10_223
    assert sum(len(contest.units) for contest in definition.contests[1:]) == 10_223 - 77
    assert Counter(night.contest("list").units.values())["KZ-43"] == 373
    (house,) = definition.bodies
    assert sum(contest.rule.seats for contest in definition.contests if contest.rule) == house.seats == 98
    assert [majority.seats for majority in house.majorities] == [50, 66]


def test_everything_named_has_three_languages(night: Night) -> None:
    definition = night.definition
    named: list[Mapping[str, str]] = [definition.names]
    named += [area.names for area in definition.areas]
    named += [unit.names for unit in definition.units]
    named += [source.names for source in definition.sources]
    named += [contest.names for contest in definition.contests]
    named += [selection.names for contest in definition.contests for selection in contest.selections]
    assert [names for names in named if not {"kk", "ru", "en"} <= set(names)] == []


def test_rolls_of_regions_and_districts_are_the_known_ones(night: Night) -> None:
    registered = {unit.id: unit.registered or 0 for unit in night.definition.units}
    regions: Counter[str] = Counter()
    for unit, area in night.contest("list").units.items():
        regions[area] += registered[unit]
    assert regions == {region.id: region.registered for region in FACTS.regions}
    known = {11: 472_572, 12: 493_732, 18: 382_017, 19: 379_656, 8: 416_191}
    for number, electorate in known.items():
        assert sum(registered[unit] for unit in night.contest(f"district-{number:02}").units) == electorate


@pytest.mark.parametrize("seed", [7, 4_000_000_001])
def test_published_figures_are_hit_with_any_seed(seed: int) -> None:
    night = make(seed)
    newest = newest_of(night)
    counts, ballots = list_sums(newest)
    assert counts == PUBLISHED_VOTES
    assert ballots == {"cast": 6_521_860, "valid": 6_366_441}
    issued: Counter[str] = Counter()
    areas = night.contest("list").units
    for (contest, unit), report in newest.items():
        if contest == "list":
            issued[areas[unit]] += report.ballots["cast"]
    for region in FACTS.regions:
        assert issued[region.id] == region.issued
        assert f"{issued[region.id] / region.registered:.4f}" == FACTS.bulletins[-1].regions[region.id], region.id


def test_every_version_of_every_station_is_plausible(night: Night) -> None:
    registered = {unit.id: unit.registered for unit in night.definition.units}
    selections = {contest.id: {s.id for s in contest.selections} for contest in night.definition.contests}
    judged = 0
    for report in night.reports():
        if "simulated_mistake" in report.ext or report.kind == "retraction":
            continue
        judged += 1
        assert set(report.counts) == selections[report.contest], report.id
        assert sum(report.counts.values()) == report.ballots["valid"] <= report.ballots["cast"], report.id
        roll = registered[report.unit]
        assert roll is None or report.ballots["cast"] <= roll, report.id
    assert judged > 20_000


def test_a_station_issues_as_many_ballots_in_both_contests(newest: dict[tuple[str, str], Report]) -> None:
    districts = [(unit, report) for (contest, unit), report in newest.items() if contest != "list"]
    assert len(districts) == 10_146
    assert all(report.ballots["cast"] == newest["list", unit].ballots["cast"] for unit, report in districts)


def test_district_winners(night: Night, newest: dict[tuple[str, str], Report]) -> None:
    parties: Counter[str | None] = Counter()
    for district in FACTS.districts:
        contest = night.contest(f"district-{district.no:02}")
        counts: Counter[str] = Counter()
        for unit in contest.units:
            counts.update(newest[contest.id, unit].counts)
        (leader, most), (_, second) = counts.most_common(2)
        winner = next(selection for selection in contest.selections if selection.id == leader)
        assert most > second
        assert winner.party == district.party, contest.id
        if district.winner is None:
            assert winner.labels == ("placeholder", "winner-by-deduction")
        else:
            assert winner.names == district.winner
            assert winner.labels == (f"winner-{district.winner_certainty}",)
        losers = [s for s in contest.selections if s.id not in (leader, "AGAINST_ALL")]
        assert 2 <= len(losers) <= 5
        assert all(s.labels == ("placeholder",) for s in losers)
        parties[winner.party] += 1
    assert parties == {"AMANAT": 22, "INDEPENDENT": 7}


def test_reports_arrive_after_closing_and_in_order(night: Night) -> None:
    closing = {unit.id: unit.closes_at for unit in night.definition.units}
    assert [event.at for event in night.timed] == sorted(event.at for event in night.timed)
    end = datetime(2023, 3, 20, 3, tzinfo=UTC)
    for timed, event in zip(night.timed, night.events, strict=True):
        if isinstance(event, Report):
            closes_at = closing.get(event.unit, timed.at)
            assert closes_at is not None
            assert closes_at < event.reported_at + timedelta(seconds=1)
            assert event.reported_at <= timed.at <= end
    domestic = {unit.closes_at for unit in night.definition.units if unit.registered is not None}
    assert max(at for at in domestic if at is not None) == night.definition.release_at
    assert min(at for at in domestic if at is not None) == datetime(2023, 3, 19, 14, tzinfo=UTC)


def test_bulletins_exit_polls_and_declarations_are_as_published(night: Night) -> None:
    bulletins = [event for event in night.events if isinstance(event, Participation)]
    assert len(bulletins) == 7 * 21
    national = [event for event in bulletins if event.area == "KZ"]
    shares = ["0.1421", "0.3065", "0.4684", "0.5198", "0.5311", "0.5409", "0.5419"]
    assert [event.turnout for event in national] == shares
    assert [event.ballots for event in national] == [1_710_381, None, None, None, None, 6_509_695, 6_521_860]
    polls = [event for event in night.events if isinstance(event, Estimate)]
    assert {poll.pollster: poll.shares["JSDP"] for poll in polls} == {
        "eurasian-integration": "0.0531",
        "institute-of-democracy": "0.0512",
        "socis-a": "0.0491",
    }
    midnight = datetime(2023, 3, 19, 18, tzinfo=UTC)
    assert all(
        midnight + timedelta(minutes=12) <= poll.release_at <= midnight + timedelta(minutes=30) for poll in polls
    )
    controls = [event for event in night.events if isinstance(event, Control)]
    assert [control.counts for control in controls] == [PUBLISHED_VOTES] * 2
    houses = [event for event in night.events if isinstance(event, Declaration) and event.body == "mazhilis"]
    assert [house.seats["AMANAT"] for house in houses] == [63, 62]
    assert [house.final for house in houses] == [False, True]
    assert sum(houses[1].seats.values()) == 98


def test_the_dirt_is_what_the_manifest_expects(night: Night) -> None:
    """The tabulator's own fold over the whole night as one partition, against figures made without it."""
    fold = PartitionFold(Plan(night.definition, definition_hash(night.definition)), 0, 1)
    refusals: Counter[str] = Counter()
    for offset, event in enumerate(night.reports()):
        verdict = fold.report(event, partition_key(event), offset)
        if isinstance(verdict, Refused):
            refusals[str(verdict.refusal)] += 1
    unexplained = [d for d in fold.take().decreases if d.reason == "reason not stated by source"]
    expect, tallies = night.about.expect, fold.tallies
    assert expect["quarantined"] == refusals == {"unknown_unit": 1, "accounting": 1, "wrong_source": 1}
    for name in ("accepted", "superseded", "duplicates", "late", "decreases"):
        assert expect[name] == getattr(tallies, name) > 0, name
    assert expect["asides"] == len(night.events) - len(night.reports())
    assert 0 < sum(len(d.fell) for d in unexplained) == expect["decreases_without_reason"] < tallies.decreases


def test_the_shape_of_the_dirt(night: Night) -> None:
    reports = night.reports()
    pairs = 10_223 + 10_146
    corrected = {(r.contest, r.unit) for r in reports if r.kind == "correction"}
    explained = {(r.contest, r.unit) for r in reports if r.kind == "correction" and r.reason}
    assert 0.014 < len(corrected) / pairs < 0.025
    assert 0.4 < len(explained) / len(corrected) < 0.6
    assert 0.009 < night.about.expect["duplicates"] / pairs < 0.011
    assert 0.004 < night.about.expect["late"] / pairs < 0.006
    kinds = Counter(r.kind for r in reports)
    assert kinds["retraction"] == kinds["recount"] == 8
    assert sum(r.disposition == "held" for r in reports) == 12
    assert sum(r.parts is not None and r.parts.reported < r.parts.expected for r in reports) == 60
    assert {r.id for r in reports if r.disposition == "held" and not r.reason} == set()


def test_same_seed_same_bytes_other_seed_other_bytes(night: Night) -> None:
    assert digest(make(2023)) == digest(night)
    assert digest(make(2024)) != digest(night)


def test_the_committed_recording_is_what_the_generator_makes(tmp_path: Path) -> None:
    """If this fails, run `tallyroom simulate` for the night and commit the result."""
    made = simulate("kz-2023", tmp_path)
    committed = Recording(folder_of("kz-2023"))
    committed.verify()
    assert replace(committed.manifest, files={}) == replace(made, files={})  # compressors differ, contents must not
    assert definition_hash(committed.definition()) == definition_hash(Recording(tmp_path).definition())
    assert list(committed.events()) == list(Recording(tmp_path).events())
    assert sum(path.stat().st_size for path in committed.folder.iterdir()) < 3_000_000
    golden = made.golden["list"]
    assert golden.counts == PUBLISHED_VOTES
    assert golden.ballots == {"cast": 6_521_860, "valid": 6_366_441}
    assert (golden.units_reported, golden.units_expected) == (10_223, 10_223)
    assert golden.voters_registered == 12_035_578
    assert not made.real
    assert made.environment == "simulation"


def test_an_unknown_simulation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="kz-2023"):
        simulate("kz-1999", tmp_path)


def sums(table: list[list[int]]) -> Iterator[int]:
    return (sum(line[column] for line in table) for column in range(len(table[0])))


@pytest.mark.parametrize(
    ("total", "weights", "caps", "parts"),
    [
        (10, [1, 1, 1], None, [4, 3, 3]),
        (0, [0, 0], None, [0, 0]),
        (10, [8, 1, 1], [5, 9, 9], [5, 3, 2]),
        (9, [9, 9, 1], [1, 3, 5], [1, 3, 5]),
    ],
)
def test_apportion(total: int, weights: list[int], caps: list[int] | None, parts: list[int]) -> None:
    assert apportion(total, weights, caps) == parts


def test_apportion_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="caps"):
        apportion(10, [1, 1], [4, 5])
    with pytest.raises(ValueError, match="weights"):
        apportion(1, [0, 0])


def test_fit_is_exact_and_never_negative() -> None:
    rows, columns = [0, 1, 7, 1_000, 3], [900, 0, 100, 11]
    table = fit(rows, columns, [[1, 2, 3, 4]] * 5)
    assert [sum(line) for line in table] == rows
    assert list(sums(table)) == columns
    assert min(min(line) for line in table) == 0
    with pytest.raises(ValueError, match="rows sum to 2, columns to 3"):
        fit([1, 1], [3], [[1], [1]])
