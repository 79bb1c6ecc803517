"""The event log in Kafka, over aiokafka. Clients are started at first use; every wait has a limit."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, OffsetOutOfRangeError, TopicAlreadyExistsError, for_code
from aiokafka.structs import RecordMetadata

from tallyroom.domain.errors import LogError, LogUnavailable, TopicMismatch
from tallyroom.log.base import Bounds, Entry, LogRecord, Position
from tallyroom.log.patient import be_patient
from tallyroom.log.routing import MAX_VALUE_BYTES, no_partition, no_topic, out_of_range, route
from tallyroom.log.security import client_options, other_user, reason, remedy
from tallyroom.settings import KafkaSecurity

PLAINTEXT: Final = KafkaSecurity()
Startable = TypeVar("Startable", AIOKafkaConsumer, AIOKafkaProducer)

REQUEST_TIMEOUT_S: Final = 10.0
"""Longest wait for one answer of a broker, a new connection included."""
APPEND_TIMEOUT_S: Final = 60.0
"""Longest wait for acknowledgements: a broker's restart (some 10 s) or a leader's election is waited for, an outage is
reported. The idempotent producer would retry for ever."""
READ_TIMEOUT_S: Final = 30.0
"""Longest wait for records that the broker says it has."""
CLOSE_TIMEOUT_S: Final = 5.0
"""Longest wait for an orderly end of one client."""

_BATCH_BYTES: Final = 512 * 1024
"""Below Kafka's default limit of 1 MiB for a batch, so that a topic made by others takes it too."""
_FETCH_BYTES: Final = MAX_VALUE_BYTES + 64 * 1024
_TOPIC_CONFIG: Final = {
    "cleanup.policy": "delete",  # never compacted: offsets stay contiguous and history stays complete
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(_FETCH_BYTES),
}


class KafkaLog:
    """An ``EventLog`` on the brokers ``bootstrap`` (``host:port[,host:port]``).

    ``replication``: replicas of topics that are created, and how many must be in sync for an append; an append is
    acknowledged by all in-sync replicas. One reader is kept per partition that was read: who reads on in order finds the
    next records fetched.
    """

    def __init__(
        self, bootstrap: str, *, replication: tuple[int, int] = (1, 1), security: KafkaSecurity = PLAINTEXT
    ) -> None:
        be_patient()
        self._bootstrap = bootstrap
        self._replication, self._min_insync = replication
        self._security = security
        self._options = {"bootstrap_servers": bootstrap, **client_options(security)}
        self._admin: AIOKafkaAdminClient | None = None
        self._producer: AIOKafkaProducer | None = None
        self._offsets: AIOKafkaConsumer | None = None
        self._readers: dict[TopicPartition, _Reader] = {}
        self._counts: dict[str, int] = {}
        self._starting = asyncio.Lock()

    async def create(self, topic: str, partitions: int) -> None:
        """See ``EventLog.create``. Returns once the brokers know a leader for every partition."""
        async with self._guard(f"create topic {topic}", REQUEST_TIMEOUT_S * 2):
            found = (await self._describe()).get(topic)
            if found is None:
                await self._create(topic, partitions)
                found = await self._await_topic(topic)
        if found != partitions:
            raise TopicMismatch(
                f"Topic {topic} has {found} partitions, not {partitions}.",
                "set TALLYROOM_PARTITIONS to the number it was created with, or delete the topic if it holds nothing",
            )

    async def partitions(self, topic: str) -> int:
        """See ``EventLog.partitions``."""
        async with self._guard(f"describe topic {topic}", REQUEST_TIMEOUT_S):
            found = (await self._describe()).get(topic)
        if found is None:
            self._counts.pop(topic, None)
            hidden = self._security.protocol == "sasl_ssl"  # brokers do not say which topics a user may not see
            raise no_topic(topic, other_user(self._security) if hidden else None)
        self._counts[topic] = found
        return found

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        """See ``EventLog.bounds``."""
        count = await self.partitions(topic)
        wanted = [TopicPartition(topic, number) for number in range(count)]
        async with self._guard(f"tell the offsets of {topic}", REQUEST_TIMEOUT_S * 2):
            consumer = await self._offset_client()
            starts = await consumer.beginning_offsets(wanted)
            ends = await consumer.end_offsets(wanted)
        return {tp.partition: Bounds(starts[tp], ends[tp]) for tp in wanted}

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """See ``EventLog.append``. After an error nothing more of these entries is sent."""
        routed = route(topic, entries, await self._count(topic))
        placed: list[Position | None] = [None] * len(entries)
        async with self._guard(f"acknowledge {len(entries):,} records for {topic}", APPEND_TIMEOUT_S):
            producer = await self._sender()
            try:
                await asyncio.gather(
                    *(
                        _send(producer, TopicPartition(topic, partition), entries, indexes, placed)
                        for partition, indexes in routed.items()
                    )
                )
            except (KafkaError, asyncio.CancelledError):
                self._producer = None
                await _abandon(producer)
                raise
        return [position for position in placed if position is not None]

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[LogRecord]:
        """See ``EventLog.read``."""
        count = await self._count(topic)
        if not 0 <= partition < count:
            raise no_partition(topic, partition, count)
        tp = TopicPartition(topic, partition)
        async with self._guard(f"deliver the records of {topic}/{partition} from {offset} on", READ_TIMEOUT_S):
            reader = self._readers.get(tp)
            if reader is None:
                reader = self._readers[tp] = _Reader(self._consumer(), tp)
            return await reader.read(offset, limit)

    async def close(self) -> None:
        """Send what is queued, then close all connections; takes a few seconds at most, brokers away or not."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop_producer(producer)
        consumers = [reader.consumer for reader in self._readers.values()]
        if self._offsets is not None:
            consumers.append(self._offsets)
        self._readers, self._offsets = {}, None
        for consumer in consumers:
            await _bounded(consumer.stop())
        admin, self._admin = self._admin, None
        if admin is not None:
            await _bounded(admin.close())

    async def _create(self, topic: str, partitions: int) -> None:
        config = {**_TOPIC_CONFIG, "min.insync.replicas": str(self._min_insync)}
        new = NewTopic(topic, partitions, self._replication, topic_configs=config)
        answer = await (await self._admin_client()).create_topics([new])
        for _, code, message in answer.topic_errors:
            # Another process may have created it since we looked; its partition count is compared by the caller.
            if code not in {0, TopicAlreadyExistsError.errno}:
                raise LogError(
                    f"Kafka refused to create topic {topic}: {message or for_code(code).__name__}.",
                    "check the brokers' number against the replication factor, and the right to create topics",
                )

    async def _await_topic(self, topic: str) -> int:
        """Brokers learn of a new topic a moment after the controller has made it."""
        found = None
        while found is None:  # bounded by the caller's time limit
            await asyncio.sleep(0.02)
            found = (await self._describe()).get(topic)
        return found

    async def _describe(self) -> dict[str, int]:
        """Partition counts of all topics whose partitions all have leaders.

        All topics are asked for because asking for one by name creates it on brokers that create topics on the fly.
        """
        topics = await (await self._admin_client()).describe_topics()
        return {
            item["topic"]: len(item["partitions"])
            for item in topics
            if item["partitions"] and all(partition["leader"] >= 0 for partition in item["partitions"])
        }

    async def _count(self, topic: str) -> int:
        known = self._counts.get(topic)
        return await self.partitions(topic) if known is None else known

    async def _admin_client(self) -> AIOKafkaAdminClient:
        async with self._starting:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._options, request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000))
                try:
                    await admin.start()
                except KafkaError:
                    await admin.close()
                    raise
                self._admin = admin
            return self._admin

    async def _offset_client(self) -> AIOKafkaConsumer:
        async with self._starting:
            if self._offsets is None:
                self._offsets = await _started(self._consumer())
            return self._offsets

    async def _sender(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = await _started(
                    AIOKafkaProducer(
                        **self._options,
                        enable_idempotence=True,
                        acks="all",
                        max_batch_size=_BATCH_BYTES,
                        request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
                    )
                )
            return self._producer

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=_FETCH_BYTES,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        )

    @asynccontextmanager
    async def _guard(self, doing: str, seconds: float) -> AsyncIterator[None]:
        """Turn a broker that fails or does not answer into an error that says what to do."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except (KafkaError, TimeoutError, OSError) as error:
            self._counts.clear()  # the topic may be gone, or be another one by now
            raise LogUnavailable(
                f"Kafka at {self._bootstrap} did not {doing}: {reason(error, self._security, seconds)}.",
                remedy(error, self._security),
            ) from error


class _Reader:
    """Reads one partition. Its position moves on with what was read, so it serves one caller at a time."""

    def __init__(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> None:
        self.consumer = consumer
        self._tp = tp
        self._position = -1
        self._started = False
        self._end = 0  # the last end that the broker told: up to there it need not be asked again
        self._lock = asyncio.Lock()

    async def read(self, offset: int, limit: int) -> list[LogRecord]:
        async with self._lock:
            if offset < 0 or offset >= self._end:
                bounds = await self._bounds()
                self._end = bounds.end
                if not bounds.start <= offset <= bounds.end:
                    raise out_of_range(self._tp.topic, self._tp.partition, offset, bounds)
            stop = min(self._end, offset + limit)
            if offset >= stop:
                return []
            await self._seek(offset)
            records: list[LogRecord] = []
            while self._position < stop:
                records += await self._fetch(stop - self._position)
            return records

    async def _fetch(self, limit: int) -> list[LogRecord]:
        try:
            fetched = await self.consumer.getmany(self._tp, timeout_ms=1000, max_records=limit)
        except OffsetOutOfRangeError as error:
            position, self._position = self._position, -1
            bounds = await self._bounds()
            raise out_of_range(self._tp.topic, self._tp.partition, position, bounds) from error
        records = [
            # A record without a value (only foreign producers write one) is one that no decoder accepts.
            LogRecord(item.partition, item.offset, item.timestamp, item.key, item.value or b"", _named(item.headers))
            for item in fetched.get(self._tp, ())
        ]
        if records:
            self._position = records[-1].offset + 1
        return records

    async def _seek(self, offset: int) -> None:
        await self._start()
        if not self.consumer.assignment():
            self.consumer.assign([self._tp])  # in one step with the seek: it must never look for a position of its own
        if self._position != offset:
            self.consumer.seek(self._tp, offset)
            self._position = offset

    async def _bounds(self) -> Bounds:
        await self._start()
        starts = await self.consumer.beginning_offsets([self._tp])
        ends = await self.consumer.end_offsets([self._tp])
        return Bounds(starts[self._tp], ends[self._tp])

    async def _start(self) -> None:
        if not self._started:
            await self.consumer.start()
            self._started = True


def _named(headers: Sequence[tuple[str, bytes | None]]) -> Sequence[tuple[str, bytes]]:
    """A header without a value (only foreign producers write one) is an empty one."""
    return [(name, value or b"") for name, value in headers]


async def _send(
    producer: AIOKafkaProducer,
    tp: TopicPartition,
    entries: Sequence[Entry],
    indexes: Sequence[int],
    placed: list[Position | None],
) -> None:
    """Send one partition's entries in order, in batches filled here: a third of the cost of ``producer.send``."""
    now = time.time_ns() // 1_000_000
    batches: list[Sequence[int]] = []
    acknowledged: list[asyncio.Future[RecordMetadata]] = []
    first = 0
    while first < len(indexes):
        batch = producer.create_batch()
        end = first
        while end < len(indexes):
            key, value, headers, _ = entries[indexes[end]]
            if batch.append(timestamp=now, key=key, value=value, headers=list(headers)) is None:
                break  # full; a batch takes at least one record, however large
            end += 1
        batch.close()
        acknowledged.append(await producer.send_batch(batch, tp.topic, partition=tp.partition))
        batches.append(indexes[first:end])
        first = end
    for batch_indexes, landed in zip(batches, await asyncio.gather(*acknowledged), strict=True):
        for offset, index in enumerate(batch_indexes, landed.offset):
            placed[index] = Position(tp.partition, offset)


async def _started(client: Startable) -> Startable:
    try:
        await client.start()
    except (KafkaError, asyncio.CancelledError):
        await _bounded(client.stop())
        raise
    return client


async def _stop_producer(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await producer.flush()
    except TimeoutError:
        await _abandon(producer)
    else:
        await _bounded(producer.stop())


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what it still holds.

    aiokafka offers no such way: an idempotent producer retries until it succeeds, and its ``stop`` waits for that.
    Records that arrive after their append was reported as failed would land behind the caller's second attempt.
    """
    producer._message_accumulator.fail_all(KafkaConnectionError("the append was given up"))
    await _bounded(producer.client.close())
    await _bounded(producer.stop())


async def _bounded(ending: Coroutine[object, object, None]) -> None:
    """Await the end of a client for a limited time: what a broker that is away leaves undone is nothing to us."""
    # KeyError: aiokafka's sender forgets a batch twice when it is failed while under way.
    with suppress(KafkaError, TimeoutError, OSError, KeyError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await ending
