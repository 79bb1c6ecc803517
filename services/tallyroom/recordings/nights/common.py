"""What all importers share: reading an archive, numbering reports, counting figures that fall, texts."""

import csv
import gzip
import hashlib
import io
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tallyroom.codec.events import PartsIn, Report, encode_event
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.format import About, Manifest, TimedEvent, write_recording

ENVIRONMENT: Final[Literal["test"]] = "test"
"""Real counts, but not tonight's: a replay may never pass for a live result."""

_UNDAMAGED: Final = "take an undamaged copy of the archive"


class Archive:
    """A folder with manifest.json and gzipped CSV files, as other projects' election data was archived."""

    def __init__(self, folder: Path) -> None:
        """Raises RecordingError if there is no manifest with a name."""
        self.folder = folder
        try:
            manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
            self.name = str(manifest["name"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise RecordingError(
                f"{folder} is no archived night: {error!r}.", "name a folder with its manifest"
            ) from error
        self.manifest: Mapping[str, Any] = manifest

    def rows(self, file: str) -> Iterator[dict[str, str]]:
        """Rows of a CSV file by column. Raises RecordingError if its bytes are not those that the manifest lists."""
        path = self.folder / file
        try:
            packed = path.read_bytes()
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error}.", _UNDAMAGED) from error
        listed = next((entry["sha256"] for entry in self.manifest["files"] if entry["file"] == file), None)
        if hashlib.sha256(packed).hexdigest() != listed:
            raise RecordingError(f"{path} does not have the SHA-256 that the manifest lists ({listed}).", _UNDAMAGED)
        with gzip.open(io.BytesIO(packed), "rt", encoding="utf-8", newline="") as text:
            yield from csv.DictReader(text)

    @cached_property
    def origin(self) -> dict[str, Any]:
        """Where the figures come from, as a recording's manifest says it."""
        return {"archive": self.name, "from": self.manifest["source"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a source said of one unit in one contest at one time; equal if nothing but the kind differs."""

    contest: str
    unit: str
    counts: Mapping[str, int]
    ballots: Mapping[str, int]
    disposition: str = "counted"
    kind: str = field(default="counted", compare=False)
    parts: PartsIn | None = None
    registered: int | None = None  # only where it differs from the definition's
    reason: str | None = None
    ext: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, int]:
        """What the sheet brings into the totals: nothing unless it is counted."""
        return {**self.counts, **self.ballots} if self.disposition == "counted" else {}


class Night:
    """Collects sheets in order of arrival and numbers the versions of each unit.

    ``registers``: what the definition states, for units whose sheets may report another register.
    """

    def __init__(self, election: str, source: str) -> None:
        self.election = election
        self.source = source
        self.registers: dict[str, int | None] = {}
        self.events: list[TimedEvent] = []
        self.decreases = 0  # figures of the totals' units, and their registers, that a newer version lowered
        self._newest: dict[tuple[str, str], tuple[int, Sheet]] = {}

    def newest(self, contest: str, unit: str) -> Sheet | None:
        """The unit's newest sheet, None before its first."""
        found = self._newest.get((contest, unit))
        return found[1] if found else None

    def sheets(self) -> Iterator[Sheet]:
        """The newest sheet of every unit."""
        return (sheet for _, sheet in self._newest.values())

    def add(self, at: datetime, sheet: Sheet) -> None:
        """Append the sheet as the unit's next version, unless it says what the newest one says."""
        place = (sheet.contest, sheet.unit)
        version, before = self._newest.get(place, (0, None))
        if sheet == before:
            return
        if before is not None:
            figures = sheet.figures
            self.decreases += sum(figures.get(name, 0) < number for name, number in before.figures.items())
            register, earlier = self._register(sheet), self._register(before)
            self.decreases += register is not None and earlier is not None and register < earlier
        version += 1
        self._newest[place] = (version, sheet)
        self.events.append(TimedEvent(at, encode_event(self._report(at, version, sheet))))

    @property
    def expect(self) -> dict[str, Any]:
        """Counters a tabulator must reach with these events."""
        return {
            "accepted": len(self.events),
            "superseded": len(self.events) - len(self._newest),
            "decreases": self.decreases,
            "duplicates": 0,
            "late": 0,
            "quarantined": {},
        }

    def write(self, out: Path, definition: Definition, about: About) -> Manifest:
        """Write the recording."""
        return write_recording(out, definition, self.events, about)

    def _register(self, sheet: Sheet) -> int | None:
        return self.registers.get(sheet.unit) if sheet.registered is None else sheet.registered

    def _report(self, at: datetime, version: int, sheet: Sheet) -> Report:
        return Report(
            id=f"{sheet.contest}/{sheet.unit}/{version}",
            election=self.election,
            environment=ENVIRONMENT,
            source=self.source,
            reported_at=at,
            contest=sheet.contest,
            unit=sheet.unit,
            version=version,
            counts=dict(sheet.counts),
            ballots=dict(sheet.ballots),
            kind=sheet.kind,  # type: ignore[arg-type]
            disposition=sheet.disposition,  # type: ignore[arg-type]
            registered=sheet.registered,
            parts=sheet.parts,
            reason=sheet.reason,
            ext=dict(sheet.ext),
        )


def moment(text: str) -> datetime:
    """An RFC 3339 time with zone."""
    return datetime.fromisoformat(text)


def number(text: str) -> int | None:
    """A count; None where the source has none."""
    return int(text) if text else None


def made_up_arrivals(weights: Mapping[str, int], start: datetime, length: timedelta, seed: int) -> dict[str, datetime]:
    """An arrival for each unit of a source that gives none: seeded, whole seconds, in order of time.

    The more ballots a unit has (``weights``), the longer it counts: half of the delay follows its rank, half is chance.
    """
    chance = random.Random(seed)  # not for secrets: the same seed must give the same night
    ranked = sorted(weights, key=lambda unit: (weights[unit], unit))
    drawn = {
        unit: start + timedelta(seconds=int(length.total_seconds() * (rank / len(ranked) + chance.random()) / 2))
        for rank, unit in enumerate(ranked)
    }
    return dict(sorted(drawn.items(), key=lambda item: (item[1], item[0])))


def total(sheets: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums by name."""
    summed: dict[str, int] = {}
    for sheet in sheets:
        for name, value in sheet.items():
            summed[name] = summed.get(name, 0) + value
    return summed
