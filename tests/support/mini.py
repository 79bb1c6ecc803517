"""A small vote of two contests, one of them by count groups and with candidates inside lists, for tests of recordings."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tallyroom.codec.definition import chain_hash, definition_hash
from tallyroom.codec.events import Amendment, Change, Report, encode_event
from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    ReportingUnit,
    Role,
    Selection,
    Severity,
    Source,
)
from tallyroom.recordings.format import About, TimedEvent

NOON = datetime(2024, 5, 5, 12, tzinfo=UTC)
ABOUT = About(
    name="mini", title="A small vote", real=False, licence="CC0-1.0", attribution="nobody", notes=("Made up.",)
)

SUMS = (Identity(total="cast", parts=("valid", "invalid")), Identity(total="valid", parts=("selections",)))
LISTS = (
    Selection(id="list", names={}),
    Selection(id="list-1", names={}, role=Role.CANDIDATE, parent="list"),
    Selection(id="list-2", names={}, role=Role.CANDIDATE, parent="list"),
    Selection(id="rest", names={}, role=Role.OTHER),
)
AREAS = {"town": None, "north": "town", "south": "town"}
MINI = Definition(
    election="mini",
    environment=Environment.TEST,
    names={"en": "A small vote"},
    date=date(2024, 5, 5),
    time_zones=("UTC",),
    languages=("en",),
    sources=(Source(id="hall", names={}, may_report=("report",)), Source(id="other", names={}, may_report=("report",))),
    areas=tuple(Area(id=area, level="x", names={}) for area in AREAS),
    units=(ReportingUnit(id="a", registered=50), ReportingUnit(id="b", registered=40), ReportingUnit(id="c")),
    contests=(
        Contest(
            id="mayor",
            names={},
            selections=(Selection(id="x", names={}), Selection(id="y", names={})),
            accounting=Accounting(
                measures=("cast", "valid", "invalid"),
                cast="cast",
                identities=SUMS,
                cast_over_registered=Severity.ERROR,
            ),
            areas=AREAS,
            units={"a": "north", "b": "north", "c": "south"},
            source="hall",
        ),
        Contest(
            id="council",
            names={},
            selections=LISTS,
            accounting=Accounting(
                measures=("cast",),
                cast="cast",
                identities=(Identity(total="cast", parts=("selections",)),),
                marks_per_ballot=2,
            ),
            areas=AREAS,
            units={"a": "north", "c": "south"},
            source="hall",
            unit_sources={"c": "other"},
            count_groups=("day", "post"),
        ),
    ),
)


def report(unit: str = "a", version: int = 1, x: int = 3, y: int = 4, **more: Any) -> Report:
    """A sound report of contest mayor."""
    return Report(
        id=f"{unit}/{version}",
        election="mini",
        environment="test",
        source="hall",
        reported_at=NOON,
        contest="mayor",
        unit=unit,
        version=version,
        counts={"x": x, "y": y},
        ballots={"cast": x + y + 1, "valid": x + y, "invalid": 1},
        **more,
    )


def timed(values: Sequence[bytes]) -> list[TimedEvent]:
    """The values a second apart."""
    return [TimedEvent(NOON + timedelta(seconds=n), value) for n, value in enumerate(values)]


def chained(*changes: Sequence[Change]) -> list[bytes]:
    """Amendments that continue MINI's chain, one for each sequence of changes."""
    chain, values = definition_hash(MINI), []
    for number, change in enumerate(changes):
        amendment = Amendment(
            id=f"amendment-{number}",
            election="mini",
            environment="test",
            source="hall",
            reported_at=NOON,
            previous=chain,
            changes=tuple(change),
        )
        values.append(encode_event(amendment))
        chain = chain_hash(chain, values[-1])
    return values
