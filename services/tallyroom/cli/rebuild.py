"""rebuild: totals folded anew from the log beside those in use, then put in their place."""

import asyncio
import gc
from typing import Annotated

import typer

from tallyroom.cli.common import console, load_election, print_json, settings
from tallyroom.cli.events import progress_bar
from tallyroom.domain.election import Definition
from tallyroom.log import events_topic, open_log, quarantine_topic
from tallyroom.store import open_store
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.rebuild import Rebuild, Rebuilt

app = typer.Typer()


@app.command()
def rebuild(
    election: Annotated[str, typer.Argument(help="A built-in night, a recording folder or a definition file.")],
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Fold all totals anew from the log and exchange them for those in the store, while everything goes on running.

    With another definition file than the night started from, it judges the whole log by that one.
    """
    definition, chain = load_election(election)
    gc.disable()  # nothing here makes cycles: collecting would only walk every unit again and again
    found = asyncio.run(_rebuild(definition, chain))
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"rebuilt  {found.partitions} partitions, {found.records:,} records, {found.units:,} units in {found.seconds:.1f} s"
    )


async def _rebuild(definition: Definition, chain: str) -> Rebuilt:
    current = settings()
    names = (definition.election, str(definition.environment))
    store, log = open_store(current.store, *names), open_log(current)
    try:
        with progress_bar(console.is_terminal) as bar:
            row = bar.add_task(definition.election, total=None, at="")
            topics = (events_topic(*names), quarantine_topic(*names))
            work = Rebuild(
                store,
                (log, topics),
                Plan(definition, chain),
                lambda done, of: bar.update(row, completed=done, total=of),
            )
            return await work.run()
    finally:
        await log.close()
        await store.close()
