"""The simulator: built-in nights made by a seeded generator around published figures (docs/kz-2023.md)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

from tallyroom.codec.events import AnyEvent, encode_event
from tallyroom.domain.election import Contest, Definition
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.format import About, Manifest, TimedEvent, write_recording
from tallyroom.recordings.simulate.bulletins import asides
from tallyroom.recordings.simulate.candidates import candidates
from tallyroom.recordings.simulate.definition import LIST, attribution, definition, district_id
from tallyroom.recordings.simulate.expected import expectations
from tallyroom.recordings.simulate.facts import FACTS, Facts, kz2023_facts
from tallyroom.recordings.simulate.night import Task, deliveries
from tallyroom.recordings.simulate.schedule import arrivals
from tallyroom.recordings.simulate.stations import Station, stations
from tallyroom.recordings.simulate.votes import Ballot, district_ballots, list_ballots

SEED: Final = 2023
KZ2023: Final = "kz-2023"
_NOTES: Final = (
    "Simulation: published are the national sums, the turnout bulletins, the exit polls and the declared seats.",
    "Stations, their votes, the candidates who did not win, district votes and times of arrival are made up.",
    "Ballots cast are ballots issued by 22:10. The 77 stations abroad have no roll and stand in Astana's area.",
    "Ten regional voter lists and the regional ballots issued are estimates that fit the published turnouts.",
    "Three reports are made to be refused; they say so in ext.simulated_mistake.",
)


def simulate_kz2023(seed: int = SEED) -> tuple[Definition, Iterable[TimedEvent], About]:
    """The night of 19 March 2023. Equal seeds give equal bytes; every published figure is hit exactly with any seed."""
    rng = Random(seed)
    facts = kz2023_facts()
    drawn = stations(facts, rng)
    ballots = candidates(facts, rng)
    lists = list_ballots(facts, drawn, rng)
    districts: dict[str, Ballot] = {}
    for district in facts.districts:
        here = [station for station in drawn if station.district == district.no]
        districts |= district_ballots(ballots[district.no], here, lists, rng)
    defined = definition(facts, drawn, ballots)
    tasks = _tasks(facts, defined, drawn, (lists, districts), rng)
    reports = deliveries(tasks, facts.exit_polls[-1].id, rng)
    timed: list[tuple[datetime, AnyEvent]] = sorted([*asides(facts, ballots), *reports], key=lambda item: item[0])
    events = [TimedEvent(at, encode_event(event)) for at, event in timed]
    return defined, events, _about(seed, [event for _, event in timed])


def simulate(name: str, out: Path, seed: int = SEED) -> Manifest:
    """Write the simulated night into a folder. Raises RecordingError for a name that has no simulator."""
    if name != KZ2023:
        raise RecordingError(f"There is no simulator for {name!r}.", f"use {KZ2023}")
    return write_recording(out, *simulate_kz2023(seed))


def _tasks(
    facts: Facts,
    defined: Definition,
    drawn: Sequence[Station],
    figures: tuple[dict[str, Ballot], dict[str, Ballot]],
    rng: Random,
) -> list[Task]:
    """One task for each station and contest; ``figures``: of the list and of the districts."""
    lists, districts = figures
    cities = {region.id for region in facts.regions if region.city}
    ballots = {contest.id: _selections(contest) for contest in defined.contests}
    tasks: list[Task] = []
    for station in drawn:
        list_at, district_at = arrivals(station, station.region in cities, rng)
        tasks.append(Task(LIST, station.id, list_at, lists[station.id], ballots[LIST], station.registered))
        if station.district is not None and district_at is not None:
            contest = district_id(station.district)
            ballot = districts[station.id]
            tasks.append(Task(contest, station.id, district_at, ballot, ballots[contest], station.registered))
    return tasks


def _selections(contest: Contest) -> tuple[str, ...]:
    return tuple(selection.id for selection in contest.selections)


def _about(seed: int, events: Sequence[AnyEvent]) -> About:
    return About(
        name=KZ2023,
        title="Kazakhstan, Mazhilis election of 19 March 2023 (simulation around the published figures)",
        real=False,
        licence="Apache-2.0",
        source={
            "generator": "tallyroom simulate kz-2023",
            "seed": seed,
            "facts": FACTS,
            "documentation": "docs/kz-2023.md",
        },
        attribution=attribution()["en"],
        notes=_NOTES,
        expect=expectations(events),
    )
