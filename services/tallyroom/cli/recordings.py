"""import, simulate, tabulate: recordings made and folded without any server."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from tallyroom.cli.board import Board
from tallyroom.cli.common import console, load_election, print_json, print_table
from tallyroom.recordings.format import open_recording
from tallyroom.recordings.nights import import_night
from tallyroom.recordings.simulate import simulate as simulate_night

app = typer.Typer()


@app.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(help="Folder of a foreign night with its manifest.json.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording to write.")],
) -> None:
    """Turn a foreign night into a recording."""
    manifest = import_night(folder, out)
    console.print(f"{manifest.name}: {manifest.events:,} events in {out}")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Which night: kz-2023.")] = "kz-2023",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording to write.")] = Path("kz-2023"),
    seed: Annotated[int, typer.Option(help="Other seeds give other nights with the same published figures.")] = 2023,
) -> None:
    """Generate a simulated night that hits every published figure exactly."""
    manifest = simulate_night(name, out, seed)
    console.print(f"{manifest.name}: {manifest.events:,} events in {out}")


@app.command()
def tabulate(
    recording: Annotated[str, typer.Argument(help="A built-in night or a recording folder.")],
    as_json: Annotated[bool, typer.Option("--json/--table")] = True,
) -> None:
    """Fold a recording without any server and print the snapshot."""
    snapshot = asyncio.run(_tabulated(recording))
    if as_json:
        print_json(snapshot)
        return
    for contest in snapshot["contests"]:
        rows = [
            (name, votes, contest["areas"][0]["shares"][name]) for name, votes in contest["areas"][0]["counts"].items()
        ]
        print_table(contest["contest"], ["selection", "votes", "share"], rows)


async def _tabulated(recording: str) -> dict[str, Any]:
    """The snapshot of all of a recording; everything released, since nothing is published."""
    board = await Board.open(*load_election(recording))
    await board.feed(open_recording(recording).events())
    return await board.snapshot(release=True)
