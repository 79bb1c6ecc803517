"""The Kafka source: Faust for group membership, rebalancing and fetching; offsets from the store; one stream event a fetch.

What faust-streaming 0.15.3 does that shapes this module (measured; docs/decisions/faust.md):
- event by event it reaches some 7,000 reports/s, one event a fetch 200,000: hence the scheduler;
- it can commit past messages in flight and fences no zombies: hence offsets and epochs live in the store;
- it seeks to Kafka's committed offsets after every rebalance: hence ``seek_to_committed`` claims from the store;
- it drops fetched records after moving its position on: hence a batch that does not start where the fold stands is read again;
- ``seek`` works on the fetching thread's data from its own: a fetch at that moment ends the worker: hence ``seek_wait``;
- a leader that has just met a restarted broker may share out nothing: hence ``KnownPartitions``.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import faust
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.assignor import PartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, StreamT
from faust.types.transports import SchedulingStrategyT

from tallyroom.domain.errors import LogError, RebuildRequired
from tallyroom.log.security import tls_context
from tallyroom.settings import KafkaSecurity, Settings
from tallyroom.tabulator.applier import Applier
from tallyroom.telemetry.logs import get_logger

CLAIM_TIMEOUT_S: Final = 60.0
"""Bound on claiming all assigned partitions; Faust gives up silently after ``broker_request_timeout`` (90 s)."""

PATIENCE_S: Final = 3.0
"""How long a store or log that is away is waited for in that: a moment need not cost a worker's life. Longer would hold up the
whole group, which waits for every member before partitions are shared out."""

UNCLAIMED_S: Final = 0.05
"""Pause of a fetch that met a partition without a position."""

DRAIN_SHARE: Final = 0.5
"""How long a rebalance waits for what was offered, as a share of the session time-out: well below it."""

BEATS: Final = 5
"""Heartbeats to the group in a session: a lost one or two must not cost the membership."""


class Fetch(dict[TP, list[Any]]):
    """One fetch as the value of one stream event. Stands in for a Kafka record: Faust reads these attributes."""

    timestamp_type = 0
    headers: tuple[()] = ()
    key = None
    checksum = None
    serialized_key_size = 0
    serialized_value_size = 0

    def __init__(self, records: Mapping[TP, list[Any]], last: Any) -> None:
        super().__init__(records)
        self.topic = last.topic
        self.partition = last.partition
        self.offset = last.offset
        self.timestamp = last.timestamp

    @property
    def value(self) -> "Fetch":
        """The fetch itself."""
        return self


class OneEventAFetch(SchedulingStrategyT):
    """Faust's extension point for the order of records: the whole fetch as one record of its first partition."""

    @classmethod
    def map_from_records(cls, records: Mapping[TP, list[Any]]) -> Any:
        """Part of the interface; the order within a fetch is the applier's business."""
        return records

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
        """One (partition, fetch) pair, or nothing for an empty fetch."""
        for tp, listed in records.items():
            if listed:
                yield tp, Fetch(records, listed[-1])
                return

    def records_iterator(self, index: Any) -> Iterator[tuple[TP, Any]]:
        """Part of the interface."""
        return self.iterate(index)


class AsItIs(faust.Schema[Any, Any]):
    """No decoding by Faust: a poisoned report must reach the quarantine, not Faust's error path."""

    def loads_key(self, app: AppT, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        """The key, untouched."""
        return message.key

    def loads_value(self, app: AppT, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        """The value, untouched."""
        return message.value


class StoreConsumer(driver.Consumer):
    """Faust's consumer, except that "committed" means: as far as the store has come."""

    applier: ClassVar[Applier]  # set by build_app on a subclass of its own
    _claiming: asyncio.Lock | None = None

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Claim every assigned partition and seek to its offset in the store; called after each rebalance's recovery.

        A failure ends the app: Faust would swallow it and go on as a live, idle worker.
        """
        if self._claiming is None:
            self._claiming = asyncio.Lock()
        try:
            async with self._claiming:
                return await asyncio.wait_for(self._claim_all(), CLAIM_TIMEOUT_S)
        except Exception as error:
            get_logger("tabulator").error("claiming failed; the worker ends", error=str(error))
            await self.app.crash(error)
            raise

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Nothing, where a partition was assigned and not claimed yet: it has no position before ``seek_to_committed``.

        aiokafka then asks Kafka for a committed offset, of which there never is one, and Faust's fetcher would crash the
        worker: seen with each takeover of a dead worker's partitions.
        """
        try:
            return await super()._getmany(active_partitions, timeout)
        except NoOffsetForPartitionError:
            await asyncio.sleep(UNCLAIMED_S)
            return {}
        except OffsetOutOfRangeError as error:
            where = ", ".join(f"partition {tp.partition} at {offset}" for tp, offset in error.args[0].items())
            raise RebuildRequired(
                f"The log does not have what comes next in the totals: {where}.",
                "the topic was cut or made anew: restore it, or start over (docs/operating.md)",
            ) from error

    async def _claim_all(self) -> Mapping[TP, int]:
        while True:
            # Generation first, then the assignment: they change on another thread, and an assignment read before the
            # generation could be older than it. Checked again afterwards, because claiming takes time.
            generation = self.app.consumer_generation_id
            assigned = sorted(self.assignment())
            self.applier.release(set(self.applier.owned) - {tp.partition for tp in assigned})
            claims = (self.applier.take(tp.partition, PATIENCE_S) for tp in assigned)
            offsets = dict(zip(assigned, await asyncio.gather(*claims), strict=True))
            if generation == self.app.consumer_generation_id and set(assigned) == set(self.assignment()):
                with contextlib.suppress(IllegalStateError):  # the assignment changed just now: from the start
                    await self.seek_wait({_aiokafka(tp): offset for tp, offset in offsets.items()})
                    return offsets


def _aiokafka(tp: TP) -> Any:
    """The partition as aiokafka names it."""
    return driver._TopicPartition(tp.topic, tp.partition)


class _Cluster:
    """What a cluster says of its topics, and how many partitions the events topic has where the cluster forgot it."""

    def __init__(self, cluster: ClusterMetadata, topic: str, partitions: int) -> None:
        self._cluster = cluster
        self._topic, self._all = topic, set(range(partitions))

    def partitions_for_topic(self, topic: str) -> set[int]:
        """Numbers of the topic's partitions; none for a topic that nobody knows."""
        known: set[int] | None = self._cluster.partitions_for_topic(topic)
        return known or (self._all if topic == self._topic else set())


class KnownPartitions(PartitionAssignor):
    """Faust's assignor, that knows how many partitions the events topic has.

    A broker that has just been started tells for a moment of no topics. A leader that shares out partitions in that moment would
    give nobody any, and the group would be content with it until the metadata is read again: five minutes. Seen in
    chaos seed 2029.
    """

    topic: ClassVar[str]  # both set by build_app on a subclass of its own
    applier: ClassVar[Applier]

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        known = _Cluster(cluster, cls.topic, cls.applier.partitions)
        return super()._get_copartitioned_groups(topics, known, subscriptions)


def credentials(security: KafkaSecurity) -> faust.auth.Credentials | None:
    """The same access as the log's, as Faust wants it told; None: plain text, nobody is asked for."""
    if security.protocol == "plaintext":
        return None
    context = tls_context(security.ca)
    if security.password is None:
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=security.username,
        password=security.password.reveal(),
        ssl_context=context,
        mechanism=security.mechanism,
    )


def build_app(name: str, settings: Settings, topic: str, applier: Applier, data: str) -> faust.App:
    """The Faust app of one tabulator worker. Connects to nothing; start it with ``await app.start()`` in a running loop."""
    session_s = float(settings.session_s)
    assignor = type("BoundAssignor", (KnownPartitions,), {"topic": topic, "applier": applier})
    app = faust.App(
        name,
        broker=f"kafka://{settings.bootstrap}".replace(",", ";kafka://"),
        broker_credentials=credentials(settings.kafka),
        store="memory://",
        datadir=data,
        web_enabled=False,
        autodiscover=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=1,
        ConsumerScheduler=OneEventAFetch,
        PartitionAssignor=assignor,
        consumer_auto_offset_reset="none",
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_max_poll_records=8000,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / BEATS,
        broker_commit_interval=30.0,
        broker_commit_every=1_000_000_000,
        stream_buffer_maxsize=4,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
    )
    consumer = type("BoundConsumer", (StoreConsumer,), {"applier": applier})
    transport = type("BoundTransport", (driver.Transport,), {"Consumer": consumer})
    app.transport = transport(app.conf.broker_consumer, app)
    events = app.topic(topic, schema=AsItIs(), internal=False)

    @app.agent(events, name=f"{name}-tabulate")
    async def tabulate(stream: StreamT[Fetch]) -> None:
        async for fetch in stream:
            await applier.offer({tp.partition: records for tp, records in fetch.items() if tp.topic == topic})

    async def revoked(_: Any, *sent: Any, **__: Any) -> None:
        # Awaited before the group is joined again: what was offered lands before anybody else claims.
        if not await applier.drained(session_s * DRAIN_SHARE):
            get_logger("tabulator").warning("a rebalance did not wait for everything; the next owner folds it")
        applier.release(tp.partition for tp in sent[0])

    app.on_partitions_revoked.connect(revoked)  # type: ignore[arg-type]  # its stub knows no coroutine functions
    return app


async def seek(app: faust.App, topic: str, partition: int, offset: int) -> None:
    """Read the partition on from ``offset``, if it is still assigned. ``Consumer.seek_wait`` also resets Faust's read offset."""
    tp = TP(topic, partition)
    consumer = app.consumer
    if tp not in consumer.assignment():
        return
    try:
        await consumer.seek_wait({_aiokafka(tp): offset})
    except IllegalStateError:
        return  # it went to somebody else just now
    except Exception as error:
        raise LogError(f"Seeking {topic}/{partition} to {offset} failed: {error}.", "the worker restarts") from error
