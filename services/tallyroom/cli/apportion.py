"""apportion: a pure calculator over the same code that seats come from on the night."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tallyroom.apportionment.allocate import apportion as share_out
from tallyroom.apportionment.model import RuleError
from tallyroom.cli.common import print_json, print_table
from tallyroom.codec.apportion import decode_problem, outcome_document

app = typer.Typer()


@app.command()
def apportion(
    file: Annotated[Path, typer.Argument(help="Problem as JSON: docs/apportionment.md; - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON on standard output.")] = False,
) -> None:
    """Turn votes into seats by a stated rule: thresholds, quotas, averages, districts; ties come back as lots."""
    problem = decode_problem(_read(file), str(file))
    document = outcome_document(share_out(problem))
    if as_json:
        print_json(document)
        return
    _show(document, dict(problem.figures.votes), file.stem)


def _read(file: Path) -> bytes:
    try:
        return typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise RuleError(f"{file} cannot be read: {error}.", "name a file with a problem") from error


def _show(document: dict[str, Any], votes: dict[str, int], title: str) -> None:
    """The outcome for people: the thresholds, a row per selection, then what is left open."""
    for bar in document["thresholds"]:
        where = f" in {bar['area']}" if bar["area"] else ""
        than = "more than " if bar["strict"] else ""
        base = " + ".join(bar["base"])
        print_line(
            f"threshold{where}: {than}{bar['share']} of {bar['base_votes']:,} ({base}): {bar['votes_needed']:,} votes"
        )
    if "quota" in document:
        print_line(f"quota: {document['quota']} ({document['quota_exact']})")
    columns, rows = _rows(document, votes)
    if rows:
        print_table(f"{title}: {document['method']}", columns, rows)
    for name, area in document.get("areas", {}).items():
        _show(area, {}, f"{title}, {name}")
    for line in _lines(document):
        print_line(line)


def print_line(text: str) -> None:
    """A line of the answer: on standard output, as the table is."""
    typer.echo(text)


def _rows(document: dict[str, Any], votes: dict[str, int]) -> tuple[list[str], list[list[object]]]:
    """Columns that this method has something for, and a row per selection, most seats first."""
    working = {"quotient": "quotients", "remainder": "remainders", "last quotient": "last_quotients"}
    working |= {"next quotient": "next_quotients"}
    shown = {column: document[key] for column, key in working.items() if document.get(key)}
    halves = {
        column: document[key] for column, key in (("list", "lists"), ("districts", "districts")) if key in document
    }
    seats, reasons = document["seats"], document["selections"]
    names = sorted({*seats, *reasons}, key=lambda name: (-seats.get(name, 0), -votes.get(name, 0), name))
    columns = ["selection", *(["votes"] if votes else []), "seats", *halves, *shown, *(["why"] if reasons else [])]
    rows: list[list[object]] = []
    for name in names:
        cells: list[object] = [name, *([votes.get(name, 0)] if votes else []), seats.get(name, 0)]
        cells += [found.get(name, 0) for found in halves.values()]
        cells += [found.get(name) or "-" for found in shown.values()]
        rows.append([*cells, *([reasons.get(name, {}).get("why", "")] if reasons else [])])
    return columns, rows


def _lines(document: dict[str, Any]) -> list[str]:
    """Conditions, verdict, second round, seats without a taker, lots."""
    lines = [f"{'holds' if held['holds'] else 'fails'}: {held['condition']}" for held in document.get("conditions", [])]
    if "accepted" in document:
        lines.append("accepted" if document["accepted"] else "rejected")
    if document.get("runoff"):
        lines.append(f"second round: {', '.join(document['runoff'])}")
    if document["unfilled"] and not document.get("runoff"):
        lines.append(f"seats that nobody can fill: {document['unfilled']:,}")
    lines += [f"district winners without a seat: {name} {n:,}" for name, n in document.get("unseated", {}).items()]
    for tie in (document["lots_required"] or {}).get("ties", []):
        lines.append(f"LOTS REQUIRED: {tie['seats']:,} among {', '.join(tie['selections'])} ({tie['at']})")
    return lines
