"""A recorded night on disk: manifest, election definition and events in the order in which they arrived.

docs/recordings.md describes the folder for those who make one from other data. Equal input gives equal bytes.
"""

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.codec.definition import decode_definition, encode_definition
from tallyroom.codec.events import AnyEvent, Undecodable, decode_event, partition_key
from tallyroom.codec.strict import strict
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.builtin import folder_of
from tallyroom.recordings.golden import GoldenFold, GoldenTotals

FORMAT: Final = "tallyroom.recording/v1"
MANIFEST: Final = "manifest.json"
DEFINITION: Final = "definition.json.gz"
EVENTS: Final = "events.ndjson.gz"
_LEVEL: Final = 9
_CHUNK: Final = 1 << 20
_REMAKE: Final = "make the recording anew, or take an undamaged copy"


class TimedEvent(NamedTuple):
    """An event's bytes and the election time at which they arrived.

    ``key`` None: derive it (`tallyroom.codec.events.partition_key`); ``partition`` None: derive it from the key.
    ``every_partition``: an amendment or an act about a source, to be written to each of them. ``headers``: those of the record
    that are not derived from the event, such as its signature.
    """

    at: datetime
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    every_partition: bool = False
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is said of a recording besides what its definition and events say themselves."""

    name: str
    title: str
    real: bool  # whether the counts are those of a real night
    licence: str
    source: Mapping[str, Any] = field(default_factory=dict)
    attribution: str = ""
    notes: tuple[str, ...] = ()
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """manifest.json. ``golden``: root totals of each contest once every event is in; ``expect``: figures for tests."""

    format: str
    name: str
    title: str
    date: date
    real: bool
    environment: str
    election: str
    licence: str
    events: int
    files: Mapping[str, str]  # file name -> SHA-256 (hex) of its bytes
    golden: Mapping[str, GoldenTotals] = field(default_factory=dict)  # empty: nothing to compare with
    first: datetime | None = None  # None: no event at all
    last: datetime | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    attribution: str = ""
    notes: tuple[str, ...] = ()
    expect: Mapping[str, Any] = field(default_factory=dict)


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One line of events.ndjson: an event, or the base64 of bytes that are none.

    ``headers``: (name, value) pairs; the value's bytes are the text's characters (ISO 8859-1), so that any bytes come back.
    """

    at: datetime
    event: msgspec.Raw = msgspec.Raw()
    raw: str | None = None
    key: str | None = None
    partition: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


class _Type(msgspec.Struct):
    """Just enough of an event to know whether it stands in every partition."""

    type: str = ""
    target_source: msgspec.Raw | None = None


_line_decoder: Final = msgspec.json.Decoder(_Line)
_type_decoder: Final = msgspec.json.Decoder(_Type)
_encoder: Final = msgspec.json.Encoder()
_ManifestWire: Final = strict(Manifest)


class Recording:
    """A recording folder. Opening reads only the manifest."""

    def __init__(self, folder: Path) -> None:
        """Raises RecordingError if the folder has no manifest of this format."""
        self.folder = folder
        self.manifest = _read_manifest(folder / MANIFEST)

    def definition(self) -> Definition:
        """The election as the night starts. Raises RecordingError or DefinitionError."""
        path = self.folder / DEFINITION
        try:
            data = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(f"{path} cannot be read: {error}.", _REMAKE) from error
        return decode_definition(data, str(path))

    def events(self) -> Iterator[TimedEvent]:
        """All events in order of arrival, read as they are asked for. Raises RecordingError."""
        path = self.folder / EVENTS
        try:
            with gzip.open(path, "rb") as lines:
                for number, line in enumerate(lines, 1):
                    yield _read_line(line, f"{path} line {number}")
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(f"{path} cannot be read: {error}.", _REMAKE) from error

    def verify(self) -> None:
        """Compare every file with the manifest. Raises RecordingError that names the first one that differs."""
        if set(self.manifest.files) != {DEFINITION, EVENTS}:
            listed = ", ".join(sorted(self.manifest.files))
            raise RecordingError(f"{self.folder / MANIFEST} lists {listed}, not {DEFINITION} and {EVENTS}.", _REMAKE)
        for name, expected in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file():
                raise RecordingError(f"{path} is missing.", _REMAKE)
            if (found := _sha256(path)) != expected:
                raise RecordingError(f"{path} has SHA-256 {found}, the manifest says {expected}.", _REMAKE)


def open_recording(name_or_path: str) -> Recording:
    """A built-in night by its name, or the recording in the folder of that path. Raises RecordingError."""
    return Recording(folder_of(name_or_path))


def write_recording(
    folder: Path,
    definition: Definition,
    events: Iterable[TimedEvent],
    about: About,
    golden: Mapping[str, GoldenTotals] | None = None,
) -> Manifest:
    """Write the three files into ``folder`` (made if missing); memory holds one event at a time and the newest reports.

    ``golden`` None: computed by `tallyroom.recordings.golden`. Raises RecordingError if an arrival goes back in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _Gzip(folder / DEFINITION) as out:
        out.write(encode_definition(definition))
    fold = GoldenFold(definition)
    first: datetime | None = None
    last: datetime | None = None
    count = 0
    with _Gzip(folder / EVENTS) as out:
        for event in events:
            at = event.at.astimezone(UTC)
            if last is not None and at < last:
                raise RecordingError(
                    f"{about.name}: event {count + 1} arrives before event {count}.", "sort the events by arrival"
                )
            first, last, count = first or at, at, count + 1
            decoded = _decoded(event.value)
            if decoded is not None:
                fold.add(decoded, event.value, event.headers)
            out.write(_encoder.encode(_to_line(at, event, decoded)) + b"\n")
    manifest = Manifest(
        format=FORMAT,
        name=about.name,
        title=about.title,
        date=definition.date,
        real=about.real,
        environment=str(definition.environment),
        election=definition.election,
        licence=about.licence,
        events=count,
        files={name: _sha256(folder / name) for name in (DEFINITION, EVENTS)},
        golden=fold.totals() if golden is None else golden,
        first=first,
        last=last,
        source=about.source,
        attribution=about.attribution,
        notes=about.notes,
        expect=about.expect,
    )
    wire = msgspec.convert(manifest, _ManifestWire, from_attributes=True)
    (folder / MANIFEST).write_bytes(msgspec.json.format(_encoder.encode(wire), indent=1) + b"\n")
    return manifest


def _read_manifest(path: Path) -> Manifest:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read: {error}.", "name a recording folder or a built-in night"
        ) from error
    try:
        manifest = msgspec.convert(msgspec.json.decode(data, type=_ManifestWire), Manifest, from_attributes=True)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path} is not a manifest: {error}.", "compare it with docs/recordings.md") from error
    if manifest.format != FORMAT:
        raise RecordingError(
            f"{path} has format {manifest.format!r}, this release reads {FORMAT}.", "convert the recording"
        )
    return manifest


def _read_line(line: bytes, where: str) -> TimedEvent:
    try:
        read = _line_decoder.decode(line)
        key = None if read.key is None else base64.b64decode(read.key, validate=True)
        value = bytes(read.event)
        if bool(value) is (read.raw is not None) or read.at.tzinfo is None:
            raise RecordingError(f"{where} needs `at` with a zone and either `event` or `raw`.", _REMAKE)
        if read.raw is not None:
            value, every = base64.b64decode(read.raw, validate=True), False
        else:
            every = read.partition is None and stands_everywhere(value)
        headers = tuple((name, text.encode("latin-1")) for name, text in read.headers)
    except (ValueError, RecursionError) as error:  # of JSON, text and base64 alike
        raise RecordingError(f"{where} is not a recorded event: {error}.", _REMAKE) from error
    return TimedEvent(read.at, value, key, read.partition, every, headers)


def stands_everywhere(value: bytes) -> bool:
    """Whether the bytes are JSON of an event that stands in every partition (`tallyroom.codec.events.everywhere`)."""
    try:
        found = _type_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return found.type == "amendment" or (found.type == "desk" and found.target_source is not None)


def _decoded(value: bytes) -> AnyEvent | None:
    """The event, or None for bytes that are no event (those are recorded as they are)."""
    try:
        return decode_event(value)
    except Undecodable:
        return None


def _to_line(at: datetime, event: TimedEvent, decoded: AnyEvent | None) -> _Line:
    """The event as a line. Bytes with line breaks go as base64, so that they come back unchanged."""
    derived = decoded is not None and event.key == partition_key(decoded)
    key = None if event.key is None or derived else base64.b64encode(event.key).decode()
    broken = event.value != event.value.strip() or b"\n" in event.value or b"\r" in event.value
    headers = tuple((name, value.decode("latin-1")) for name, value in event.headers)
    if decoded is None or broken:
        raw = base64.b64encode(event.value).decode()
        return _Line(at, raw=raw, key=key, partition=event.partition, headers=headers)
    return _Line(at, event=msgspec.Raw(event.value), key=key, partition=event.partition, headers=headers)


class _Gzip(gzip.GzipFile):
    """A gzip file without name and time in its header: equal content gives equal bytes. Closes the file below it."""

    def __init__(self, path: Path) -> None:
        self._below = path.open("wb")
        super().__init__(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._below, mtime=0)

    def close(self) -> None:
        """Finish the stream and close the file."""
        try:
            super().close()
        finally:
            self._below.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
