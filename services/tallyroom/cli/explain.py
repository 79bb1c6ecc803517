"""explain: the units behind a change between two moments, from a recording or from the log."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from tallyroom.cli.common import console, load_election, print_json, print_table, settings
from tallyroom.codec.reading import PartitionReader
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import TallyroomError
from tallyroom.log import events_topic, open_log
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import open_recording
from tallyroom.results.explain import Moment, explain
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import State

app = typer.Typer()

MOST: Final = 20
"""Units in a table, the largest; --json has all."""

_BATCH: Final = 5_000

Cut = Mapping[int, int]
"""Partition -> next offset."""


class NoMoment(TallyroomError):
    """There is no such moment, contest or area."""


@app.command("explain")
def explain_change(
    night: Annotated[
        str, typer.Argument(metavar="ELECTION", help="A built-in night, a recording folder or a definition file.")
    ],
    start: Annotated[str, typer.Option("--from", help="Revision of the log, or time (RFC 3339) of a recording.")],
    end: Annotated[str, typer.Option("--to", help="The later one.")],
    contest: Annotated[str | None, typer.Option(help="By default the definition's first.")] = None,
    area: Annotated[str | None, typer.Option(help="By default the whole contest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Show which units are behind a change of the totals, and what is still out."""
    definition, chain = load_election(night)
    recorded = night in builtin_nights() or Path(night).is_dir()
    if start.isdecimal() and end.isdecimal():
        base = f"http://127.0.0.1:{settings().http_port}"
        cuts = _as_of(base, definition.election, int(start)), _as_of(base, definition.election, int(end))
        moments = asyncio.run(_of_log(definition, Plan(definition, chain), cuts))
    elif recorded:
        moments = _of_recording(night, Plan(definition, chain), (_time(start), _time(end)))
    else:
        raise NoMoment(
            f"{start!r} to {end!r} are no revisions.", "name two revisions of the log, or a recording and two times"
        )
    chosen = contest or definition.contests[0].id
    try:
        found = explain(*moments, chosen, area)
    except KeyError as error:
        raise NoMoment(
            f"There is no {error.args[0]!r} in {definition.election}.", "see the definition for contests and areas"
        ) from error
    if as_json:
        print_json(found)
    else:
        _show(found)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NoMoment(f"{text!r} is neither a revision nor a time.", "write 2023-03-19T21:30:00+06:00") from None
    if at.tzinfo is None:
        raise NoMoment(f"{text!r} has no zone.", "write 2023-03-19T21:30:00+06:00, or Z for UTC")
    return at


def _of_recording(night: str, plan: Plan, span: tuple[datetime, datetime]) -> tuple[Moment, Moment]:
    """A recording's events up to each of two times of arrival."""
    reader = PartitionReader(plan)
    before: Moment | None = None
    for offset, timed in enumerate(open_recording(night).events()):
        if before is None and timed.at > span[0]:
            before = Moment(reader.fold.plan, dict(reader.fold.units()))
        if timed.at > span[1]:
            break
        reader.take(timed.value, timed.key, timed.headers, offset)
    after = Moment(reader.fold.plan, reader.fold.units())
    return before or after, after


async def _of_log(definition: Definition, plan: Plan, cuts: tuple[Cut, Cut]) -> tuple[Moment, Moment]:
    """The log up to each of two cuts, all partitions together."""
    log = open_log(settings())
    topic = events_topic(definition.election, str(definition.environment))
    sides: tuple[dict[str, State], dict[str, State]] = ({}, {})
    plans = [plan, plan]
    try:
        partitions = await log.partitions(topic)
        for partition in range(partitions):
            reader = PartitionReader(plan, partition, partitions)
            at = 0
            for side in (0, 1):
                until = cuts[side].get(partition, 0)
                while at < until:
                    records = await log.read(topic, partition, at, min(_BATCH, until - at))
                    if not records:
                        raise NoMoment(f"Partition {partition} ends at {at}, not at {until}.", "name the right log")
                    for record in records:
                        reader.take(record.value, record.key, record.headers, record.offset)
                    at = records[-1].offset + 1
                sides[side].update(reader.fold.units())
                plans[side] = reader.fold.plan
    finally:
        await log.close()
    return Moment(plans[0], sides[0]), Moment(plans[1], sides[1])


def _as_of(base: str, election: str, revision: int) -> Cut:
    """The offsets that a revision covers, as a gateway remembers them."""
    address = f"{base}/v1/elections/{election}/history"
    try:
        answer = httpx.get(address, params={"since": max(0, revision - 1)}, timeout=10)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise NoMoment(
            f"{address} does not know revision {revision}: {error}.",
            "start a gateway, or set TALLYROOM_HTTP_PORT to its port",
        ) from error
    for entry in answer.json()["revisions"]:
        if entry["revision"] == revision:
            return {int(partition): offset for partition, offset in entry["as_of"]["events"].items()}
    raise NoMoment(f"The gateway has not shown revision {revision}.", "name one that stands in its history")


def _show(found: dict[str, Any]) -> None:
    """The change, the units behind it, and what is out, as tables."""
    before, after, out = found["before"], found["after"], found["outstanding"]
    moved = [
        (name, before["figures"][name], after["figures"][name], f"{value:+,}", after["shares"].get(name) or "")
        for name, value in found["difference"].items()
    ]
    title = (
        f"{found['contest']}, {found['area']}: {before['units_reported']:,} units in, then {after['units_reported']:,}"
    )
    print_table(title, ["figure", "before", "after", "difference", "share"], moved)
    if found["amended"]:
        console.print("The definition was amended in between.")
    units = found["units"]
    rows = [
        (unit["unit"], unit["area"], unit["change"], _differences(unit["difference"]), unit["voters_registered"] or "")
        for unit in units[:MOST]
    ]
    print_table(f"{len(units):,} units behind it", ["unit", "area", "change", "difference", "voters"], rows)
    left = [
        (
            unit["unit"],
            unit["area"],
            unit["state"],
            unit["voters_registered"] or "",
            _differences(unit["previous"] or {}),
        )
        for unit in sorted(out["units"], key=lambda unit: -(unit["voters_registered"] or 0))[:MOST]
    ]
    title = f"{out['count']:,} units out, {out['voters_registered']:,} voters registered"
    print_table(title, ["unit", "area", "state", "voters", "last time"], left)
    if out["previous"] is not None:
        shares = ", ".join(f"{name} {value}" for name, value in out["previous"]["shares"].items() if value)
        console.print(f"{out['previous']['units']:,} of them voted last time: {shares}")


def _differences(figures: Mapping[str, int]) -> str:
    ordered = sorted(figures.items(), key=lambda item: -abs(item[1]))
    return ", ".join(f"{name} {value:+,}" for name, value in ordered[:5])
