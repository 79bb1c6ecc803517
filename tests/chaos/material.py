"""An election and a log of events for a seed: versions up and down, late, twice, contradictory, amended, and 1 % garbage."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from tallyroom.codec.definition import definition_hash, encode_definition
from tallyroom.domain.election import (
    Accounting,
    Area,
    Contest,
    Definition,
    Environment,
    Identity,
    Relation,
    ReportingUnit,
    Selection,
    Source,
)
from tallyroom.domain.partition import partition_of

REGIONS: Final = 5
DISTRICTS: Final = 4
GARBAGE: Final = 0.01
AGAIN: Final = 0.04
LATE: Final = 0.05
CONTRADICTS: Final = 0.004
CONTESTS: Final = {"list": ("P", "Q", "R", "S", "AGAINST"), "mayor": ("X", "Y", "Z")}
NEW_UNIT: Final = "N-0001"


class Sending(NamedTuple):
    """A record to be sent. ``partition`` None: by the key."""

    key: bytes | None
    value: bytes | None
    partition: int | None = None


@dataclass(frozen=True)
class Material:
    """Everything of a round that goes into the log."""

    definition: Definition
    chain: str
    records: Sequence[Sending]
    reports: int  # as it was asked for: equal numbers make equal definitions

    def encoded(self) -> bytes:
        """The definition as the services are given it."""
        return encode_definition(self.definition)

    def write(self, folder: Path) -> Path:
        """The definition as a file."""
        path = folder / f"{self.definition.election}.json"
        path.write_bytes(self.encoded())
        return path


def made(seed: int, reports: int, partitions: int, election: str, units: int | None = None) -> Material:
    """About so many records for an election of this name; the same for the same arguments. ``units``: by default so many
    that each reports seven times in both contests."""
    dice = random.Random(f"material {seed}")
    definition = _definition(election, units or max(6, reports // 14))
    chain = definition_hash(definition)
    records = _shuffled(dice, list(_reports(dice, definition, reports)))
    records = list(_with_garbage(dice, records, partitions))
    at = dice.randrange(len(records) // 4, len(records) // 2)
    records[at:at] = _amendment(definition, chain, partitions)
    return Material(definition, chain, records, reports)


def _definition(election: str, units: int) -> Definition:
    regions = [f"R{n}" for n in range(REGIONS)]
    districts = {f"R{n}-{m}": f"R{n}" for n in range(REGIONS) for m in range(DISTRICTS)}
    areas: dict[str, str | None] = {"C": None, **dict.fromkeys(regions, "C"), **districts}
    names = [f"U-{number:05d}" for number in range(units)]
    placed = {unit: list(districts)[number % len(districts)] for number, unit in enumerate(names)}
    levels = {None: "country", "C": "region"}
    return Definition(
        election=election,
        environment=Environment.TEST,
        names={"en": "Chaos"},
        date=date(2030, 5, 5),
        time_zones=("UTC",),
        languages=("en",),
        sources=tuple(Source(id=name, names={}, may_report=("report", "amendment")) for name in ("cec", "other")),
        areas=tuple(Area(id=a, level=levels.get(above, "district"), names={}) for a, above in areas.items()),
        units=tuple(ReportingUnit(id=unit, registered=5000) for unit in names),
        contests=tuple(_contest(name, areas, placed) for name in CONTESTS),
    )


def _contest(name: str, areas: dict[str, str | None], units: dict[str, str]) -> Contest:
    accounting = Accounting(
        measures=("cast", "valid"),
        cast="cast",
        share_base=("valid",),
        identities=(
            Identity(total="valid", parts=("selections",)),
            Identity(total="cast", parts=("valid",), relation=Relation.AT_LEAST),
        ),
    )
    selections = tuple(Selection(id=selection, names={}) for selection in CONTESTS[name])
    return Contest(
        id=name, names={}, selections=selections, accounting=accounting, areas=areas, units=units, source="cec"
    )


def report(election: str, contest: str, unit: str, version: int, counts: Sequence[int], **more: Any) -> dict[str, Any]:
    """A report as a source writes it."""
    valid = sum(counts)
    return {
        "type": "report", "id": f"{contest}.{unit}.{version}", "election": election, "environment": "test",
        "source": "cec", "reported_at": f"2030-05-05T21:{version % 60:02d}:00Z", "contest": contest, "unit": unit,
        "version": version, "counts": dict(zip(CONTESTS[contest], counts, strict=True)),
        "ballots": {"cast": valid + version % 3, "valid": valid}, **more,
    }  # fmt: skip


def tail(material: Material, dice: random.Random) -> list[Sending]:
    """Some more reports, newer than everything that was sent before."""
    units = dice.sample(list(material.definition.contests[0].units), min(200, len(material.definition.units)))
    version = 2000 + dice.randrange(10**6)
    counts = [dice.randrange(300) for _ in CONTESTS["list"]]
    return [_sending(report(material.definition.election, "list", unit, version, counts)) for unit in units]


def _sending(made: dict[str, Any]) -> Sending:
    return Sending(f"{made['contest']}|{made['unit']}".encode(), json.dumps(made).encode())


def _reports(dice: random.Random, definition: Definition, reports: int) -> Iterator[tuple[float, Sending]]:
    """(place in the log, record). A unit's versions come in order, except for those that are late on purpose."""
    leaves = [(contest.id, unit) for contest in definition.contests for unit in contest.units]
    leaves += [(contest, NEW_UNIT) for contest in CONTESTS]
    each = max(1, round(reports / len(leaves) / (1 + AGAIN + CONTRADICTS)))
    for contest, unit in leaves:
        at, counts = 0.0, [dice.randrange(40) for _ in CONTESTS[contest]]
        for version in range(1, each + 1):
            at += dice.random() / each * 2
            counts = [max(0, votes + dice.randrange(-6, 25)) for votes in counts]
            more: dict[str, Any] = {}
            if dice.random() < 0.01:
                more = {"kind": "retraction", "reason": "withdrawn"}
            elif dice.random() < 0.01:
                more = {"disposition": dice.choice(["held", "annulled"])}
            sent = _sending(report(definition.election, contest, unit, version, counts, **more))
            yield (at + dice.random() if dice.random() < LATE else at), sent
            if dice.random() < AGAIN:
                yield at + dice.random() / 3, sent
            if dice.random() < CONTRADICTS:
                other = [votes + 1 for votes in counts]
                yield at + dice.random() / 3, _sending(report(definition.election, contest, unit, version, other))


def _shuffled(dice: random.Random, placed: list[tuple[float, Sending]]) -> list[Sending]:
    placed.sort(key=lambda item: (item[0], item[1].key or b""))
    return [sending for _, sending in placed]


def _with_garbage(dice: random.Random, records: Sequence[Sending], partitions: int) -> Iterator[Sending]:
    for sending in records:
        if dice.random() < GARBAGE:
            yield _poison(dice, sending, partitions)
        yield sending


def _poison(dice: random.Random, sound: Sending, partitions: int) -> Sending:
    """A record that must be refused, made of a sound one with a version that would win if it were not."""
    report = json.loads(sound.value or b"{}")
    report["version"] += 1000
    first = next(iter(report["counts"]))
    wrongs: list[dict[str, Any]] = [
        {"counts": {**report["counts"], first: report["counts"][first] + 7}},  # the sum is another one
        {"counts": {**report["counts"], first: -1}},
        {"counts": {**report["counts"], "GHOST": 1}},
        {"counts": {name: votes for name, votes in report["counts"].items() if name != first}},
        {"unit": "GHOST"}, {"contest": "ghost"}, {"election": "another"}, {"environment": "live"}, {"source": "other"},
        {"source": "nobody"}, {"version": 0}, {"unexpected": True}, {"type": "rumour"}, {"reported_at": "yesterday"},
    ]  # fmt: skip
    how = dice.randrange(len(wrongs) + 4)
    if how < len(wrongs):
        return sound._replace(value=json.dumps({**report, **wrongs[how]}).encode())
    whole = json.dumps(report).encode()
    right = partition_of(sound.key or b"", partitions)
    return (
        sound._replace(value=whole[: dice.randrange(1, len(whole))]),
        sound._replace(value=b"\xff\xfe" + whole),
        sound._replace(value=None),
        sound._replace(value=whole, partition=(right + 1) % partitions),
    )[how - len(wrongs)]


def _amendment(definition: Definition, chain: str, partitions: int) -> list[Sending]:
    """One more unit, told to every partition: whatever it reported before was refused."""
    amendment = {
        "type": "amendment", "id": "amendment-1", "election": definition.election, "environment": "test",
        "source": "cec", "reported_at": "2030-05-05T21:30:00Z", "previous": chain,
        "changes": [{
            "change": "add_unit", "unit": {"id": NEW_UNIT, "registered": 900}, "contests": dict.fromkeys(CONTESTS, "R0-0"),
        }],
    }  # fmt: skip
    value = json.dumps(amendment).encode()
    return [Sending(b"|", value, number) for number in range(partitions)]
