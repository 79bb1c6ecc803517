"""``python -m tests.bench.rebuild [UNITS]``: how long a rebuild takes, on an SQLite log and a Valkey of its own."""

import asyncio
import gc
import json
import sys
import tempfile
import time
from pathlib import Path

from redis import Redis

from tallyroom.codec.definition import definition_hash
from tallyroom.log import SqliteLog, events_topic, quarantine_topic
from tallyroom.log.base import Entry
from tallyroom.store import EmbeddedValkey, RedisStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.rebuild import Rebuild
from tests.bench.material import PARTITIONS, definition, reports


def store_cpu(url: str) -> float:
    """CPU seconds that the server has used."""
    with Redis.from_url(url) as client:
        found = client.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


async def measure(url: str, folder: Path, units: int) -> dict[str, float | int]:
    """Write the log, then rebuild twice: into an empty store, and beside full hashes."""
    election = definition("bench-rebuild", units)
    topics = (events_topic(election.election, "test"), quarantine_topic(election.election, "test"))
    log, store = SqliteLog(folder / "log.sqlite3"), RedisStore(url, election.election, "test")
    for topic in topics:
        await log.create(topic, PARTITIONS)
    entries = [Entry(key, value) for key, value in reports(election, 1)]
    await log.append(topics[0], entries)
    took = {}
    for name in ("empty", "beside"):
        started, cpu, theirs = time.monotonic(), time.process_time(), store_cpu(url)
        done = await Rebuild(store, (log, topics), Plan(election, definition_hash(election))).run()
        took[f"rebuild_{name}_s"] = round(time.monotonic() - started, 2)
        took[f"rebuild_{name}_cpu_s"] = round(time.process_time() - cpu, 2)  # of the rebuild alone
        took[f"rebuild_{name}_store_cpu_s"] = round(store_cpu(url) - theirs, 2)
        assert done.units == units
    await log.close()
    await store.close()
    return {"rebuild_units": units, "rebuild_records": len(entries), **took}


def main() -> None:
    """Print the figures as JSON."""
    gc.disable()  # as the command does
    units = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder) / "valkey") as valkey:
        print(json.dumps(asyncio.run(measure(valkey.url, Path(folder), units))))


if __name__ == "__main__":
    main()
