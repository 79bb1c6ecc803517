"""flags: which figures of a recorded night the plausibility rules find doubtful."""

import asyncio
from typing import Annotated, Any

import typer

from tallyroom.cli.board import Board
from tallyroom.cli.common import console, load_election, print_json, print_table
from tallyroom.recordings.format import open_recording

app = typer.Typer()


@app.command()
def flags(
    recording: Annotated[str, typer.Argument(help="A built-in night or a recording folder.")],
    as_json: Annotated[bool, typer.Option("--json/--table")] = False,
) -> None:
    """Run the plausibility rules over a recording, without any server: flags by code, and the newest ones in words."""
    found, accepted = asyncio.run(flags_of(recording))
    if as_json:
        print_json(found)
        return
    codes = sorted({*found["open"], *found["settled"]})
    rows = [(code, found["open"].get(code, 0), found["settled"].get(code, 0)) for code in codes]
    print_table(f"{recording}: {accepted:,} reports accepted", ["code", "open", "settled"], rows)
    for flag in found["listed"]:
        where = " ".join(filter(None, (flag["contest"], flag["area"], flag["unit"], flag.get("count_group"))))
        console.print(f"{flag['code']}  {where}: {flag['text']}", soft_wrap=True, highlight=False, markup=False)


async def flags_of(recording: str) -> tuple[dict[str, Any], int]:
    """The snapshot's flags after all of a recording, and how many reports were accepted; nothing held back."""
    board = await Board.open(*load_election(recording))
    await board.feed(open_recording(recording).events())
    snapshot = await board.snapshot(release=True)
    return snapshot["flags"], snapshot["events"]["accepted"]
