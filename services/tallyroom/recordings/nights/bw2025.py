"""German federal election 2025 in Baden-Württemberg, by municipality, from the statistical office's files.

Second votes and first votes of the state as one contest each, and the first votes of each of the 38 constituencies as a contest of
its own, with the municipalities that lie in it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    Names,
    ReportingUnit,
    Role,
    Rule,
    Scope,
    Selection,
    Source,
    UnitKind,
    VoterPool,
)
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.format import About, Manifest
from tallyroom.recordings.nights.bw2025_constituencies import CONSTITUENCIES, SPLIT, constituency_of
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
_OFFICE: Final = {
    "de": "Statistisches Landesamt Baden-Württemberg",
    "en": "Statistical Office of Baden-Württemberg",
}
_NOTES: Final = (
    "Replay of the night of 23 February 2025: counts and times are real, nothing is being counted now.",
    "Part of an electorate: seats and the threshold are decided nationwide, so none are shown.",
    "Each of the 38 constituencies is a contest of its own, won by plurality. Since 2023 a winner is elected only if the "
    "party's second votes in the state cover the seat, which is not shown.",
    "The source does not say which municipality lies in which constituency: derived from its figures, which fit exactly. "
    "Candidates have the names of their parties, as in the source.",
    "Voters registered are as the source first gave them with each result, which is after the polls closed.",
    "A time is when the file was fetched; a municipality appears once its result is complete.",
    "Stuttgart is one municipality in two constituencies: its two parts there are units of their own.",
    "Three postal pseudo-units count several municipalities' postal votes and have no roll; municipalities that count "
    "their neighbours' postal votes exceed their own roll.",
    "546 figures of 221 municipalities fell in the final file of 13 March; the source gives no reason.",
    "Votes cast with a polling card are part of the source and left out here.",
)

_ENGLISH: Final = {
    "GRÜNE": "Greens",
    "Die Linke": "The Left",
    "FREIE WÄHLER": "Free Voters",
    "Tierschutzpartei": "Animal Protection Party",
    "Die PARTEI": "The PARTY",
    "BÜNDNIS DEUTSCHLAND": "Alliance Germany",
    "Bündnis C": "Alliance C",
    "Parteilos": "Independents",
}
"""Where a party's name is said in English; the others keep their own."""
_LAW: Final = (
    "Bundeswahlgesetz § 5 (most first votes in the constituency), § 6 (1) (elected only if second votes cover it)"
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
    constituencies = _constituencies(archive)
    for (time, unit), rows in _changes(archive):
        figures = current.setdefault(unit, {})
        names.setdefault(unit, rows[0]["area_name"])
        for row in rows:
            place, value = (row["contest"], row["option"]), int(row["votes"])
            if value < figures.get(place, 0):
                fell[unit] = fell.get(unit, 0) + 1
            figures[place] = value
        night.registers.setdefault(unit, figures.get(("", "registered")))
        for contest, kind, options in _contests_of(unit, constituencies):
            night.add(moment(time), _sheet(contest, unit, _Reading(kind, options, figures), night))
    _compare(current, constituencies)
    municipalities = [unit for unit in fell if unit in names and unit not in SPLIT.values()]
    expect = {
        **night.expect,
        # rows of the source's municipalities, where cast and registered stand once for all contests
        "decreases": sum(fell[unit] for unit in municipalities),
        "decreases_units": len(municipalities),
        "decreases_tabulated": night.decreases,  # figures of the reports: every contest carries cast and registered
    }
    ballots = {number: _options(figures) for number, figures in constituencies.items()}
    return night.write(out, _definition(archive, names, night.registers, ballots), _about(archive, expect))


def constituency_contest(number: str) -> str:
    """Id of a constituency's contest, and of its area and voter pool."""
    return f"constituency-{number}"


def _changes(archive: Archive) -> Iterator[tuple[tuple[str, str], list[Row]]]:
    """Changed values by (time, unit), by time, in the order of the file: municipalities, then the two parts of Stuttgart."""
    rows = [
        row if row["level"] == "municipality" else {**row, "area_id": SPLIT[row["area_id"]]}
        for row in archive.rows("events.csv.gz")
        if row["area_id"] != _STATEWIDE_ROW and (row["level"] == "municipality" or row["area_id"] in SPLIT)
    ]
    rows.sort(key=lambda row: row["observed_at"])
    for key, group in groupby(rows, key=lambda row: (row["observed_at"], row["area_id"])):
        yield key, list(group)


def _constituencies(archive: Archive) -> dict[str, Figures]:
    """The newest figures of every constituency, as the source's own file of constituencies has them."""
    found: dict[str, Figures] = {number: {} for number in CONSTITUENCIES}
    for row in archive.rows("events.csv.gz"):
        if row["level"] == "constituency" and row["area_id"] != _STATEWIDE_ROW:
            found[row["area_id"]][row["contest"], row["option"]] = int(row["votes"])
    return found


def _options(figures: Figures) -> tuple[str, ...]:
    """Who stands in a constituency: the source has a value for those and for nobody else."""
    return tuple(option for option in FIRST if ("first", option) in figures)


def _contests_of(unit: str, constituencies: Mapping[str, Figures]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(contest, kind of vote, options) of everything that a unit's figures are reported in."""
    if unit not in SPLIT.values():
        for kind, options in _CONTESTS.items():
            yield kind, kind, options
    number = _number(unit)
    if number is not None:
        yield constituency_contest(number), "first", _options(constituencies[number])


def _number(unit: str) -> str | None:
    """The constituency that all voters of a unit belong to; None for Stuttgart as a whole."""
    parts = {part: number for number, part in SPLIT.items()}
    return parts.get(unit) or constituency_of(unit)


def _compare(current: Mapping[str, Figures], constituencies: Mapping[str, Figures]) -> None:
    """Raises RecordingError where the municipalities of a constituency do not add up to what the source says of it."""
    sums: dict[str, Figures] = {number: {} for number in constituencies}
    for unit, figures in current.items():
        number = _number(unit)
        if number is not None:
            for place, value in figures.items():
                sums[number][place] = sums[number].get(place, 0) + value
    for number, figures in constituencies.items():
        if any(sums[number].get(place, 0) != figures.get(place, 0) for place in {*figures, *sums[number]}):
            raise RecordingError(
                f"The municipalities assigned to constituency {number} do not add up to its own figures.",
                "take the archive that the importer was made for",
            )


class _Reading(NamedTuple):
    """What of a unit's figures is reported in a contest."""

    kind: str
    options: tuple[str, ...]
    figures: Figures


def _sheet(contest: str, unit: str, reading: _Reading, night: Night) -> Sheet:
    """The contest's row of a unit; a party without a candidate there has no value and 0 votes.

    The definition states the first register that the source gave, a sheet another one wherever the row has it.
    """
    kind, options, figures = reading
    registered = figures.get(("", "registered"))
    return Sheet(
        contest=contest,
        unit=unit,
        counts={PARTIES[option][0]: figures.get((kind, option), 0) for option in options},
        ballots={
            "cast": figures["", "cast"],
            "valid": figures[kind, "valid"],
            "invalid": figures.get((kind, "invalid"), 0),
        },
        kind="counted" if night.newest(contest, unit) is None else "correction",
        registered=None if registered == night.registers[unit] else registered,
    )


def _definition(
    archive: Archive,
    names: Mapping[str, str],
    registers: Mapping[str, int | None],
    ballots: Mapping[str, tuple[str, ...]],
) -> Definition:
    units = sorted(names)
    municipalities = [unit for unit in units if unit not in SPLIT.values()]
    districts = sorted({unit[:5] for unit in municipalities})
    within = {number: [unit for unit in units if _number(unit) == number] for number in CONSTITUENCIES}
    state_areas = ({STATE: None, **dict.fromkeys(districts, STATE)}, {unit: unit[:5] for unit in municipalities})
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"de": "Bundestagswahl 2025, Baden-Württemberg", "en": "Bundestag election 2025, Baden-Württemberg"},
        date=date(2025, 2, 23),
        time_zones=("Europe/Berlin",),
        languages=("de", "en"),
        sources=(Source(id=SOURCE, names=_OFFICE, may_report=("report",)),),
        areas=(
            Area(id=STATE, level="state", names=_both("Baden-Württemberg"), codes={"iso_3166_2": "DE-BW"}),
            *(Area(id=key, level="district", names=_both(DISTRICTS[key]), codes={"ags": key}) for key in districts),
            *(_constituency_area(number) for number in CONSTITUENCIES),
        ),
        units=tuple(_unit(unit, names[unit], registers[unit]) for unit in units),
        contests=(
            *(_contest(kind, _NAMES[kind], _CONTESTS[kind], state_areas) for kind in _CONTESTS),
            *(_constituency(number, ballots[number], within[number]) for number in CONSTITUENCIES),
        ),
        pools=tuple(_pool(number, within[number], registers) for number in CONSTITUENCIES),
        scope=Scope.PART,
        attribution={"en": _attribution(archive)},
        notes={"en": " ".join(_NOTES)},
    )


def _both(name: str) -> dict[str, str]:
    """A proper name, which is the same in both languages."""
    return {"de": name, "en": name}


def _constituency_area(number: str) -> Area:
    return Area(
        id=constituency_contest(number),
        level="constituency",
        names=_constituency_names(number),
        codes={"constituency": number},
    )


def _constituency_names(number: str) -> dict[str, str]:
    name = CONSTITUENCIES[number]
    return {"de": f"Wahlkreis {number} {name}", "en": f"Constituency {number} {name}"}


def _pool(number: str, units: list[str], registers: Mapping[str, int | None]) -> VoterPool:
    """A constituency, which no voter can leave (Bundeswahlgesetz § 14): nobody may be added to the register, as it is the source's
    first one, which came with the results and holds those who were added on the day.
    """
    return VoterPool(
        id=constituency_contest(number),
        names=_constituency_names(number),
        registered=sum(registers[unit] or 0 for unit in units),
        may_be_added=0,
    )


def _unit(key: str, name: str, registered: int | None) -> ReportingUnit:
    """A municipality; the source writes the comma in its name as a hyphen."""
    number = _number(key)
    return ReportingUnit(
        id=key,
        kind=UnitKind.POSTAL if registered is None else UnitKind.PRECINCT,
        names={"de": re.sub(r"(?<=\S)- ", ", ", name)},
        registered=registered,
        pool=None if number is None else constituency_contest(number),
    )


def _constituency(number: str, options: tuple[str, ...], units: list[str]) -> Contest:
    contest = constituency_contest(number)
    rule = Rule(method="plurality", seats=1, law=_LAW, certainty="law cited from memory")
    made = _contest(contest, _constituency_names(number), options, ({contest: None}, dict.fromkeys(units, contest)))
    return replace(made, rule=rule, labels=("municipalities-derived", "winner-may-not-be-elected"))


def _contest(
    contest: str, names: Names, options: tuple[str, ...], places: tuple[Mapping[str, str | None], Mapping[str, str]]
) -> Contest:
    """``places``: the contest's area tree, and the area of each of its units."""
    areas, units = places
    return Contest(
        id=contest,
        names=names,
        selections=tuple(_selection(option) for option in options),
        accounting=Accounting(
            measures=("cast", "valid", "invalid"),
            cast="cast",
            identities=(
                Identity(total="cast", parts=("valid", "invalid")),
                Identity(total="valid", parts=("selections",)),
            ),
        ),
        areas=areas,
        units=units,
        source=SOURCE,
    )


def _selection(option: str) -> Selection:
    identifier, colour = PARTIES[option]
    roles = {"parteilos": Role.OTHER, "volkmar-raidt": Role.CANDIDATE}
    names = {"de": option, "en": _ENGLISH.get(option, option)}
    return Selection(id=identifier, names=names, role=roles.get(identifier, Role.PARTY), colour=colour)


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
