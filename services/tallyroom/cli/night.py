"""night: a whole night with one command, on the embedded default or on given servers."""

import asyncio
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Any

import typer

from tallyroom.cli.common import console, print_json, print_table, settings
from tallyroom.cli.events import pace_of, progress_bar
from tallyroom.domain.election import Definition, Names
from tallyroom.domain.errors import SettingError
from tallyroom.night.night import Night, Ports, free_port, night_folder, port_is_free
from tallyroom.producer.pace import MAX_GAP, FullSpeed, Pace, Timed, span
from tallyroom.producer.replay import replay
from tallyroom.recordings.format import Recording, open_recording
from tallyroom.results.areas import lines_of, share
from tallyroom.settings import DEFAULT_OPS_PORT, Settings

app = typer.Typer()

NIGHT_S = 170.0
"""By default a night is told in about three minutes."""


@app.command()
def night(
    recording: Annotated[str, typer.Argument(help="A built-in night or a recording folder.")],
    speed: Annotated[
        str | None, typer.Option(help="Times faster than the clock, or 'max'; else about 3 minutes.")
    ] = None,
    until_done: Annotated[bool, typer.Option("--exit", help="End once everything is published.")] = False,
    again: Annotated[bool, typer.Option(help="Replay into a log that holds records already.")] = False,
    tabulators: Annotated[int, typer.Option(help="Tabulator workers on Kafka; an embedded log has one.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the final snapshot as JSON.")] = False,
) -> None:
    """Replay a recorded night through log, tabulator, store and publisher, and serve it as it comes in."""
    opened = open_recording(recording)
    definition = opened.definition()
    current = _prepare(settings(), definition)
    pace = _pace(opened, speed)
    asyncio.run(_run(current, recording, opened, definition, pace, (until_done, again, tabulators, as_json)))


def _prepare(current: Settings, definition: Definition) -> Settings:
    """Settings of this night: an embedded one keeps its files in a folder of its own, new at each start."""
    ports = ((current.http_port, "TALLYROOM_HTTP_PORT"), (_ops_port(current), "TALLYROOM_OPS_PORT"))
    for port, name in ports:
        if port and not port_is_free(port):
            raise SettingError(f"Port {port} is taken.", f"set {name} to a free port, or end what listens there")
    if current.kafka_url is not None and current.redis_url is not None:
        return current
    folder = night_folder(current.data, definition.election, str(definition.environment))
    if current.kafka_url is None:
        shutil.rmtree(folder, ignore_errors=True)
    return replace(current, data=folder)


def _ops_port(current: Settings) -> int:
    """The gateway's ops port: 8601 unless it is set; 0 takes a free one."""
    return DEFAULT_OPS_PORT if current.ops_port is None else current.ops_port


def _pace(recording: Recording, speed: str | None) -> Pace:
    if speed is not None:
        return pace_of(speed, MAX_GAP.total_seconds() / 60)
    length = span(timed.at for timed in recording.events())
    return Timed(max(1.0, length / timedelta(seconds=NIGHT_S))) if length else FullSpeed()


async def _run(
    current: Settings,
    argument: str,
    recording: Recording,
    definition: Definition,
    pace: Pace,
    options: tuple[bool, bool, int, bool],
) -> None:
    until_done, again, tabulators, as_json = options
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ports = Ports(current.http_port or free_port(), _ops_port(current) or free_port())
    title = recording.manifest.title
    console.print(f"[bold]{title}[/bold] ({definition.environment})")
    with console.status("starting store, tabulator, publisher and gateway"):
        running = Night(current, argument, definition, ports, tabulators=tabulators, again=again)
        await running.__aenter__()
    try:
        console.print(f"page      {running.url}/")
        console.print(f"snapshot  {running.url}/v1/elections/{running.election}/snapshot")
        console.print(f"metrics   {running.ops_url}/metrics")
        if current.redis_url is None:
            console.print(f"store     {running.redis_url}")
        await _first(stop, running, _tell(running, recording, pace, as_json))
        if not until_done and not stop.is_set():
            console.print("The night is complete; still serving. Ctrl-C ends it.")
            await _first(stop, running, stop.wait())
    finally:
        await running.__aexit__(None, None, None)


async def _first(stop: asyncio.Event, running: Night, work: Any) -> None:
    """Run until the work is done, somebody stops us, or a service fails for good."""
    task, stopped = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped, running.group.failed}, return_when=asyncio.FIRST_COMPLETED)
    if running.group.failed.done():
        raise running.group.failed.result()
    if task.done():
        task.result()
    task.cancel()
    stopped.cancel()


async def _tell(running: Night, recording: Recording, pace: Pace, as_json: bool) -> None:
    with progress_bar(console.is_terminal) as bar:
        row = bar.add_task(recording.manifest.name, total=recording.manifest.events, at="")
        await replay(
            running.log,
            running.topic,
            recording.events(),
            pace,
            lambda sent, at: bar.update(row, completed=sent, at=f"{at:%d %b %H:%M} UTC"),
        )
    snapshot = await running.wait_published()
    if as_json:
        print_json(snapshot)
    else:
        show_totals(running.definition, snapshot)


def show_totals(definition: Definition, snapshot: dict[str, Any]) -> None:
    """Root totals of the first contests as tables."""
    names = {item.id: item for item in definition.contests}
    language = definition.languages[-1] if "en" not in definition.languages else "en"
    for contest in snapshot["contests"][:2]:
        root, known = contest["areas"][0], names[contest["contest"]]
        labels = {item.id: named(item.names, language, item.id) for item in known.selections}
        base = root["share_denominator"]
        rows = [
            (labels[key], votes, _percent(votes, base["value"], lines_of(known.rule)))
            for key, votes in sorted(root["counts"].items(), key=lambda pair: -pair[1])
        ]
        print_table(
            f"{named(known.names, language, known.id)}: {root['units_reported']:,} of {root['units_expected']:,} units, "
            f"shares of {base['value']:,} ({base['of']}), revision {snapshot['revision']:,}",
            ["selection", "votes", "share"],
            rows[:12],
        )


def named(names: Names, language: str, fallback: str) -> str:
    """The name in this language, else in any, else the fallback."""
    return names.get(language) or next(iter(names.values()), fallback)


def _percent(votes: int, base: int, lines: Sequence[Fraction]) -> str:
    """A share as per cent with two digits, never rounded across a line that decides something."""
    text = share(votes, base, lines, digits=4)
    return "-" if text is None else f"{int(text.replace('.', '')) / 100:.2f} %"
