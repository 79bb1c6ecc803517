"""Records as only a foreign or hostile producer writes them: none stops a reader, a tabulator or the quarantine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from tallyroom.codec.events import MAX_EVENT_BYTES, encode_event
from tallyroom.log import Entry, KafkaLog, LogRecord
from tallyroom.log.patient import PatientRecords
from tallyroom.recordings.record import record
from tallyroom.store.base import Claim
from tallyroom.tabulator.owned import Owned
from tallyroom.tabulator.quarantine import MAX_HEADER_BYTES, MAX_HEADERS, quarantine_entry
from tallyroom.testing.kafka import KafkaBroker
from tests.support.mini import ABOUT, MINI, report
from tests.support.signing import signed_plan

VALUE = encode_event(report())


class Raw(str):
    """A header's name that is no UTF-8 on the wire."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def batch(*records: tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]], compression: int = 0) -> bytes:
    """Records as a producer sends them."""
    builder = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 1 << 20)
    for offset, (key, value, headers) in enumerate(records):
        assert builder.append(offset, 1_000 + offset, key, value, headers)
    return bytes(builder.build())


@pytest.mark.parametrize("compression", [0, 1])
def test_only_the_record_with_the_unreadable_name_loses_its_headers(compression: int) -> None:
    bad: list[tuple[str, bytes | None]] = [("a", b"1"), (Raw("xx"), b"2")]
    data = batch((b"k", b"v", [("a", b"1")]), (None, b"w", bad), (b"k", None, [("b", None)]), compression=compression)
    records = PatientRecords(data + batch((b"k", b"z", [])))
    first, second = records.next_batch(), records.next_batch()
    assert not records.has_next()
    assert first.validate_crc()
    read = [(item.offset, item.timestamp, item.key, item.value, list(item.headers)) for item in first]
    again = read[read.index(read[0]) :] if read.count(read[0]) == 1 else read[1:]  # from the first once more
    assert again == [
        (0, 1_000, b"k", b"v", [("a", b"1")]),
        (1, 1_001, None, b"w", []),
        (2, 1_002, b"k", None, [("b", None)]),
    ]
    assert [item.value for item in second] == [b"z"]


@pytest.fixture
async def hostile(kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that writes any header."""
    for module in (message_accumulator, producer_module):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_broker.bootstrap)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.mark.kafka
async def test_a_log_with_an_unreadable_header_is_read_on_and_recorded(
    kafka_broker: KafkaBroker, hostile: AIOKafkaProducer, tmp_path: Path
) -> None:
    topic = "tallyroom.hostile.test.events"
    log = KafkaLog(kafka_broker.bootstrap)
    await log.create(topic, 1)
    await log.append(topic, [Entry(b"k", b"before", (("a", b"1"),))])
    await hostile.send_and_wait(topic, key=b"k", value=b"poison", headers=[(Raw("xx"), b"2")])
    await hostile.send_and_wait(topic, key=b"k", value=b"no value", headers=[("ce_time", None)], timestamp_ms=0)
    await log.append(topic, [Entry(b"k", b"after", (("a", b"1"),))])
    found = await log.read(topic, 0, 0, 10)
    assert [(item.value, list(item.headers)) for item in found] == [
        (b"before", [("a", b"1")]), (b"poison", []), (b"no value", [("ce_time", b"")]), (b"after", [("a", b"1")]),
    ]  # fmt: skip
    manifest = await record(log, topic, MINI, tmp_path / "night", ABOUT)
    assert manifest.events == 4
    await log.close()


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62])
def test_a_record_of_any_shape_has_a_verdict_and_a_place_in_the_quarantine(timestamp: int) -> None:
    many = tuple((f"h{number}", b"x" * 500) for number in range(5_000))
    no_value = (("tallyroom-signature", None), ("\ud800", None))
    records = [
        LogRecord(0, 0, timestamp, b"k" * 100_000, VALUE, many),
        LogRecord(0, 1, timestamp, None, b"x" * (5 << 20), ()),
        LogRecord(0, 2, timestamp, b"", VALUE, no_value),  # type: ignore[arg-type]
        LogRecord(0, 3, timestamp, b"", b'{"type":"' + b"\xed\xa0\x80" + b'"}', ()),
    ]
    (prepared,) = Owned(Claim(0, 1, 0, {}), signed_plan(), 1).prepare(records)
    assert [str(item.refused.refusal) for item in prepared.refused] == [
        "unsigned", "too_large", "bad_signature", "not_json",
    ]  # fmt: skip
    for item in prepared.refused:
        entry = quarantine_entry(item.record, item.refused, "t")
        headers = [header for header in entry.headers if not header[0].startswith("tallyroom_")]
        assert len(headers) <= MAX_HEADERS
        assert sum(len(value) for _, value in headers) <= MAX_HEADER_BYTES
        assert len(entry.key or b"") <= 1024
        assert len(entry.value) <= MAX_EVENT_BYTES


def test_what_is_cut_off_is_said() -> None:
    large = LogRecord(0, 7, 0, b"k", b"x" * (MAX_EVENT_BYTES + 1), ())
    (prepared,) = Owned(Claim(0, 1, 7, {}), signed_plan(), 1).prepare([large])
    entry = quarantine_entry(large, prepared.refused[0].refused, "t")
    assert dict(entry.headers)["tallyroom_cut"] == b"value %d, key 1, headers 0" % (MAX_EVENT_BYTES + 1)
    assert len(entry.value) == MAX_EVENT_BYTES
    small = LogRecord(0, 8, 0, b"k", b"x", (("a", b"1"),))
    assert "tallyroom_cut" not in dict(quarantine_entry(small, prepared.refused[0].refused, "t").headers)
