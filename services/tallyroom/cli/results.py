"""results: the board in a terminal, from a gateway or, without any server, from a recording."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console

from tallyroom.cli.board import Board
from tallyroom.cli.common import load_election, print_json, settings
from tallyroom.cli.events import TIME_FORMATS, aware
from tallyroom.cli.scoreboard import draw
from tallyroom.codec.definition import encode_definition
from tallyroom.domain.errors import TallyroomError
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import Recording, TimedEvent, open_recording

app = typer.Typer()


class NoBoard(TallyroomError):
    """There is nothing to show: no gateway answers, or it was asked for what only a recording has."""


@app.command()
def results(
    night: Annotated[
        str | None,
        typer.Argument(
            metavar="[ELECTION|RECORDING]", help="A recording or built-in night; else an election id of a gateway."
        ),
    ] = None,
    at: Annotated[
        datetime | None, typer.Option(formats=TIME_FORMATS, help="Of a recording: as it stood at this time (RFC 3339).")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Ask the gateway at this address, whatever the name.")] = None,
    language: Annotated[str, typer.Option(help="Language of names, where the definition has it.")] = "en",
    ops: Annotated[
        bool, typer.Option("--ops", help="Of a recording: also what is under embargo at that time.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The snapshot as JSON.")] = False,
) -> None:
    """Show the board: shares, seats, what is decided, what is outstanding. A recording needs no server."""
    offline = url is None and night is not None and (night in builtin_nights() or Path(night).is_dir())
    if offline and night is not None:
        snapshot, definition = asyncio.run(_of_recording(open_recording(night), night, aware(at), ops))
    elif at is not None or ops:
        raise NoBoard("A gateway shows what is current.", "name a recording for --at and --ops, without --url")
    else:
        snapshot, definition = _of_gateway(url or f"http://127.0.0.1:{settings().http_port}", night)
    if as_json:
        print_json(snapshot)
    else:
        Console(highlight=False).print(draw(snapshot, definition, language))


async def _of_recording(
    recording: Recording, name: str, at: datetime | None, ops: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The board of a recording's events up to a time."""
    board = await Board.open(*load_election(name))
    await board.feed(_until(recording.events(), at))
    snapshot = await board.snapshot(at, release=ops)
    return snapshot, msgspec.json.decode(encode_definition(board.definition))


def _until(events: Iterator[TimedEvent], at: datetime | None) -> Iterator[TimedEvent]:
    for event in events:
        if at is not None and event.at > at:
            return
        yield event


def _of_gateway(base: str, election: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    with httpx.Client(base_url=base, timeout=10) as client:
        identifier = election or _get(client, "/v1/elections")["elections"][0]["election"]
        path = f"/v1/elections/{identifier}"
        return _get(client, f"{path}/snapshot"), _get(client, f"{path}/definition?units=false")


def _get(client: httpx.Client, path: str) -> dict[str, Any]:
    try:
        answer = client.get(path)
    except httpx.TransportError as error:
        raise NoBoard(
            f"{client.base_url} does not answer: {error}.",
            "start a gateway, name its address with --url, or name a recording",
        ) from error
    if answer.status_code != 200:
        raise NoBoard(f"{path} answered {answer.status_code}: {answer.text[:300]}", "see docs/http.md for its problems")
    found: dict[str, Any] = answer.json()
    return found
