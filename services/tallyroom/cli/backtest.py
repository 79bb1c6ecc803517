"""backtest: what would have been stated on the way through a recorded night, held against its end."""

from datetime import datetime
from typing import Annotated, Any

import typer

from tallyroom.cli.common import console, print_json, print_table
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.backtest.coverage import Coverage, coverage
from tallyroom.recordings.backtest.decisions import Decision, Night, decisions
from tallyroom.recordings.backtest.orders import Tally, contradictions, shuffled
from tallyroom.recordings.format import Recording, open_recording

app = typer.Typer()


@app.command()
def backtest(
    recording: Annotated[str, typer.Argument(help="A built-in night or a recording folder.")],
    orders: Annotated[int, typer.Option(help="Also try so many drawn orders of arrival.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the drawn orders; equal seeds draw equal orders.")] = 1,
    projection: Annotated[
        bool, typer.Option("--projection", help="Measure projections instead: how often their intervals held the end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json/--table")] = False,
) -> None:
    """Play a night and list when each question was decided, by which level, and whether its end agrees.

    Fails (exit 1) if anything that was decided is contradicted by what was still outstanding.
    """
    opened = open_recording(recording)
    if projection:
        _projection(opened, coverage(opened, orders, seed), as_json=as_json)
        return
    night = decisions(opened)
    tally = shuffled(opened, orders, seed) if orders else None
    if as_json:
        print_json(_document(opened, night, tally))
    else:
        _print(opened, night, tally)
    wrong = len(night.wrong) + (len(tally.wrong) if tally is not None else 0)
    if wrong:
        raise RecordingError(
            f"{opened.manifest.name}: {wrong} decisions were contradicted.",
            "a bound is unsound or the definition's voter pools are wrong: trust no `decided` until it is found",
        )


def _projection(opened: Recording, found: Coverage, *, as_json: bool) -> None:
    """How often intervals held, by contest and order, and at each share of the units in."""
    rows = [
        (contest, order, f"{stop:.0%}", asked, f"{held / asked:.3f}", f"{100 * half:.2f}", f"{100 * error:.2f}")
        for contest, order, stop, asked, held, half, error in found.lines()
    ]
    columns = ["contest", "order", "units in", "intervals", "held", "half width", "mean error"]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(f"{opened.manifest.name}: projections, in percentage points", columns, rows)


def _document(opened: Recording, night: Night, tally: Tally | None) -> dict[str, Any]:
    return {
        "recording": opened.manifest.name,
        "decided": [_entry(decision, night) for decision in night.decisions],
        "never_decided": [[contest, *question] for contest, question in _never(night)],
        "undone_by_correction": len(night.undone),
        "wrong": len(night.wrong),
        "orders": None
        if tally is None
        else {
            "orders": tally.orders,
            "looks": tally.looks,
            "stated": tally.stated,
            "stated_with_units_out": tally.early,
            "wrong": list(contradictions(tally)),
        },
    }


def _entry(decision: Decision, night: Night) -> dict[str, Any]:
    key = decision.contest, decision.question
    return {
        "contest": decision.contest,
        "question": decision.question.kind,
        "selection": decision.question.selection,
        "answer": decision.answer,
        "at": _text(decision.at),
        "by": decision.by,
        "by_register_at": _text(night.by_register.get(key)),
        "units": decision.units,
        "units_expected": night.units[decision.contest],
        "share_of_ballots": _share(decision, night),
        "undone_at": _text(decision.until),
        "undone_by_correction": decision.corrected if decision.until is not None else None,
    }


def _print(opened: Recording, night: Night, tally: Tally | None) -> None:
    rows = [
        (
            _name(decision),
            decision.answer,
            f"{decision.at:%m-%d %H:%M:%S}",
            decision.by,
            f"{decision.units:,}/{night.units[decision.contest]:,}",
            _share(decision, night) or "-",
        )
        for decision in night.decisions
    ]
    columns = ["question", "answer", "decided (UTC)", "by", "units in", "ballots in"]
    print_table(opened.manifest.name, columns, rows)
    for decision in night.undone:
        console.print(f"{_name(decision)}: {decision.answer} was undone by a correction at {_text(decision.until)}")
    console.print(
        f"{len(night.decisions)} decisions, {len(night.undone)} undone by a correction, {len(night.wrong)} wrong;"
        f" {len(list(_never(night)))} questions never decided"
    )
    if tally is not None:
        console.print(
            f"{tally.orders:,} drawn orders: {tally.stated:,} decisions compared with the end at {tally.looks:,} looks,"
            f" {tally.early:,} of them with units still out, {len(tally.wrong)} wrong"
        )
        for line in contradictions(tally):
            console.print(line)


def _name(decision: Decision) -> str:
    selection = decision.question.selection
    return f"{decision.contest} {decision.question.kind}" + (f" {selection}" if selection is not None else "")


def _never(night: Night) -> list[tuple[str, Any]]:
    decided = {(decision.contest, decision.question) for decision in night.standing}
    return [key for key in night.ends if key not in decided]


def _share(decision: Decision, night: Night) -> str | None:
    """Ballots in the totals then, of those at the end (which nobody knew then)."""
    ballots = night.ballots[decision.contest]
    return f"{decision.ballots / ballots:.3f}" if ballots else None


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
