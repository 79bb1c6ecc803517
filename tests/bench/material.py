"""What the benchmark runs on: an election of 50,000 units, its reports, and the servers."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

from tallyroom.codec.definition import encode_definition
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

SELECTIONS = ("AMANAT", "AUYL", "RESPUBLICA", "AQJOL", "QHP", "JSDP", "BAYTAQ", "AGAINST_ALL")
AREAS = 20
PARTITIONS = 8


def definition(election: str, units: int) -> Definition:
    """A party-list contest over 20 regions."""
    identifiers = [f"SIM-KZ-{number % AREAS:02d}-{number:05d}" for number in range(units)]
    regions = [f"R{number:02d}" for number in range(AREAS)]
    contest = Contest(
        id="list",
        names={"en": "List"},
        selections=tuple(Selection(id=name, names={"en": name}) for name in SELECTIONS),
        accounting=Accounting(
            measures=("cast", "valid"),
            cast="cast",
            share_base=("valid",),
            identities=(
                Identity(total="valid", parts=("selections",)),
                Identity(total="cast", parts=("valid",), relation=Relation.AT_LEAST),
            ),
        ),
        areas={"KZ": None, **dict.fromkeys(regions, "KZ")},
        units={unit: regions[number % AREAS] for number, unit in enumerate(identifiers)},
        source="cec",
    )
    areas = (Area(id="KZ", level="country", names={}), *(Area(id=r, level="region", names={}) for r in regions))
    return Definition(
        election=election,
        environment=Environment.TEST,
        names={"en": "Benchmark"},
        date=date(2023, 3, 19),
        time_zones=("Asia/Almaty",),
        languages=("en",),
        sources=(Source(id="cec", names={"en": "Source"}, may_report=("report",)),),
        areas=areas,
        units=tuple(ReportingUnit(id=unit, registered=20_000) for unit in identifiers),
        contests=(contest,),
    )


def reports(election: Definition, versions: int, garbage: float = 0.0, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of growing partial counts, 2 % of them corrected downwards; ``garbage``: share of broken records."""
    dice = random.Random(seed)
    units = [unit.id for unit in election.units]
    for version in range(1, versions + 1):
        dice.shuffle(units)
        for unit in units:
            factor = version - 1 if version > 1 and dice.random() < 0.02 else version
            counts = {name: (17 + 31 * index) * factor for index, name in enumerate(SELECTIONS)}
            valid = sum(counts.values())
            key = f"list|{unit}".encode()
            value = msgspec.json.encode(
                {
                    "type": "report", "id": f"{unit}.{version}", "election": election.election,
                    "environment": "test", "source": "cec", "reported_at": "2023-03-19T21:15:02Z",
                    "contest": "list", "unit": unit, "version": version, "counts": counts,
                    "ballots": {"cast": valid + 7, "valid": valid},
                }
            )  # fmt: skip
            yield key, value
            if garbage and dice.random() < garbage:
                yield key, value[: dice.randrange(10, len(value))]


async def fill(bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes]]) -> None:
    """Produce as fast as it goes."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, linger_ms=20, max_batch_size=1 << 19)
    await producer.start()
    try:
        sent = [await producer.send(topic, value, key=key) for key, value in records]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def write_definition(folder: Path, election: Definition) -> Path:
    """The definition as a file for the services."""
    path = folder / f"{election.election}.json"
    path.write_bytes(encode_definition(election))
    return path


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def now() -> float:
    """Monotonic seconds."""
    return time.monotonic()
