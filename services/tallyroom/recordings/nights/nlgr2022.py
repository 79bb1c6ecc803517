"""Council of West Maas en Waal 2022: eight lists with 251 candidates in 21 polling stations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tallyroom.domain.election import (
    Accounting,
    Area,
    Body,
    CandidateVotes,
    Contest,
    Definition,
    Environment,
    Identity,
    Majority,
    ReportingUnit,
    Role,
    Rule,
    Selection,
    Source,
    Threshold,
    UnitKind,
    VoterPool,
)
from tallyroom.recordings.format import About, Manifest
from tallyroom.recordings.nights.common import Archive, Night, Sheet, made_up_arrivals, number

ELECTION: Final = "nl-gr2022-west-maas-en-waal"
CONTEST: Final = "council"
SOURCE: Final = "west-maas-en-waal"
SEED: Final = 20220316
_START: Final = datetime(2022, 3, 16, 20, 30, tzinfo=UTC)  # half an hour after the polls closed
_LENGTH: Final = timedelta(hours=4)  # the file was made at 01:32 local time
_COLOURS: Final = ("#00736b", "#f58220", "#8c2f39", "#3f6fb0", "#c07f2a", "#007b5f", "#c8102e", "#6f5fa0")
_EARLY: Final = ("(maandag)", "(dinsdag)")  # stations of the two days before
_NOTES: Final = (
    "Replay of the night of 16 March 2022: counts are real, nothing is being counted now.",
    f"The source has no reporting times: every arrival is made up (seed {SEED}) and marked in ext.arrival.",
    "Ten of the 21 stations have no roll of their own; the whole municipality has 16,202 voters.",
    "Ballots cast are votes, blank and invalid ballots added up: the file does not state them.",
    "The file numbers candidates without naming them. Candidate votes are part of their list's.",
    "Seventeen seats, as the law gives a municipality of 15,001 to 20,000 inhabitants; the archive does not say it.",
    "Which candidates of a list take its seats (by rank, or by preference votes) is not computed.",
)
SEATS: Final = 17
_LAW: Final = (
    "Gemeentewet, art. 8 (17 members for 15,001 to 20,000 inhabitants); Kieswet, art. P 5 and P 6 (whole quotas), P 8 (fewer than "
    "19 seats: the rest by largest remainders, among lists with at least 75 per cent of a quota), P 10"
)
_CERTAINTY: Final = (
    "Law cited from memory; seats from the number of inhabitants (about 19,000, from memory; 16,202 voters)."
    " The threshold is 3/68 of valid votes, 75 per cent of a quota of 1/17. The law's quota is of all valid votes, this one of"
    " those for lists above the threshold: the same while all eight are above it, as at the end."
)


@dataclass(slots=True)
class _Station:
    """A polling station with its figures by option."""

    name: str
    area: str
    registered: int | None
    votes: dict[str, int] = field(default_factory=dict)  # list and list-candidate -> votes
    others: dict[str, int] = field(default_factory=dict)


def convert(archive: Archive, out: Path) -> Manifest:
    """Write the recording into ``out``."""
    stations: dict[str, _Station] = {}
    for row in archive.rows("stations.csv.gz"):
        station = stations.setdefault(
            row["station_id"], _Station(row["station_name"], row["area_id"], number(row["registered"]))
        )
        figures = station.votes if row["kind"] in ("option", "candidate") else station.others
        figures[row["option"]] = int(row["votes"])
    night = Night(ELECTION, SOURCE)
    weights = {unit: station.others["total_counted"] for unit, station in stations.items()}
    for unit, at in made_up_arrivals(weights, _START, _LENGTH, SEED).items():
        night.add(at, _sheet(unit, stations[unit]))
    return night.write(out, _definition(archive, stations), _about(archive, night.expect))


def _sheet(unit: str, station: _Station) -> Sheet:
    valid, blank, invalid = (station.others[name] for name in ("total_counted", "blanco", "ongeldig"))
    return Sheet(
        contest=CONTEST,
        unit=unit,
        counts={f"list-{option}": votes for option, votes in station.votes.items()},
        ballots={"cast": valid + blank + invalid, "valid": valid, "blank": blank, "invalid": invalid},
        ext={"arrival": "synthetic"},
    )


def _definition(archive: Archive, stations: Mapping[str, _Station]) -> Definition:
    ((area, name),) = archive.manifest["area"].items()
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"nl": f"Gemeenteraad {name} 2022", "en": f"Council of {name} 2022"},
        date=date(2022, 3, 16),
        time_zones=("Europe/Amsterdam",),
        languages=("nl", "en"),
        sources=(Source(id=SOURCE, names=_municipality(name), may_report=("report",)),),
        areas=(Area(id=area, level="municipality", names={"nl": name, "en": name}, codes={"cbs": area}),),
        units=tuple(_unit(unit, station) for unit, station in stations.items()),
        contests=(_contest(archive, area, stations),),
        pools=(_pool(archive, name),),
        bodies=(_council(name),),
        attribution={"en": _attribution(archive)},
        notes={"en": " ".join(_NOTES)},
    )


def _municipality(name: str) -> dict[str, str]:
    return {"nl": f"Gemeente {name}", "en": f"Municipality of {name}"}


def _pool(archive: Archive, name: str) -> VoterPool:
    """The municipality, in which one may vote at any station (Kieswet, art. J 5)."""
    registered = archive.manifest["registered"]
    return VoterPool(id=CONTEST, names=_municipality(name), registered=registered, may_be_added=0)


def _council(name: str) -> Body:
    return Body(
        id="council",
        names={"nl": f"Gemeenteraad {name}", "en": f"Council of {name}"},
        seats=SEATS,
        contests=(CONTEST,),
        majorities=(Majority(seats=SEATS // 2 + 1, names={"nl": "meerderheid", "en": "majority"}),),
    )


def _unit(unit: str, station: _Station) -> ReportingUnit:
    early = any(day in station.name for day in _EARLY)
    return ReportingUnit(
        id=unit,
        kind=UnitKind.ADVANCE if early else UnitKind.PRECINCT,
        names={"nl": station.name},
        registered=station.registered,
        pool=CONTEST,
    )


def _contest(archive: Archive, area: str, stations: Mapping[str, _Station]) -> Contest:
    ballot = next(iter(stations.values())).votes
    return Contest(
        id=CONTEST,
        names={"nl": "Gemeenteraad", "en": "Municipal council"},
        selections=tuple(_selection(option, archive.manifest["options"], ballot) for option in ballot),
        accounting=Accounting(
            measures=("cast", "valid", "blank", "invalid"),
            cast="cast",
            identities=(
                Identity(total="cast", parts=("valid", "blank", "invalid")),
                Identity(total="valid", parts=("selections",)),
            ),
            candidate_votes=CandidateVotes.INSIDE,
            labels={"cast": {"en": "votes, blank and invalid ballots added up; not stated by the source"}},
        ),
        areas={area: None},
        units=dict.fromkeys(stations, area),
        source=SOURCE,
        rule=Rule(method="hare", seats=SEATS, law=_LAW, thresholds=(Threshold(share="3/68"),), certainty=_CERTAINTY),
    )


def _selection(option: str, lists: Mapping[str, str], ballot: Iterable[str]) -> Selection:
    """A list, which can fill as many seats as it has candidates (Kieswet, art. P 10), or a candidate as list-candidate."""
    key, _, position = option.partition("-")
    if not position:
        names = {"nl": lists[key], "en": lists[key]}
        candidates = sum(other.startswith(f"{key}-") for other in ballot)
        return Selection(id=f"list-{key}", names=names, colour=_COLOURS[int(key) - 1], list_candidates=candidates)
    name = {"nl": f"{lists[key]}, nummer {position}", "en": f"{lists[key]}, number {position}"}
    return Selection(id=f"list-{option}", names=name, role=Role.CANDIDATE, parent=f"list-{key}")


def _attribution(archive: Archive) -> str:
    return f"Municipality of West Maas en Waal; published by {archive.manifest['source']['repo']}"


def _about(archive: Archive, expect: Mapping[str, Any]) -> About:
    return About(
        name="nl-gr2022-west-maas-en-waal",
        title="Council of West Maas en Waal 2022, by polling station and candidate",
        real=True,
        licence=archive.manifest["licence"],
        source=archive.origin,
        attribution=_attribution(archive),
        notes=_NOTES,
        expect=expect,
    )
