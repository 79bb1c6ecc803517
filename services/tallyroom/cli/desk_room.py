"""What commands of the desk share: the log of the election that runs, the people who decide, errors that name what to do."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tallyroom.cli.common import console, load_election, settings
from tallyroom.codec.events import decode_event
from tallyroom.codec.signatures import Key
from tallyroom.desk.acts import DeskError, Draft, Hand, People
from tallyroom.desk.book import Book
from tallyroom.desk.countersign import save
from tallyroom.domain.election import Definition
from tallyroom.log import EMBEDDED_FILE, EventLog, events_topic, open_log
from tallyroom.night.night import night_folder
from tallyroom.producer.keyfile import load
from tallyroom.settings import Settings
from tallyroom.tabulation.plan import Plan

_T = TypeVar("_T")

Election = Annotated[str, typer.Argument(help="A built-in night, a recording folder or a definition file.")]
Operators = Annotated[
    list[str] | None,
    typer.Option(
        "--operator",
        metavar="NAME[=KEYFILE]",
        help="Who decides; once for each person (two by default when live). With a key the person signs.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log, and published with a release.")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="The desk's private key, where events have to be signed.")]
AsJson = Annotated[bool, typer.Option("--json", help="The answer as JSON on standard output.")]


def people(operators: list[str] | None, reason: str, key: Path | None) -> People:
    """Who decides. Raises KeyFileError, and DeskError for a key that is another's."""
    given = [text.partition("=") for text in operators or ()]
    hands = tuple(hand_of(name.strip(), Path(file)) for name, sign, file in given if sign)
    names = tuple(name.strip() for name, _, _ in given)
    return People(names, reason.strip(), None if key is None else load(key), hands)


def hand_of(name: str, file: Path) -> Key:
    """The key with which this operator signs. Raises KeyFileError, DeskError."""
    key = load(file)
    if key.id != name:
        raise DeskError(
            f"{file} holds the key {key.id!r}, not that of {name!r}.", "name each operator with his own key"
        )
    return key


def _told_of(drafts: Sequence[Draft]) -> None:
    """Keep decisions that are not signed by all in a file of the current folder, and say who has to do what with it."""
    event = decode_event(drafts[0].value)
    path = Path(re.sub(r"[^\w.-]+", "-", event.id) + ".act.json")
    save(path, drafts)
    typer.echo(path)
    console.print(
        f"Not sent: {len(drafts):,} decisions are in this file, and not everybody whom they name has signed them. The next one "
        f"reads them and signs: tallyroom desk countersign ELECTION {path} --operator ID=KEYFILE",
        soft_wrap=True, markup=False,
    )  # fmt: skip


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
    hand = Hand(log, topic, book)
    done = await work(book, hand)
    if hand.drafts:
        _told_of(hand.drafts)
        raise typer.Exit
    return done


def where_it_runs(current: Settings, definition: Definition) -> Settings:
    """The settings with the log of a night that `tallyroom night` runs on this machine, if there is no other one."""
    if current.kafka_url is not None or (current.data / EMBEDDED_FILE).exists():
        return current
    folder = night_folder(current.data, definition.election, str(definition.environment))
    return replace(current, data=folder) if (folder / EMBEDDED_FILE).exists() else current
