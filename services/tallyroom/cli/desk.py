"""desk, unit, amend: what operators decide in the night, each as an event in the log."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tallyroom.cli.common import console, load_election, print_json, settings
from tallyroom.cli.countersign import countersign
from tallyroom.cli.desk_room import AsJson, Election, KeyFile, Operators, Reason, at_the_desk, people, where_it_runs
from tallyroom.codec.signatures import Key
from tallyroom.desk import decide
from tallyroom.desk.acts import DeskError, Hand, People
from tallyroom.desk.api import DeskApi
from tallyroom.desk.book import Book
from tallyroom.desk.service import DeskService
from tallyroom.desk.views import state_document
from tallyroom.domain.election import Definition
from tallyroom.gateway.keyring import KeyRing
from tallyroom.log import events_topic, open_log
from tallyroom.producer.keyfile import load
from tallyroom.settings import Settings
from tallyroom.tabulation.plan import Plan
from tallyroom.telemetry.logs import configure_logs, get_logger
from tallyroom.telemetry.metrics import desk_metrics, new_registry
from tallyroom.telemetry.ops import Health, OpsServer

app = typer.Typer()
desk = typer.Typer(help="Acts of the operators: freeze, thaw, accept with a flag, call, embargo.", no_args_is_help=True)
unit = typer.Typer(help="One unit: what it said, and a correction by hand.", no_args_is_help=True)
app.add_typer(desk, name="desk")
app.add_typer(unit, name="unit")

desk.command("countersign")(countersign)

About = Annotated[str, typer.Argument(help="CONTEST, CONTEST:AREA or source:NAME; of a thaw also: publication.")]
Text = Annotated[
    list[str] | None, typer.Option("--text", help="What readers are told; en=... names the language, once for each.")
]
Source = Annotated[str, typer.Argument(help="A source of the definition.")]
What = Annotated[str, typer.Argument(help="CONTEST:SELECTION.")]
UnitName = Annotated[str, typer.Argument(help="CONTEST:UNIT, or CONTEST:UNIT#GROUP.")]


def _decided(election: str, who: People, work: Callable[[Book, Hand], Awaitable[str]]) -> None:
    typer.echo(at_the_desk(election, work))
    console.print(f"decided by {', '.join(who.operators)}")


@desk.command()
def freeze(
    election: Election,
    about: About,
    text: Text = None,
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
) -> None:
    """Publish no newer figures of a contest or area, or let reports of a source wait. Readers see your text."""
    who = people(operators, reason, key)

    async def work(book: Book, hand: Hand) -> str:
        said = decide.texts(book.plan, text or [])
        return await decide.freeze(hand, book, decide.target(book.plan, about), said, who)

    _decided(election, who, work)


@desk.command()
def thaw(
    election: Election, about: About, operators: Operators = None, reason: Reason = "", key: KeyFile = None
) -> None:
    """Take a freeze back."""
    who = people(operators, reason, key)

    async def work(book: Book, hand: Hand) -> str:
        return await decide.thaw(hand, book, decide.target(book.plan, about), who)

    _decided(election, who, work)


@desk.command("accept-with-flag")
def accept_with_flag(
    election: Election, source: Source, operators: Operators = None, reason: Reason = "", key: KeyFile = None
) -> None:
    """Count sheets of a source although they do not add up, each with a flag."""
    _accept(election, source, people(operators, reason, key), with_flag=True)


@desk.command("accept-strictly")
def accept_strictly(
    election: Election, source: Source, operators: Operators = None, reason: Reason = "", key: KeyFile = None
) -> None:
    """Refuse sheets of a source that do not add up, as before accept-with-flag."""
    _accept(election, source, people(operators, reason, key), with_flag=False)


def _accept(election: str, source: str, who: People, *, with_flag: bool) -> None:
    async def work(book: Book, hand: Hand) -> str:
        return await decide.accept(hand, book, source, who, with_flag=with_flag)

    _decided(election, who, work)


@desk.command()
def call(
    election: Election,
    what: What,
    text: Text = None,
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
) -> None:
    """Call a contest for a selection: apart from the data, with what the bound says beside it."""
    who = people(operators, reason, key)

    async def work(book: Book, hand: Hand) -> str:
        return await decide.call(hand, book, what, decide.texts(book.plan, text or []), who)

    _decided(election, who, work)


@desk.command()
def uncall(
    election: Election, what: What, operators: Operators = None, reason: Reason = "", key: KeyFile = None
) -> None:
    """Take a call back."""
    who = people(operators, reason, key)

    async def work(book: Book, hand: Hand) -> str:
        return await decide.uncall(hand, book, what, who)

    _decided(election, who, work)


@desk.command()
def embargo(
    election: Election,
    about: About,
    until: Annotated[str, typer.Option(help="RFC 3339 with a zone, or 'lift'.")],
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
) -> None:
    """Put off or lift the release of a contest's or area's figures."""
    who = people(operators, reason, key)
    at = None if until == "lift" else _time(until)

    async def work(book: Book, hand: Hand) -> str:
        return await decide.embargo(hand, book, decide.target(book.plan, about), at, who)

    _decided(election, who, work)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise DeskError(f"{text!r} is no time.", "give RFC 3339 with a zone: 2023-03-19T23:00:00+06:00") from error
    if at.tzinfo is None:
        raise DeskError(f"{text!r} has no zone.", "give RFC 3339 with a zone: 2023-03-19T23:00:00+06:00")
    return at.astimezone(UTC)


@desk.command("serve")
def serve(election: Election, key: KeyFile = None) -> None:
    """Follow the log: metrics of what waits, and the quarantine as JSON on the ops port (docs/quarantine.md)."""
    current = settings()
    configure_logs("desk", current.log_format)
    definition, chain = load_election(election)
    asyncio.run(_serve(where_it_runs(current, definition), definition, chain, None if key is None else load(key)))


async def _serve(current: Settings, definition: Definition, chain: str, key: Key | None) -> None:
    stop, registry, log = asyncio.Event(), new_registry("desk"), open_log(current)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    topic = events_topic(definition.election, str(definition.environment))
    book, keys = Book(log, topic, Plan(definition, chain)), current.access.keys
    service, ring = DeskService(book, desk_metrics(registry)), KeyRing(keys)
    ring.load()
    api = DeskApi(book, Hand(log, topic, book), ring, keyed=keys is not None, key=key)

    def health() -> Health:
        return Health(service.ready, [] if service.ready else ["the log was not read to its end yet"])

    following = asyncio.create_task(ring.follow())
    try:
        async with OpsServer(registry, health, current.ops_port, current.host, api.routes()) as ops:
            get_logger("desk").info("serving", ops=ops.url)
            await service.run(stop)
    finally:
        following.cancel()
        await log.close()


@app.command()
def amend(
    election: Election,
    file: Annotated[Path, typer.Argument(help="JSON list of changes: docs/events.md, 'amendment'.")],
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
) -> None:
    """Change the definition in mid-night; reports that waited for the change are judged again."""
    who = people(operators, reason, key)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DeskError(
            f"{file} cannot be read: {error.strerror}.", "name a file with a JSON list of changes"
        ) from error

    async def work(book: Book, hand: Hand) -> str:
        return await decide.amendment(hand, book, data, who)

    _decided(election, who, work)


@unit.command("correct")
def correct(
    election: Election,
    name: UnitName,
    figures: Annotated[list[str], typer.Argument(help="NAME=NUMBER; what is not named stays as it was reported.")],
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
) -> None:
    """Correct a unit by hand, as a report of kind `correction` with your reason; it is public."""
    who = people(operators, reason, key)

    async def work(book: Book, hand: Hand) -> str:
        return await decide.correct(hand, book, decide.leaf_of(book, name), dict(map(_figure, figures)), who)

    _decided(election, who, work)


def _figure(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name or not number.isdecimal():
        raise DeskError(f"{text!r} is no figure.", "give NAME=NUMBER, such as cast=1204")
    return name, int(number)


@unit.command("show")
def show(election: Election, name: UnitName, as_json: AsJson = False) -> None:
    """What a unit's newest accepted report says, and what was refused of it."""

    async def work(book: Book, _: Hand) -> dict[str, Any]:
        leaf = decide.leaf_of(book, name)
        state, at = book.unit(leaf)
        made: dict[str, Any] = {
            "unit": leaf.name,
            "area": leaf.area,
            "source": leaf.source,
            "at": str(at) if at else None,
        }
        accepted = None if state is None else state_document(leaf, state)
        return {**made, "accepted": accepted, "refused": decide.history(book, leaf)}

    found = at_the_desk(election, work)
    if as_json:
        print_json(found)
        return
    accepted = found["accepted"]
    typer.echo(f"{found['unit']} in {found['area']}, reported by {found['source']}")
    if accepted is None:
        typer.echo("has not reported")
    else:
        figures = ", ".join(f"{figure} {value:,}" for figure, value in accepted["figures"].items())
        typer.echo(
            f"version {accepted['version']} ({accepted['kind']}, {accepted['disposition']}) at {found['at']}: {figures}"
        )
    for item in found["refused"]:
        typer.echo(
            f"refused at {item['at']}: version {item['version']}, {item['reason']}, {item['state']}: {item['detail']}"
        )
