"""What signatures cost the tabulator: the same reports unsigned, signed each by itself, and signed in batches; in one run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aiokafka import AIOKafkaProducer

from tallyroom.codec.signatures import SIGNATURE_HEADER, Key
from tallyroom.domain.election import Definition, Signatures, SourceKey
from tallyroom.log import KafkaLog, events_topic, quarantine_topic
from tallyroom.producer.publish import SIGNED_TOGETHER
from tallyroom.testing.kafka import KafkaBroker
from tests.bench.material import PARTITIONS, definition, reports, write_definition
from tests.bench.throughput import ours

UNITS, VERSIONS = 10_000, 6
KEY = Key("bench", bytes(range(32)))


def signed_definition(election: str) -> Definition:
    """The benchmark's election, its source with a key."""
    plain = definition(election, UNITS)
    (source,) = plain.sources
    keyed = replace(source, keys=(SourceKey(id=KEY.id, key=KEY.public),))
    return replace(plain, sources=(keyed,), signatures=Signatures.REQUIRED)


def signatures(values: Sequence[bytes], together: int) -> list[bytes]:
    """The signature of each value."""
    if together == 1:
        return [KEY.sign(value) for value in values]
    groups = (values[at : at + together] for at in range(0, len(values), together))
    return [signature for group in groups for signature in KEY.sign_batch(group)]


async def _fill(bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes]], proofs: Sequence[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, linger_ms=20, max_batch_size=1 << 19)
    await producer.start()
    try:
        for (key, value), proof in zip(records, proofs, strict=True):
            last = await producer.send(topic, value, key=key, headers=[(SIGNATURE_HEADER, proof)] if proof else [])
        await producer.flush()
        await last
    finally:
        await producer.stop()


async def signed(broker: KafkaBroker, redis_url: str, folder: Path) -> dict[str, float | int | str]:
    """Reports/s and reports per CPU-second of the three."""
    figures: dict[str, float | int | str] = {}
    for name, together in (("unsigned", 0), ("signed_batch", SIGNED_TOGETHER), ("signed_each", 1)):
        election = (
            signed_definition(f"bench-{name}".replace("_", "-")) if together else definition(f"bench-{name}", UNITS)
        )
        log = KafkaLog(broker.bootstrap)
        for topic in (events_topic, quarantine_topic):
            await log.create(topic(election.election, "test"), PARTITIONS)
        await log.close()
        records = list(reports(election, VERSIONS))
        values = [value for _, value in records]
        proofs = signatures(values, together) if together else [b""] * len(values)
        await _fill(broker.bootstrap, events_topic(election.election, "test"), records, proofs)
        path = write_definition(folder, election)
        wall, cpu = await ours(broker, redis_url, election.election, path, folder)
        figures[f"{name}_reports_per_s"], figures[f"{name}_reports_per_cpu_s"] = round(wall), round(cpu)
        print(f"{name:12} {wall:9,.0f} reports/s {cpu:9,.0f} per CPU-second", flush=True)
    return figures
