"""``make bench``: writes build/bench.json, a flat object of named figures with versions and the commit.

Ratios within one run are what counts: the machine is shared. Everything runs on this machine: broker, store, services, load.
"""

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tallyroom.log import KafkaLog, events_topic, quarantine_topic
from tallyroom.store import EmbeddedValkey
from tallyroom.testing.kafka import KafkaBroker
from tests.bench.derive import revisions
from tests.bench.latency import measure
from tests.bench.material import PARTITIONS, definition, fill, reports, write_definition
from tests.bench.signed import signed
from tests.bench.throughput import bare_aiokafka, ours, plain_faust, services, tabulator

UNITS, VERSIONS = 50_000, 8
PLAIN = 20_000
RATES = (500, 3_000, 8_000)
SECONDS = 12
OUT = Path("build/bench.json")

Figures = dict[str, float | int | str]


async def _topic(broker: KafkaBroker, election: str) -> str:
    log = KafkaLog(broker.bootstrap)
    for name in (events_topic, quarantine_topic):
        await log.create(name(election, "test"), PARTITIONS)
    await log.close()
    return events_topic(election, "test")


async def throughput(broker: KafkaBroker, redis_url: str, folder: Path, rounds: int) -> Figures:
    """Ours, bare aiokafka and the plain agent on the same records; then ours with 1 % garbage, in turn."""
    figures: Figures = {}
    walls: dict[str, list[float]] = {"clean": [], "garbage": []}
    cpus: list[float] = []
    for number in range(rounds):
        kinds = [("garbage", 0.01), ("clean", 0.0)]
        for kind, share in kinds if number % 2 else reversed(kinds):  # neither always has the warmer broker
            election = definition(f"bench-{kind}-{number}", UNITS)
            topic = await _topic(broker, election.election)
            records = list(reports(election, VERSIONS, share))
            await fill(broker.bootstrap, topic, records)
            wall, cpu = await ours(broker, redis_url, election.election, write_definition(folder, election), folder)
            walls[kind].append(wall)
            if kind == "clean":
                cpus.append(cpu)
            print(f"{kind:8} {wall:9,.0f} reports/s {cpu:9,.0f} per CPU-second", flush=True)
    figures["tabulator_reports_per_s"] = round(median(walls["clean"]))
    figures["tabulator_reports_per_cpu_s"] = round(median(cpus))
    pairs = [dirty / clean for dirty, clean in zip(walls["garbage"], walls["clean"], strict=True)]
    figures["garbage_throughput_ratio"] = round(median(pairs), 3)
    figures["aiokafka_reports_per_s"] = round(
        await bare_aiokafka(broker, events_topic("bench-clean-0", "test"), UNITS * VERSIONS)
    )
    election = definition("bench-plain", UNITS)
    topic = await _topic(broker, "bench-plain")
    await fill(broker.bootstrap, topic, list(reports(election, 1))[:PLAIN])
    figures["plain_faust_reports_per_s"] = round(await plain_faust(broker, redis_url, topic, PLAIN, folder))
    figures["tabulator_over_plain_faust"] = round(
        float(figures["tabulator_reports_per_s"]) / float(figures["plain_faust_reports_per_s"]), 1
    )
    return figures


async def latency(broker: KafkaBroker, redis_url: str, folder: Path) -> Figures:
    """Publish -> applied and publish -> in the snapshot at each rate."""
    figures: Figures = {}
    election = definition("bench-latency", UNITS)
    topic = await _topic(broker, election.election)
    path = write_definition(folder, election)
    stream = reports(election, 9)
    with tabulator(broker, redis_url, path, folder), services(broker, redis_url, path, folder):
        await _settle(broker, redis_url, election.election, topic, [next(stream) for _ in range(2_000)])
        for rate in RATES:
            records = [next(stream) for _ in range(rate * SECONDS)]
            found = await measure(broker.bootstrap, redis_url, election.election, topic, records, rate)
            for name, values in found.items():
                suffix = "" if name == "applied" else "_published"
                for figure, value in values.items():
                    figures[f"latency_{rate}{suffix}_{figure}"] = value
            print(rate, found, flush=True)
    return figures


async def _settle(
    broker: KafkaBroker, redis_url: str, election: str, topic: str, records: list[tuple[bytes, bytes]]
) -> None:
    """Wait until tabulator and publisher have joined and published once."""
    await measure(broker.bootstrap, redis_url, election, topic, records, 1_000)


def _about() -> Mapping[str, str]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    names = ("tallyroom", "faust-streaming", "aiokafka", "redis", "msgspec")
    return {
        "commit": commit,
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
        **{f"version_{name}": version(name) for name in names},
    }


async def main() -> None:
    """Run everything and write build/bench.json."""
    rounds = int(os.environ.get("BENCH_ROUNDS", "3"))
    only = set(sys.argv[1:]) or {"throughput", "latency", "derive", "signed"}
    figures: Figures = {}
    if "derive" in only:
        figures |= await revisions()
    if only == {"derive"}:
        _write(figures)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with KafkaBroker(folder / "kafka") as broker, EmbeddedValkey(folder / "valkey") as valkey:
            if "throughput" in only:
                figures |= await throughput(broker, valkey.url, folder, rounds)
            if "latency" in only:
                figures |= await latency(broker, valkey.url, folder)
            if "signed" in only:
                figures |= await signed(broker, valkey.url, folder)
    _write(figures)


def _write(figures: Figures) -> None:
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({**_about(), **figures}, indent=1) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    asyncio.run(main())
