"""import, simulate, tabulate: recordings made and folded without any server."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from tallyroom.cli.common import console, load_election, print_json, print_table
from tallyroom.codec.definition import chain_hash
from tallyroom.codec.events import Amendment, Report, Undecodable, decode_event, partition_key
from tallyroom.codec.signatures import judge_signature
from tallyroom.domain.election import Definition
from tallyroom.recordings.format import TimedEvent, open_recording
from tallyroom.recordings.nights import import_night
from tallyroom.recordings.simulate import simulate as simulate_night
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.tabulation.asides import judge_aside
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused

app = typer.Typer()


@app.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(help="Folder of a foreign night with its manifest.json.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording to write.")],
) -> None:
    """Turn a foreign night into a recording."""
    manifest = import_night(folder, out)
    console.print(f"{manifest.name}: {manifest.events:,} events in {out}")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Which night: kz-2023.")] = "kz-2023",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording to write.")] = Path("kz-2023"),
    seed: Annotated[int, typer.Option(help="Other seeds give other nights with the same published figures.")] = 2023,
) -> None:
    """Generate a simulated night that hits every published figure exactly."""
    manifest = simulate_night(name, out, seed)
    console.print(f"{manifest.name}: {manifest.events:,} events in {out}")


@app.command()
def tabulate(
    recording: Annotated[str, typer.Argument(help="A built-in night or a recording folder.")],
    as_json: Annotated[bool, typer.Option("--json/--table")] = True,
) -> None:
    """Fold a recording without any server and print the snapshot."""
    opened = open_recording(recording)
    definition, chain = load_election(recording)
    fold, refused = fold_all(definition, chain, opened.events())
    snapshot = snapshot_of(fold, refused)
    if as_json:
        print_json(snapshot)
        return
    for contest in snapshot["contests"]:
        rows = [
            (name, votes, contest["areas"][0]["shares"][name]) for name, votes in contest["areas"][0]["counts"].items()
        ]
        print_table(contest["contest"], ["selection", "votes", "share"], rows)


def fold_all(definition: Definition, chain: str, events: Iterable[TimedEvent]) -> tuple[PartitionFold, list[Refused]]:
    """Fold recorded events in order as one partition; the fold and what was refused."""
    fold = PartitionFold(Plan(definition, chain), 0, 1)
    refused: list[Refused] = []
    seen: set[str] = set()
    for offset, timed in enumerate(events):
        verdict = _fold_one(fold, timed, offset, seen)
        if isinstance(verdict, Refused):
            refused.append(verdict)
    return fold, refused


def _fold_one(fold: PartitionFold, timed: TimedEvent, offset: int, seen: set[str]) -> Any:
    value = timed.value
    try:
        event = decode_event(value)
    except Undecodable as error:
        return fold.refuse(Refused(error.refusal, str(error)))
    unproven = judge_signature(fold.plan, event, value, timed.headers)
    if unproven is not None:
        return fold.refuse(unproven)
    if isinstance(event, Report):
        return fold.report(event, partition_key(event), offset)
    if event.id in seen:
        fold.tallies.duplicates += 1
        return None
    seen.add(event.id)
    refused = judge_aside(fold.plan, event, str(event.__struct_config__.tag))
    if refused is not None:
        return fold.refuse(refused)
    if isinstance(event, Amendment):
        return fold.amend(event.to_domain(), chain_hash(fold.plan.chain, value))
    fold.aside(event, str(event.__struct_config__.tag))
    return None


def snapshot_of(fold: PartitionFold, refused: list[Refused]) -> dict[str, Any]:
    """The contests of a snapshot from a fold, with what was refused; everything released, since nothing is published."""
    deriver, facts = Deriver(fold.plan), Facts(totals=fold.cells())
    contests = []
    for name, contest in fold.plan.contests.items():
        documents = deriver.documents([(name, area) for area in contest.contest.areas], facts, release=True)
        areas = [area for key, listed in documents.items() if key.startswith("areas:") for area in listed]
        contests.append({**documents[f"contest:{name}"], "areas": areas})
    reasons: dict[str, int] = {}
    for item in refused:
        reasons[str(item.refusal)] = reasons.get(str(item.refusal), 0) + 1
    tallies = {
        name: getattr(fold.tallies, name) for name in ("accepted", "superseded", "duplicates", "late", "decreases")
    }
    return {
        "election": fold.plan.election,
        "environment": fold.plan.environment,
        "definition": fold.plan.chain,
        "events": tallies,
        "quarantined": dict(sorted(reasons.items())),
        "contests": contests,
    }
