"""keys, sign: private keys of sources, and events signed with them."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from tallyroom.cli.common import console, print_json
from tallyroom.cli.events import lines_of
from tallyroom.codec.signatures import MAX_BATCH, Key
from tallyroom.producer.keyfile import generate, load
from tallyroom.producer.publish import SIGNED_TOGETHER, BadLine, read_lines, sign_lines, write_line

app = typer.Typer()
keys = typer.Typer(help="Keys that sources sign their events with.", no_args_is_help=True)
app.add_typer(keys, name="keys")

KeyFile = Annotated[Path, typer.Argument(help="File of the private key.")]


@keys.command("generate")
def generate_key(
    file: KeyFile,
    name: Annotated[
        str | None, typer.Option("--id", help="Id of the key; by default made from its public part.")
    ] = None,
) -> None:
    """Make a key: a new file that only you can read. Prints the public part for the definition."""
    _show(generate(file, name))
    console.print(f"{file} holds the private key. Keep it where the source signs, and nowhere else.")


@keys.command("show")
def show_key(file: KeyFile) -> None:
    """Print the public part of a key as it stands in the definition, under `keys` of its source."""
    _show(load(file))


def _show(key: Key) -> None:
    print_json({"id": key.id, "key": key.public})


@app.command()
def sign(
    file: Annotated[str, typer.Argument(help="NDJSON file, one event a line; - for standard input.")],
    key: Annotated[Path, typer.Option("--key", help="File of the private key.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; by default standard output.")] = None,
    together: Annotated[
        int, typer.Option(min=1, max=MAX_BATCH - 1, help="Events under one signature; 1: each by itself.")
    ] = SIGNED_TOGETHER,
) -> None:
    """Sign events: writes the form that `tallyroom publish` takes. Bad lines are named, and nothing is written then."""
    private = load(key)
    bad: list[BadLine] = []
    lines = list(read_lines(lines_of(file), bad))
    for item in bad:
        console.print(f"line {item.number}: {item.reason}: {item.detail}", markup=False)
    if bad:
        raise typer.Exit(1)
    with nullcontext(sys.stdout.buffer) if out is None else out.open("wb") as to:
        for line in sign_lines(lines, private, together):
            to.write(write_line(line) + b"\n")
    console.print(f"{len(lines):,} events signed with key {private.id}")
