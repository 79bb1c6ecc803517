"""The stage on which incidents are played again: one night in which every incident is a contest with units of its own."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    PreviousCounts,
    PreviousResult,
    ReportingUnit,
    Selection,
    Severity,
    Source,
)
from tallyroom.domain.plausibility import Plausibility
from tallyroom.recordings.format import About, TimedEvent

ELECTION: Final = "incidents"
NIGHT: Final = datetime(2031, 10, 5, 18, tzinfo=UTC)
AREAS: Final = {"land": None, "north": "land", "south": "land"}
EVERYTHING: Final = ("report", "amendment", "participation", "control", "estimate", "declaration", "desk")
_TIES: Final = (Identity(total="cast", parts=("valid", "invalid")), Identity(total="valid", parts=("selections",)))

Contested = Mapping[str, Any]
"""A contest as the snapshot shows it."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """An event or bytes that are none, so many minutes after the incident began."""

    value: Mapping[str, Any] | bytes
    after: int = 0
    key: bytes | None = None


def nothing_else(_: Contested) -> None:
    """No further demand on the contest."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """``verdict``: what becomes of the faulty figures. ``refused``: codes in the order of the log. ``flags``: (code, unit or area).

    ``counts``: the contest's totals afterwards; ``check``: what else must be true of it in the snapshot.
    """

    name: str
    verdict: Literal["accepted", "quarantined", "alarm"]
    units: Mapping[str, int | None]
    steps: Sequence[Step]
    counts: Mapping[str, int]
    refused: tuple[str, ...] = ()
    flags: frozenset[tuple[str, str]] = frozenset()
    check: Callable[[Contested], None] = nothing_else
    selections: tuple[str, ...] = ("a", "b", "c", "d")
    groups: tuple[str, ...] = ()
    strict: bool = False  # more ballots than voters is an error
    plausibility: Plausibility | None = None
    previous: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def contest(self) -> Contest:
        """The contest: its first half of units in the north, the rest in the south."""
        half = (len(self.units) + 1) // 2
        places = {unit: "north" if at < half else "south" for at, unit in enumerate(self.units)}
        before = PreviousResult(names={}, units={u: PreviousCounts(counts=c) for u, c in self.previous.items()})
        return Contest(
            id=self.name,
            names={"en": self.name},
            selections=tuple(Selection(id=name, names={"en": name}) for name in self.selections),
            accounting=Accounting(
                measures=("cast", "valid", "invalid"),
                cast="cast",
                identities=_TIES,
                cast_over_registered=Severity.ERROR if self.strict else Severity.WARNING,
            ),
            areas=AREAS,
            units=places,
            source="board",
            count_groups=self.groups,
            plausibility=self.plausibility,
            previous=before if self.previous else None,
        )


def report(unit: str, votes: Sequence[int], version: int = 1, invalid: int = 0, **more: Any) -> dict[str, Any]:
    """A report that adds up; ``more`` replaces or adds fields. The contest's id and selections are filled in by `events`."""
    valid = sum(votes)
    ballots = {"cast": valid + invalid, "valid": valid, "invalid": invalid}
    return {"type": "report", "unit": unit, "version": version, "votes": list(votes), "ballots": ballots, **more}


def steps(*values: Mapping[str, Any] | bytes) -> tuple[Step, ...]:
    """The events right after each other."""
    return tuple(Step(value=value) for value in values)


def completed(incident: Incident, value: Mapping[str, Any], number: int, at: datetime) -> dict[str, Any]:
    """The event with everything that need not be said in a catalogue."""
    made = dict(value)
    if "votes" in made:
        votes = made.pop("votes")
        made.setdefault("counts", dict(zip(incident.selections, votes, strict=True)))
    known = {
        "id": f"{incident.name}-{number}",
        "election": ELECTION,
        "environment": "test",
        "source": "board",
        "reported_at": at.isoformat(),
        "contest": incident.name,
    }
    return {name: value for name, value in {**known, **made}.items() if value is not ...}  # ...: left out


def events(incident: Incident, begin: datetime) -> list[TimedEvent]:
    """The incident's events as they arrive."""
    found = []
    for number, step in enumerate(incident.steps):
        at = begin + timedelta(minutes=step.after)
        value = step.value
        if not isinstance(value, bytes):
            value = json.dumps(completed(incident, value, number, at)).encode()
        every = b'"type": "amendment"' in value
        found.append(TimedEvent(at, value, step.key, every_partition=every))
    return found


def definition(incidents: Iterable[Incident]) -> Definition:
    """The election of all incidents."""
    listed = tuple(incidents)
    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"en": "Incidents of real nights"},
        date=date(2031, 10, 5),
        time_zones=("UTC",),
        languages=("en",),
        sources=(
            Source(id="board", names={"en": "Election board"}, may_report=EVERYTHING),
            Source(id="press", names={"en": "Press agency"}, may_report=("report", "estimate")),
        ),
        areas=tuple(Area(id=area, level="region" if above else "country", names={}) for area, above in AREAS.items()),
        units=tuple(ReportingUnit(id=u, registered=r) for item in listed for u, r in item.units.items()),
        contests=tuple(item.contest() for item in listed),
        release_at=NIGHT - timedelta(hours=1),
    )


ABOUT: Final = About(name=ELECTION, title="Incidents of real nights", real=False, licence="CC0-1.0")


def renamed(incident: Incident) -> Incident:
    """The incident with its name before its units' ids, so that no two incidents share a unit."""

    def of(unit: Any) -> Any:
        return f"{incident.name}/{unit}" if unit in incident.units else unit

    def step(item: Step) -> Step:
        if isinstance(item.value, bytes):
            return item
        return replace(item, value={name: of(v) if name == "unit" else v for name, v in item.value.items()})

    return replace(
        incident,
        units={of(unit): registered for unit, registered in incident.units.items()},
        steps=tuple(step(item) for item in incident.steps),
        flags=frozenset((code, of(place)) for code, place in incident.flags),
        previous={of(unit): counts for unit, counts in incident.previous.items()},
    )
