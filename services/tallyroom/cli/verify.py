"""verify: recompute a snapshot from the log, without any service running."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape

from tallyroom import __version__
from tallyroom.auditor.compare import Difference
from tallyroom.auditor.published import Unusable
from tallyroom.auditor.verify import Shown, Verified, read_snapshot, verify
from tallyroom.cli.common import console, load_election, print_json, print_table, settings
from tallyroom.codec.definition import definition_hash
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import TallyroomError
from tallyroom.log import EventLog, MemoryLog, SqliteLog, events_topic, open_log
from tallyroom.producer.entries import recorded_entries
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import Recording, open_recording

app = typer.Typer()

EQUAL, DIFFERS, UNUSABLE = 0, 1, 2


@app.command(name="verify")
def command(
    snapshot: Annotated[str, typer.Argument(help="A snapshot as a gateway served it: a file, - or its address.")],
    log: Annotated[
        str, typer.Option("--log", help="A recording (folder or built-in night), kafka://host:port, or an SQLite log.")
    ],
    election: Annotated[
        str | None, typer.Option(help="The definition the night started from; by default the recording's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Recompute a snapshot from the log at its own offsets. Exit 0: equal; 1: differs; 2: cannot be compared."""
    try:
        found = asyncio.run(_verify(read_snapshot(_read(snapshot), snapshot), log, election))
    except TallyroomError as error:
        console.print("[red]cannot be compared:[/red]", escape(error.what), soft_wrap=True)
        console.print("[bold]what to do:[/bold]", escape(error.action), soft_wrap=True)
        raise typer.Exit(UNUSABLE) from error
    _tell(found, as_json)
    raise typer.Exit(DIFFERS if found.differences else EQUAL)


def _read(source: str) -> bytes:
    """Raises Unusable."""
    try:
        if source.startswith(("http://", "https://")):
            answer = httpx.get(source, timeout=30)
            answer.raise_for_status()
            return answer.content
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unusable(
            f"{source} cannot be read: {error}.", "name a snapshot that was saved, or its address"
        ) from error


async def _verify(read: tuple[Shown, Mapping[str, Any]], log: str, election: str | None) -> Verified:
    shown, _ = read
    topic = events_topic(shown.election, shown.environment)
    recording = _recording(log)
    opened = _open(log) if recording is None else await _replayed(recording, topic, len(shown.as_of["events"]))
    try:
        return await verify(read, _definition(shown, recording, election), (opened, topic))
    finally:
        await opened.close()


def _recording(log: str) -> Recording | None:
    return open_recording(log) if log in builtin_nights() or Path(log).is_dir() else None


def _definition(shown: Shown, recording: Recording | None, election: str | None) -> tuple[Definition, str]:
    """The named definition, else the recording's, else that of the built-in night with the snapshot's election id."""
    if election is None and recording is not None:
        definition = recording.definition()
        return definition, definition_hash(definition)
    if election is None and shown.election not in builtin_nights():
        raise Unusable("A log alone does not say what was voted on.", "name the definition's file with --election")
    return load_election(election or shown.election)


async def _replayed(recording: Recording, topic: str, partitions: int) -> EventLog:
    """The recording as the log it is of: the partition of each record follows from its key and their number."""
    recording.verify()
    log = MemoryLog()
    await log.create(topic, partitions)
    for timed in recording.events():
        await log.append(topic, recorded_entries(timed, partitions))
    return log


def _open(log: str) -> EventLog:
    if log.startswith("kafka://"):
        return open_log(replace(settings(), kafka_url=log))
    if not Path(log).is_file():
        raise Unusable(
            f"{log} is no log.", "name a recording, a built-in night, kafka://host:port or the file of an SQLite log"
        )
    return SqliteLog(Path(log))


def _tell(found: Verified, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "revision": found.revision,
                "records": found.records,
                "areas": found.areas,
                "equal": not found.differences,
                "differences": [item._asdict() for item in found.differences],
            }
        )
        return
    about = f"revision {found.revision:,}: {found.records:,} records of the log, {found.areas:,} areas"
    if not found.differences:
        typer.echo(f"equal  {about}")
        return
    console.print(f"[red]differs[/red]  {about}")
    if found.build != __version__ and any(item.derived for item in found.differences):
        console.print(
            f"The snapshot was made by tallyroom {found.build}, this is {__version__}: compare with that version."
        )
    columns = ["contest", "area", "figure", "the log says", "found"]
    print_table(f"{len(found.differences):,} figures differ", columns, [_row(item) for item in found.differences])


def _row(item: Difference) -> tuple[object, ...]:
    return (item.contest or "-", item.area or "-", item.figure, _text(item.expected), _text(item.found))


def _text(value: int | str | None) -> object:
    return "null" if value is None else value
