"""German federal election 2025 in Baden-Württemberg, by municipality, from the statistical office's files."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    ReportingUnit,
    Role,
    Scope,
    Selection,
    Source,
    UnitKind,
)
from tallyroom.recordings.format import About, Manifest
from tallyroom.recordings.nights.bw2025_names import DISTRICTS, FIRST, PARTIES, SECOND
from tallyroom.recordings.nights.common import Archive, Night, Sheet, moment

ELECTION: Final = "de-bw-2025"
SOURCE: Final = "statistik-bw"
STATE: Final = "08"  # the state's digits in the official municipality key (AGS)
_STATEWIDE_ROW: Final = "BW"  # stands among the municipalities: with it every total would double
_CONTESTS: Final = {"first": FIRST, "second": SECOND}
_NAMES: Final = {
    "first": {"en": "First votes (constituency candidates)", "de": "Erststimmen"},
    "second": {"en": "Second votes (party lists)", "de": "Zweitstimmen"},
}
_NOTES: Final = (
    "Replay of the night of 23 February 2025: counts and times are real, nothing is being counted now.",
    "Part of an electorate: seats and the threshold are decided nationwide, so none are shown.",
    "A time is when the file was fetched; a municipality appears once its result is complete.",
    "Stuttgart is one row for two constituencies, so first votes are totalled by district and state only.",
    "Three postal pseudo-units count several municipalities' postal votes and have no roll; municipalities that count "
    "their neighbours' postal votes exceed their own roll.",
    "546 figures of 221 municipalities fell in the final file of 13 March; the source gives no reason.",
    "Votes cast with a polling card are part of the source and left out here.",
)

Row = dict[str, str]
Figures = dict[tuple[str, str], int]
"""(contest or "", option) -> number, of one municipality."""


def convert(archive: Archive, out: Path) -> Manifest:
    """Write the recording into ``out``."""
    night = Night(ELECTION, SOURCE)
    names: dict[str, str] = {}
    current: dict[str, Figures] = {}
    fell: dict[str, int] = {}
    for (time, unit), rows in _changes(archive):
        figures = current.setdefault(unit, {})
        names.setdefault(unit, rows[0]["area_name"])
        for row in rows:
            place, value = (row["contest"], row["option"]), int(row["votes"])
            if value < figures.get(place, 0):
                fell[unit] = fell.get(unit, 0) + 1
            figures[place] = value
        night.registers.setdefault(unit, figures.get(("", "registered")))
        for contest in _CONTESTS:
            night.add(moment(time), _sheet(contest, unit, figures, night))
    expect = {
        **night.expect,
        "decreases": sum(fell.values()),  # rows of the source, where cast and registered stand once for both contests
        "decreases_units": len(fell),
        "decreases_tabulated": night.decreases,  # figures of the reports: both contests carry cast and registered
    }
    return night.write(out, _definition(archive, names, night.registers), _about(archive, expect))


def _changes(archive: Archive) -> Iterator[tuple[tuple[str, str], list[Row]]]:
    """Changed values by (time, municipality), in the order of the file."""
    rows = (
        row
        for row in archive.rows("events.csv.gz")
        if row["level"] == "municipality" and row["area_id"] != _STATEWIDE_ROW
    )
    for key, group in groupby(rows, key=lambda row: (row["observed_at"], row["area_id"])):
        yield key, list(group)


def _sheet(contest: str, unit: str, figures: Figures, night: Night) -> Sheet:
    """The contest's row of a municipality; a party without a candidate there has no value and 0 votes.

    The definition states the first register that the source gave, a sheet another one wherever the row has it.
    """
    registered = figures.get(("", "registered"))
    return Sheet(
        contest=contest,
        unit=unit,
        counts={PARTIES[option][0]: figures.get((contest, option), 0) for option in _CONTESTS[contest]},
        ballots={
            "cast": figures["", "cast"],
            "valid": figures[contest, "valid"],
            "invalid": figures.get((contest, "invalid"), 0),
        },
        kind="counted" if night.newest(contest, unit) is None else "correction",
        registered=None if registered == night.registers[unit] else registered,
    )


def _definition(archive: Archive, names: Mapping[str, str], registers: Mapping[str, int | None]) -> Definition:
    units = sorted(names)
    districts = sorted({unit[:5] for unit in units})
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"en": "Bundestag election 2025, Baden-Württemberg", "de": "Bundestagswahl 2025, Baden-Württemberg"},
        date=date(2025, 2, 23),
        time_zones=("Europe/Berlin",),
        languages=("de", "en"),
        sources=(Source(id=SOURCE, names={"de": "Statistisches Landesamt Baden-Württemberg"}, may_report=("report",)),),
        areas=(
            Area(id=STATE, level="state", names={"de": "Baden-Württemberg"}, codes={"iso_3166_2": "DE-BW"}),
            *(Area(id=key, level="district", names={"de": DISTRICTS[key]}, codes={"ags": key}) for key in districts),
        ),
        units=tuple(_unit(unit, names[unit], registers[unit]) for unit in units),
        contests=tuple(_contest(contest, units, districts) for contest in _CONTESTS),
        scope=Scope.PART,
        attribution={"en": _attribution(archive)},
        notes={"en": " ".join(_NOTES)},
    )


def _unit(key: str, name: str, registered: int | None) -> ReportingUnit:
    """A municipality; the source writes the comma in its name as a hyphen."""
    return ReportingUnit(
        id=key,
        kind=UnitKind.POSTAL if registered is None else UnitKind.PRECINCT,
        names={"de": re.sub(r"(?<=\S)- ", ", ", name)},
        registered=registered,
    )


def _contest(contest: str, units: list[str], districts: list[str]) -> Contest:
    return Contest(
        id=contest,
        names=_NAMES[contest],
        selections=tuple(_selection(option) for option in _CONTESTS[contest]),
        accounting=Accounting(
            measures=("cast", "valid", "invalid"),
            cast="cast",
            identities=(
                Identity(total="cast", parts=("valid", "invalid")),
                Identity(total="valid", parts=("selections",)),
            ),
        ),
        areas={STATE: None, **dict.fromkeys(districts, STATE)},
        units={unit: unit[:5] for unit in units},
        source=SOURCE,
    )


def _selection(option: str) -> Selection:
    identifier, colour = PARTIES[option]
    roles = {"parteilos": Role.OTHER, "volkmar-raidt": Role.CANDIDATE}
    return Selection(id=identifier, names={"de": option}, role=roles.get(identifier, Role.PARTY), colour=colour)


def _attribution(archive: Archive) -> str:
    return f"Statistisches Landesamt Baden-Württemberg; archived by {archive.manifest['source']['repo']}"


def _about(archive: Archive, expect: Mapping[str, Any]) -> About:
    return About(
        name="bw-2025",
        title="Bundestag election 2025 in Baden-Württemberg, by municipality",
        real=True,
        licence=archive.manifest["licence"],
        source=archive.origin,
        attribution=_attribution(archive),
        notes=_NOTES,
        expect=expect,
    )
