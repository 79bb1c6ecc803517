"""What commands of the desk share: the log of the election that runs, the people who decide, errors that name what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tallyroom.cli.common import load_election, settings
from tallyroom.desk.acts import Hand, People
from tallyroom.desk.book import Book
from tallyroom.domain.election import Definition
from tallyroom.log import EMBEDDED_FILE, EventLog, events_topic, open_log
from tallyroom.night.night import night_folder
from tallyroom.producer.keyfile import load
from tallyroom.settings import Settings
from tallyroom.tabulation.plan import Plan

_T = TypeVar("_T")

Election = Annotated[str, typer.Argument(help="A built-in night, a recording folder or a definition file.")]
Operators = Annotated[
    list[str] | None, typer.Option("--operator", help="Who decides; once for each person (two by default when live).")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log, and published with a release.")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="The desk's private key, where events have to be signed.")]
AsJson = Annotated[bool, typer.Option("--json", help="The answer as JSON on standard output.")]


def people(operators: list[str] | None, reason: str, key: Path | None) -> People:
    """Who decides. Raises KeyFileError."""
    return People(tuple(name.strip() for name in operators or ()), reason.strip(), None if key is None else load(key))


def at_the_desk(election: str, work: Callable[[Book, Hand], Awaitable[_T]]) -> _T:
    """Read the election's log to its end, then work with it. Raises TopicMissing, LogError, DeskError."""
    definition, chain = load_election(election)
    current = where_it_runs(settings(), definition)

    async def run() -> _T:
        log = open_log(current)
        try:
            return await _read(log, definition, chain, work)
        finally:
            await log.close()

    return asyncio.run(run())


async def _read(log: EventLog, definition: Definition, chain: str, work: Callable[[Book, Hand], Awaitable[_T]]) -> _T:
    topic = events_topic(definition.election, str(definition.environment))
    book = Book(log, topic, Plan(definition, chain))
    await book.follow()
    return await work(book, Hand(log, topic, book))


def where_it_runs(current: Settings, definition: Definition) -> Settings:
    """The settings with the log of a night that `tallyroom night` runs on this machine, if there is no other one."""
    if current.kafka_url is not None or (current.data / EMBEDDED_FILE).exists():
        return current
    folder = night_folder(current.data, definition.election, str(definition.environment))
    return replace(current, data=folder) if (folder / EMBEDDED_FILE).exists() else current
