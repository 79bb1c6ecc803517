"""quarantine: what was refused and waits for somebody, and decisions about it."""

from typing import Annotated, Any

import typer

from tallyroom.cli.common import console, print_json, print_table
from tallyroom.cli.desk_room import AsJson, Election, KeyFile, Operators, Reason, at_the_desk, people
from tallyroom.desk.acts import Hand, People, chosen
from tallyroom.desk.book import Book, Case, CaseState
from tallyroom.desk.views import Filter, Scales, counted, listed, shown
from tallyroom.domain.events import Refusal

app = typer.Typer(help="What was refused: look at it, release it, reject it.", no_args_is_help=True)

Places = Annotated[
    list[str], typer.Argument(help="PARTITION:OFFSET as the list shows them, or a reason code: all that waits for it.")
]


@app.command("list")
def list_cases(
    election: Election,
    state: Annotated[str, typer.Option(help="waiting, released, rejected, settled or all.")] = CaseState.WAITING.value,
    reason: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    contest: Annotated[str | None, typer.Option(help="Only of this contest.")] = None,
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Refused records, oldest first, with what a release could change."""
    if state != "all" and state not in list(CaseState):
        raise typer.BadParameter(f"{state!r} is none of {', '.join(CaseState)}, all")
    wanted = Filter(state=None if state == "all" else CaseState(state), code=reason, contest=contest, source=source)

    async def work(book: Book, _: Hand) -> list[dict[str, Any]]:
        return listed(book, wanted, Scales(book))

    lines = at_the_desk(election, work)
    if as_json:
        print_json({"cases": lines, "numbers": counted(lines)})
        return
    rows = [
        (line["at"], f"{line['appended_at']:%H:%M:%S}", line["reason"], _what(line), _alarm(line)) for line in lines
    ]
    print_table(f"{election}: {len(lines):,} refused ({state})", ["at", "since", "reason", "what", "if released"], rows)
    if any(line.get("could_change_outcome") for line in lines):
        console.print("[bold red]A release could change an outcome:[/bold red] tallyroom quarantine show ELECTION AT")


def _what(line: dict[str, Any]) -> str:
    """The unit, or whatever else the record is about, and who sent it."""
    unit = "|".join(str(line[name]) for name in ("contest", "unit", "count_group") if line[name])
    version = f" version {line['version']}" if line["version"] else ""
    return f"{unit or line['type'] or 'bytes'}{version}, {line['source'] or 'source unknown'}"


def _alarm(line: dict[str, Any]) -> str:
    if line["state"] != CaseState.WAITING:
        return str(line["state"])
    if line.get("could_change_outcome"):
        return "OUTCOME TURNS"
    return "no turn" if line["releasable"] else "-"


@app.command("show")
def show_case(
    election: Election,
    at: Annotated[str, typer.Argument(help="PARTITION:OFFSET, as the list shows it.")],
    as_json: AsJson = False,
) -> None:
    """One refused record: its bytes, what the unit said before, and the results if it were released."""

    async def work(book: Book, _: Hand) -> dict[str, Any]:
        (case,) = chosen(book, [at])
        return await shown(book, case, Scales(book))

    found = at_the_desk(election, work)
    if as_json:
        print_json(found)
        return
    _print_case(found)


def _print_case(found: dict[str, Any]) -> None:
    typer.echo(f"{found['at']}  {found['state']}  {found['reason']}: {found['detail']}")
    typer.echo(f"appended {found['appended_at']:%Y-%m-%d %H:%M:%S} UTC, {len(found['original']):,} characters:")
    typer.echo(found["original"])
    if "decision" in found:
        decided = found["decision"]
        typer.echo(f"{found['state']} by {', '.join(decided['operators'])}: {decided['reason']} ({decided['at']})")
    previous = found.get("previous")
    if previous is not None:
        typer.echo(f"accepted before: version {previous['version']} at {previous['at']}: {_figures(previous)}")
    elif "previous" in found:
        typer.echo("accepted before: nothing of this unit")
    if found["if_released"] is None:
        typer.echo(f"if released: nothing would change ({found['because']})")
        return
    _print_effect(found["if_released"])


def _figures(state: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in state["figures"].items())


def _print_effect(effect: dict[str, Any]) -> None:
    rows = [
        (name, item["before"], item["after"], item["share_before"] or "-", item["share_after"] or "-")
        for name, item in effect["figures"].items()
    ]
    print_table(
        f"if released ({effect['verdict']}): the whole contest",
        ["figure", "now", "then", "share now", "share then"],
        rows,
    )
    for turn in effect["turns"]:
        typer.echo(f"{turn['what']} {turn['of']}: {_said(turn['before'])} -> {_said(turn['after'])}")
    typer.echo("COULD CHANGE OUTCOME" if effect["could_change_outcome"] else "No outcome turns.")


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command("release")
def release(
    election: Election,
    places: Places,
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Let refused reports count, with a flag where they are implausible. In the log for good, by name."""
    _decide(election, "released", places, people(operators, reason, key), as_json)


@app.command("reject")
def reject(
    election: Election,
    places: Places,
    operators: Operators = None,
    reason: Reason = "",
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Say that refused records stay out. Totals are as they were; nobody has to look again."""
    _decide(election, "rejected", places, people(operators, reason, key), as_json)


def _cases(book: Book, places: list[str]) -> list[Case]:
    """The refused records at these places, and those that wait for these reasons. Raises DeskError."""
    codes = [place for place in places if place in list(Refusal)]
    found = chosen(book, [place for place in places if place not in codes])
    return found + [case for case in book.waiting() if case.code in codes]


def _decide(election: str, what: str, places: list[str], who: People, as_json: bool) -> None:
    async def work(book: Book, hand: Hand) -> list[dict[str, Any]]:
        scales, made = Scales(book), []
        for case in _cases(book, places):
            weighed = scales.weigh(case) if what == "released" else None
            event = await (hand.release(case, who) if what == "released" else hand.reject(case, who))
            turns = [] if weighed is None else [turn.of for turn in weighed.turns]
            flagged = what == "released" and hand.soft(case)
            made.append({"at": str(case.at), "decision": what, "event": event.id, "flag": flagged, "turned": turns})
        return made

    done = at_the_desk(election, work)
    if as_json:
        print_json(done)
        return
    for item in done:
        typer.echo(f"{item['at']} {what}: {_public(item)}")
    console.print(f"{len(done):,} {what}, by {', '.join(who.operators)}")


def _public(item: dict[str, Any]) -> str:
    """What readers will see of the decision."""
    if item["decision"] == "rejected":
        return "totals stay as they are"
    text = "the figures are in the totals" + (", with a flag beside them and your reason" if item["flag"] else "")
    return text + (f"; turned: {', '.join(item['turned'])}" if item["turned"] else "")
