"""House of Representatives of the Netherlands 2023: every municipality, Rotterdam by polling station."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tallyroom.domain.election import (
    Accounting,
    Area,
    Body,
    Contest,
    Definition,
    Environment,
    Identity,
    Majority,
    ReportingUnit,
    Rule,
    Selection,
    Source,
    Threshold,
    VoterPool,
)
from tallyroom.recordings.format import About, Manifest
from tallyroom.recordings.nights.common import Archive, Night, Sheet, made_up_arrivals, number

ELECTION: Final = "nl-tk2023"
CONTEST: Final = "tk2023"
SOURCE: Final = "kiesraad"
SEATS: Final = 150
SEED: Final = 20231122
_START: Final = datetime(2023, 11, 22, 20, 15, tzinfo=UTC)  # a quarter of an hour after the polls closed
_LENGTH: Final = timedelta(hours=7)
_POOL: Final = "nl"  # with a voter's pass one may vote anywhere in the country
OFFICIAL_SEATS: Final = {
    "list-4": 37,
    "list-3": 25,
    "list-1": 24,
    "list-19": 20,
    "list-2": 9,
    "list-15": 7,
    "list-5": 5,
    "list-6": 5,
    "list-7": 3,
    "list-8": 3,
    "list-12": 3,
    "list-9": 3,
    "list-13": 3,
    "list-10": 2,
    "list-11": 1,
}
"""Seats as declared, from memory; the archive's counts give the same."""
_MEASURES: Final = {
    "cast": "aangetroffen stembiljetten",
    "valid": "geldige stembiljetten",
    "blank": "blanco stembiljetten",
    "invalid": "ongeldige stembiljetten",
}
_COLOURS: Final = (
    "#f58220", "#00a54f", "#c8102e", "#2b4c7e", "#007b5f", "#e3000f", "#841818", "#006b2d", "#00a7eb", "#582c83",
    "#242b57", "#e95d0f", "#00b3b0", "#92278f", "#94c11f", "#ffd500", "#6a6a6a", "#c5a253", "#f2c500", "#b35cb0",
    "#5f8f8f", "#8c6d46", "#4f7fa0", "#a05f7f", "#7f9f4f", "#6f6f9f",
)  # fmt: skip
_NOTES: Final = (
    "Replay of the night of 22 November 2023: counts are real, nothing is being counted now.",
    f"The source has no reporting times: every arrival is made up (seed {SEED}) and marked in ext.arrival.",
    "Electoral district 20 (Bonaire) is not in the archive, which has 73,276 valid votes fewer than the official "
    "result; the seats come out the same.",
    "Rotterdam is shown by polling station, every other municipality is one unit. A voter may vote at any station of "
    "the municipality, so 37 stations counted more ballots than their roll has voters: a warning, no error.",
    "A list that did not stand in an electoral district has 0 votes there.",
    "The source does not say how many candidates a list has, so no list's seats are capped (Kieswet, art. P 10).",
)
_LAW: Final = (
    "Kieswet, art. P 5 (quota: valid votes by 150), P 6 and P 7 (whole quotas, the rest by largest averages among lists with at "
    "least one quota, which together is D'Hondt with a threshold of 1/150), P 10 (a list that runs out of candidates)"
)
_ENGLISH: Final = {
    "3": "GreenLeft / Labour Party (PvdA)",
    "4": "PVV (Party for Freedom)",
    "6": "SP (Socialist Party)",
    "7": "Forum for Democracy",
    "8": "Party for the Animals",
    "9": "Christian Union",
    "12": "Reformed Political Party (SGP)",
    "17": "Pirate Party - The Greens",
    "18": "BVNL / Van Haga Group",
    "19": "New Social Contract",
    "21": "LP (Libertarian Party)",
    "22": "LEF - For the New Generation",
    "23": "Together for the Netherlands",
    "24": "The Netherlands with a PLAN",
    "25": "Party of Sport",
    "26": "Political Party for Basic Income",
}
"""Where a list's name is said in English; the others keep their own."""


@dataclass(slots=True)
class _Station:
    """A station or municipality with its figures by option."""

    name: str
    area: str
    registered: int | None
    figures: dict[str, int] = field(default_factory=dict)


def convert(archive: Archive, out: Path) -> Manifest:
    """Write the recording into ``out``."""
    stations: dict[str, _Station] = {}
    for row in archive.rows("stations.csv.gz"):
        station = stations.setdefault(
            row["station_id"], _Station(row["station_name"], row["area_id"], number(row["registered"]))
        )
        station.figures[row["option"]] = int(row["votes"])
    lists = {key: name for key, name in archive.manifest["options"].items() if key.isdigit()}
    night = Night(ELECTION, SOURCE)
    weights = {unit: station.figures[_MEASURES["cast"]] for unit, station in stations.items()}
    for unit, at in made_up_arrivals(weights, _START, _LENGTH, SEED).items():
        night.add(at, _sheet(unit, stations[unit].figures, lists))
    over = sum(weights[unit] > (station.registered or 0) for unit, station in stations.items())
    expect = {**night.expect, "cast_over_registered": over, "seats": OFFICIAL_SEATS}
    return night.write(out, _definition(archive, stations, lists), _about(archive, expect))


def _sheet(unit: str, figures: Mapping[str, int], lists: Mapping[str, str]) -> Sheet:
    return Sheet(
        contest=CONTEST,
        unit=unit,
        counts={f"list-{key}": figures.get(key, 0) for key in lists},
        ballots={measure: figures[name] for measure, name in _MEASURES.items()},
        ext={"arrival": "synthetic"},
    )


def _definition(archive: Archive, stations: Mapping[str, _Station], lists: Mapping[str, str]) -> Definition:
    places = list(archive.rows("areas.csv.gz"))
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"nl": "Tweede Kamerverkiezing 2023", "en": "House of Representatives 2023, the Netherlands"},
        date=date(2023, 11, 22),
        time_zones=("Europe/Amsterdam",),
        languages=("nl", "en"),
        sources=(Source(id=SOURCE, names={"nl": "Kiesraad", "en": "Electoral Council"}, may_report=("report",)),),
        areas=tuple(
            Area(id=row["area_id"], level=row["level"].replace(" ", "_"), names=_place(row["area_name"]))
            for row in places
        ),
        units=tuple(
            ReportingUnit(id=unit, names={"nl": station.name}, registered=station.registered, pool=_POOL)
            for unit, station in stations.items()
        ),
        contests=(
            _contest(
                {row["area_id"]: row["parent_id"] or None for row in places},
                {unit: station.area for unit, station in stations.items()},
                lists,
            ),
        ),
        pools=(
            VoterPool(id=_POOL, names=_place("Nederland"), registered=archive.manifest["registered"], may_be_added=0),
        ),
        bodies=(
            Body(
                id="tweede-kamer",
                names={"nl": "Tweede Kamer", "en": "House of Representatives"},
                seats=SEATS,
                contests=(CONTEST,),
                majorities=(Majority(seats=76, names={"nl": "meerderheid", "en": "majority"}),),
            ),
        ),
        attribution={"en": _attribution(archive)},
        notes={"en": " ".join(_NOTES)},
    )


def _place(name: str) -> dict[str, str]:
    english = {"Nederland": "the Netherlands"}
    return {"nl": name, "en": english.get(name, re.sub("^Gemeente ", "Municipality of ", name))}


def _contest(areas: Mapping[str, str | None], units: Mapping[str, str], lists: Mapping[str, str]) -> Contest:
    return Contest(
        id=CONTEST,
        names={"nl": "Tweede Kamer", "en": "House of Representatives"},
        selections=tuple(
            Selection(id=f"list-{key}", names={"nl": name, "en": _ENGLISH.get(key, name)}, colour=colour)
            for (key, name), colour in zip(lists.items(), _COLOURS, strict=True)
        ),
        accounting=Accounting(
            measures=tuple(_MEASURES),
            cast="cast",
            identities=(
                Identity(total="cast", parts=("valid", "blank", "invalid")),
                Identity(total="valid", parts=("selections",)),
            ),
            labels={"cast": {"nl": "aangetroffen stembiljetten", "en": "ballots found in the box"}},
        ),
        areas=areas,
        units=units,
        source=SOURCE,
        rule=Rule(
            method="dhondt",
            seats=SEATS,
            law=_LAW,
            thresholds=(Threshold(share=f"1/{SEATS}"),),
            certainty="law cited from memory; seats equal the official ones",
        ),
    )


def _attribution(archive: Archive) -> str:
    return f"Kiesraad and municipalities of the Netherlands; archived by {archive.manifest['source']['repo']}"


def _about(archive: Archive, expect: Mapping[str, Any]) -> About:
    return About(
        name="nl-tk2023",
        title="House of Representatives of the Netherlands 2023, by municipality and Rotterdam station",
        real=True,
        licence=archive.manifest["licence"],
        source=archive.origin,
        attribution=_attribution(archive),
        notes=_NOTES,
        expect=expect,
    )
