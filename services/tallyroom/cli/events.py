"""replay, publish, record, topics: what goes into the event log and comes out of it."""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tallyroom.cli.common import console, load_election, print_json, print_table, settings
from tallyroom.codec.signatures import Key
from tallyroom.domain.election import Definition
from tallyroom.log import events_topic, open_log, quarantine_topic
from tallyroom.producer.keyfile import load as load_key
from tallyroom.producer.pace import MAX_GAP, FullSpeed, Pace, Timed
from tallyroom.producer.publish import Published
from tallyroom.producer.publish import publish as publish_lines
from tallyroom.producer.replay import replay as replay_events
from tallyroom.producer.replay import window
from tallyroom.recordings.format import About, Recording, open_recording
from tallyroom.recordings.record import record as record_topic

app = typer.Typer()
topics = typer.Typer(help="Create and look at the election's topics.", no_args_is_help=True)
app.add_typer(topics, name="topics")

TIME_FORMATS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]


def pace_of(speed: str, max_gap: float) -> Pace:
    """``max`` or a number: how many times faster than the clock."""
    if speed == "max":
        return FullSpeed()
    try:
        factor = float(speed)
    except ValueError:
        raise typer.BadParameter(f"{speed!r} is neither a number nor 'max'") from None
    if factor <= 0:
        raise typer.BadParameter("speed must be above 0")
    return Timed(factor, timedelta(minutes=max_gap))


def progress_bar(show: bool = True) -> Progress:
    """A progress bar on standard error with the election time."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[at]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console, disable=not show)


async def run_replay(
    recording: Recording, definition: Definition, pace: Pace, span: tuple[datetime | None, datetime | None]
) -> int:
    """Replay a recording into the log that the settings name, with a progress bar."""
    log = open_log(settings())
    topic = events_topic(definition.election, str(definition.environment))
    zone = UTC
    with progress_bar(console.is_terminal) as bar:
        task = bar.add_task(recording.manifest.name, total=recording.manifest.events, at="")

        def show(sent: int, at: datetime) -> None:
            bar.update(task, completed=sent, at=f"{at.astimezone(zone):%d %b %H:%M} UTC")

        try:
            return await replay_events(log, topic, window(recording.events(), *span), pace, show)
        finally:
            await log.close()


@app.command()
def replay(
    recording: Annotated[str, typer.Argument(help="A built-in night or a recording folder.")],
    speed: Annotated[str, typer.Option(help="How many times faster than the clock, or 'max'.")] = "60",
    start: Annotated[
        datetime | None, typer.Option("--from", formats=TIME_FORMATS, help="First arrival to send (RFC 3339).")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--until", formats=TIME_FORMATS, help="Send what arrived before this time.")
    ] = None,
    max_gap: Annotated[float, typer.Option(help="Longest silence kept, in minutes of election time.")] = (
        MAX_GAP.total_seconds() / 60
    ),
) -> None:
    """Replay a recorded night into the event log."""
    opened = open_recording(recording)
    span = (aware(start), aware(end))
    sent = asyncio.run(run_replay(opened, opened.definition(), pace_of(speed, max_gap), span))
    console.print(f"{sent:,} events sent")


def aware(at: datetime | None) -> datetime | None:
    """The time, in UTC if it has no zone."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


@app.command()
def publish(
    file: Annotated[str, typer.Argument(help="NDJSON file, one event a line; - for standard input.")],
    election: Annotated[str, typer.Option(help="The election that the events belong to.")],
    skip_bad: Annotated[bool, typer.Option(help="Send the good lines even if others are bad.")] = False,
    key: Annotated[
        Path | None, typer.Option("--key", help="Sign events that are not, with the private key in this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Publish events from a file. Bad lines are named; without --skip-bad nothing is sent then."""
    definition, _ = load_election(election)
    signer = signing_key(key)
    done = asyncio.run(_publish(file, definition, skip_bad, signer))
    if as_json:
        print_json(done)
    else:
        console.print(f"{done.sent:,} events sent, {len(done.bad):,} bad lines")
        for bad in done.bad:
            console.print(f"  line {bad.number}: {bad.reason}: {bad.detail}", markup=False)
    raise typer.Exit(1 if done.bad else 0)


def signing_key(file: Path | None) -> Key | None:
    """The key in this file, else in the one that TALLYROOM_KEY_FILE names, if any. Raises KeyFileError."""
    path = file or settings().key_file
    return None if path is None else load_key(path)


async def _publish(file: str, definition: Definition, skip_bad: bool, key: Key | None) -> Published:
    log = open_log(settings())
    topic = events_topic(definition.election, str(definition.environment))
    try:
        return await publish_lines(log, topic, lines_of(file), datetime.now(UTC), skip_bad=skip_bad, key=key)
    finally:
        await log.close()


def lines_of(file: str) -> Iterator[bytes]:
    """The lines of a file, or of standard input for ``-``."""
    if file == "-":
        yield from sys.stdin.buffer
        return
    with Path(file).open("rb") as opened:
        yield from opened


@app.command()
def record(
    election: Annotated[str, typer.Argument(help="A built-in night, a recording folder or a definition file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording to write.")],
    name: Annotated[str | None, typer.Option(help="Name of the recording; by default the folder's.")] = None,
    title: Annotated[str | None, typer.Option(help="What the night is.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the figures.")] = "unstated",
) -> None:
    """Write the election's topic back to a recording."""
    definition, _ = load_election(election)

    async def run() -> int:
        log = open_log(settings())
        try:
            topic = events_topic(definition.election, str(definition.environment))
            about = About(name=name or out.name, title=title or f"Recorded from {topic}", real=False, licence=licence)
            manifest = await record_topic(log, topic, definition, out, about)
            return manifest.events
        finally:
            await log.close()

    console.print(f"{asyncio.run(run()):,} events recorded in {out}")


@topics.command("create")
def create_topics(election: str) -> None:
    """Create the election's topics with TALLYROOM_PARTITIONS partitions; does nothing if they are there."""
    definition, _ = load_election(election)
    current = settings()

    async def run() -> list[str]:
        log = open_log(current)
        names = [name(definition.election, str(definition.environment)) for name in (events_topic, quarantine_topic)]
        try:
            for topic in names:
                await log.create(topic, current.partitions)
        finally:
            await log.close()
        return names

    for topic in asyncio.run(run()):
        console.print(f"{topic}: {current.partitions} partitions")


@topics.command("show")
def show_topics(election: str, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """First and next offset of every partition."""
    definition, _ = load_election(election)

    async def run() -> dict[str, dict[int, list[int]]]:
        log = open_log(settings())
        names = [name(definition.election, str(definition.environment)) for name in (events_topic, quarantine_topic)]
        try:
            return {t: {n: [b.start, b.end] for n, b in (await log.bounds(t)).items()} for t in names}
        finally:
            await log.close()

    found = asyncio.run(run())
    if as_json:
        print_json(found)
        return
    for topic, bounds in found.items():
        print_table(topic, ["partition", "first", "next"], [(n, *pair) for n, pair in sorted(bounds.items())])
