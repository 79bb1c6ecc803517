"""The console script ``tallyroom``: the only place where everything is put together."""

import sys

import typer
from rich.markup import escape

from tallyroom import __version__
from tallyroom.cli import (
    apikeys,
    apportion,
    backtest,
    desk,
    events,
    explain,
    flags,
    keys,
    night,
    quarantine,
    rebuild,
    recordings,
    results,
    services,
    snapshot,
    verify,
)
from tallyroom.cli.common import console
from tallyroom.domain.errors import TallyroomError

app = typer.Typer(
    name="tallyroom",
    help="Streaming election results: exactly-once totals, numbered revisions, public snapshots.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (night, services, events, recordings, snapshot, flags, results, explain, apportion, backtest, keys, desk):
    app.add_typer(module.app)
for module in (verify, rebuild):
    app.add_typer(module.app)
app.add_typer(apikeys.app, name="apikeys")
app.add_typer(quarantine.app, name="quarantine")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run a command; an error raised on purpose is shown without a traceback."""
    try:
        app()
    except TallyroomError as error:
        console.print("[red]error:[/red]", escape(error.what), soft_wrap=True)
        console.print("[bold]what to do:[/bold]", escape(error.action), soft_wrap=True)
        sys.exit(1)
