"""Peru's presidential run-off 2021 by tally sheet, from the electoral office's pages at three times."""

from collections.abc import Mapping
from datetime import date
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
    Rule,
    Selection,
    Source,
    UnitKind,
    VoterPool,
)
from tallyroom.recordings.format import About, Manifest
from tallyroom.recordings.nights.common import Archive, Night, Sheet, moment, number, total

ELECTION: Final = "pe-2021-runoff"
CONTEST: Final = "president-runoff"
SOURCE: Final = "onpe"
ROOT: Final = "pe"
_SELECTIONS: Final = ("perulibre", "fuerzapopular")
_MEASURES: Final = {"cast": "cast", "blank": "blank", "null": "null", "challenged": "impugned"}
_PENDING: Final = frozenset(("ACTA ELECTORAL PENDIENTE", "EN PROCESO DE DIGITACION"))
_COUNTED: Final = "CONTABILIZADAS NORMALES"
_ANNULLED: Final = "ACTA ELECTORAL ANULADA"
_NOT_OPENED: Final = "MESA NO INSTALADA"
OBJECTIONS: Final = frozenset(
    (
        "VOTOS IMPUGNADOS",
        "OTRAS OBSERVACIONES",
        "INCOMPLETA",
        "ERROR MATERIAL",
        "ACTA SIN FIRMAS",
        "ILEGIBILIDAD",
        "SOLICITUD DE NULIDAD",
    )
)
"""Status words of sheets that a special jury (JEE) decides about."""
_DISPOSITIONS: Final = {
    _COUNTED: "counted",
    _ANNULLED: "annulled",
    _NOT_OPENED: "not_opened",
    **dict.fromkeys(OBJECTIONS, "held"),
}
_OFFICE: Final = {
    "es": "Oficina Nacional de Procesos Electorales",
    "en": "National Office of Electoral Processes",
}
_NOTES: Final = (
    "Replay of the run-off of 6 June 2021: counts are real, nothing is being counted now.",
    "Sheets were seen at three times only, so a sheet came in at some time before the one shown; the third is the time "
    "of the archive's commit, the download was before it.",
    "Sheets with objections are held, with the source's status word as reason. Where such a sheet's own figures do not "
    "add up or one is missing, its report has no counts, and the figures as written stand in its ext.sheet.",
    "A challenged ballot is measure `challenged` (votos impugnados); valid is the sum of both candidates.",
    "The archive is of 17 June, before the last objections were settled: not the proclaimed result.",
    "Ballots of annulled sheets (44,953, all null) are in no total here, but in the archive's own sums.",
)
_LAW: Final = (
    "Constitución Política del Perú, art. 111 (a run-off between the two with most votes; blank and null do not count)"
)


def convert(archive: Archive, out: Path) -> Manifest:
    """Write the recording into ``out``."""
    night = Night(ELECTION, SOURCE)
    without_counts = 0
    for row in archive.rows("sheet_events.csv.gz"):
        if row["status"] in _PENDING:
            continue
        sheet = _sheet(row, night.newest(CONTEST, row["station_id"]))
        without_counts += sheet.disposition == "held" and not sheet.counts
        night.add(moment(row["observed_at"]), sheet)
    annulled = [sheet.ballots for sheet in night.sheets() if sheet.disposition == "annulled"]
    expect = {
        **night.expect,
        "annulled_ballots": total(annulled),  # golden + these = the archive's sums
        "held_without_counts": without_counts,
    }
    return night.write(out, _definition(archive), _about(archive, expect))


def _sheet(row: Mapping[str, str], before: Sheet | None) -> Sheet:
    """The row as a report; a counted sheet that changes afterwards was corrected."""
    status = row["status"]
    disposition = _DISPOSITIONS[status]
    figures = {name: number(row[name]) for name in (*_SELECTIONS, *_MEASURES.values())}
    corrected = before is not None and before.disposition == "counted"
    counts, ballots = _figures(figures) if disposition != "not_opened" else ({}, {})
    return Sheet(
        contest=CONTEST,
        unit=row["station_id"],
        counts=counts,
        ballots=ballots,
        disposition=disposition,
        kind="correction" if corrected else "counted",
        reason=None if disposition == "counted" else status,
        ext={} if counts or disposition == "not_opened" else {"sheet": figures},
    )


def _figures(figures: Mapping[str, int | None]) -> tuple[dict[str, int], dict[str, int]]:
    """Counts and ballots of a sheet whose figures are complete and add up; nothing of any other."""
    known = {name: value for name, value in figures.items() if value is not None}
    if len(known) < len(figures) or known["cast"] != sum(known.values()) - known["cast"]:
        return {}, {}
    counts = {name: known[name] for name in _SELECTIONS}
    ballots = {measure: known[column] for measure, column in _MEASURES.items()}
    return counts, {**ballots, "valid": sum(counts.values())}


def _definition(archive: Archive) -> Definition:
    areas = tuple(
        Area(id=row["area_id"], level=row["level"], names={"es": row["area_name"]})
        for row in archive.rows("areas.csv.gz")
    )
    parents = {row["area_id"]: row["parent_id"] or None for row in archive.rows("areas.csv.gz")}
    units = [row for row in archive.rows("stations.csv.gz") if row["option"] == _SELECTIONS[0]]
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"es": "Segunda elección presidencial 2021, Perú", "en": "Presidential run-off 2021, Peru"},
        date=date(2021, 6, 6),
        time_zones=("America/Lima",),
        languages=("es", "en"),
        sources=(Source(id=SOURCE, names=_OFFICE, may_report=("report",)),),
        areas=areas,
        units=tuple(_unit(row) for row in units),
        contests=(_contest(parents, {row["station_id"]: row["area_id"] for row in units}),),
        pools=(_pool(archive),),
        attribution={"en": _attribution(archive)},
        notes={"en": " ".join(_NOTES)},
    )


def _pool(archive: Archive) -> VoterPool:
    """The country with its voters abroad: everybody votes at the table that lists them, and nobody is added on the day."""
    names = {"es": "Perú", "en": "Peru"}
    registered = archive.manifest["registered"]
    return VoterPool(id=ROOT, names=names, registered=registered, may_be_added=0, may_vote_away=0)


def _unit(row: Mapping[str, str]) -> ReportingUnit:
    """A voting table (mesa), which makes one sheet; departments from 91 on are continents abroad."""
    return ReportingUnit(
        id=row["station_id"],
        kind=UnitKind.OVERSEAS if row["area_id"].startswith("9") else UnitKind.PRECINCT,
        names={"es": row["polling_place"]} if row["polling_place"] else {},
        registered=number(row["registered"]),
        pool=ROOT,
    )


def _contest(parents: Mapping[str, str | None], units: Mapping[str, str]) -> Contest:
    return Contest(
        id=CONTEST,
        names={"es": "Presidente de la República", "en": "President of the Republic"},
        selections=(
            _candidate("perulibre", "Pedro Castillo (Perú Libre)", "#c8102e"),
            _candidate("fuerzapopular", "Keiko Fujimori (Fuerza Popular)", "#f58220"),
        ),
        accounting=Accounting(
            measures=("cast", "valid", "blank", "null", "challenged"),
            cast="cast",
            identities=(
                Identity(total="cast", parts=("valid", "blank", "null", "challenged")),
                Identity(total="valid", parts=("selections",)),
            ),
            labels={"challenged": {"es": "votos impugnados", "en": "challenged ballots"}},
        ),
        areas=parents,
        units=units,
        source=SOURCE,
        rule=Rule(method="plurality", seats=1, law=_LAW, certainty="law cited from memory"),
        round=2,
    )


def _candidate(identifier: str, name: str, colour: str) -> Selection:
    return Selection(id=identifier, names={"es": name, "en": name}, role=Role.CANDIDATE, colour=colour)


def _attribution(archive: Archive) -> str:
    return f"Oficina Nacional de Procesos Electorales; archived by {archive.manifest['source']['repo']}"


def _about(archive: Archive, expect: Mapping[str, Any]) -> About:
    return About(
        name="pe-2021-runoff",
        title="Peru, presidential run-off 2021, by tally sheet",
        real=True,
        licence=archive.manifest["licence"],
        source=archive.origin,
        attribution=_attribution(archive),
        notes=_NOTES,
        expect=expect,
    )
