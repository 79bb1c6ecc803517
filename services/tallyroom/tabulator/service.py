"""The tabulator service: applier, source and ops server of one worker, from start to drained end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from tallyroom.domain.election import Definition
from tallyroom.domain.errors import LogUnavailable
from tallyroom.log import SqliteLog, consumer_lock, open_log
from tallyroom.log.base import EventLog
from tallyroom.log.topics import events_topic, quarantine_topic
from tallyroom.settings import Settings
from tallyroom.store.base import TotalsStore
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.applier import Applier
from tallyroom.tabulator.embedded import EmbeddedSource
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import TabulatorMetrics

LAG_EVERY_S: Final = 1.0


class Tabulator:
    """One worker. ``run`` returns when ``stop`` is set and everything offered has been applied."""

    def __init__(
        self, settings: Settings, definition: Definition, chain: str, store: TotalsStore, metrics: TabulatorMetrics
    ) -> None:
        self._settings = settings
        election, environment = definition.election, str(definition.environment)
        self._topic = events_topic(election, environment)
        self._group = f"tallyroom.{election}.{environment}.tabulator"
        self._metrics = metrics
        self._log: EventLog = open_log(settings)
        self._store = store
        topics = (self._topic, quarantine_topic(election, environment))
        self.applier = Applier(store, self._log, topics, Plan(definition, chain), metrics)
        self.ready = False

    async def run(self, stop: asyncio.Event) -> None:
        """Tabulate until ``stop`` is set. Raises what cannot be healed here; the supervisor starts the worker again."""
        source = self._kafka() if self._settings.kafka_url else self._embedded()
        async with source as running:
            tasks = [
                asyncio.create_task(self.applier.run(), name="applier"),
                asyncio.create_task(self._watch_lag(), name="lag"),
                running,
            ]
            ended = asyncio.create_task(stop.wait(), name="stop")
            self.ready = True
            try:
                await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
                failure = next((task for task in tasks if task.done()), None)
                if failure is None:
                    await self.applier.drained(5.0)
            finally:
                self.ready = False
                await _end(*tasks, ended)
        await self._log.close()
        if failure is not None and not failure.cancelled():
            failure.result()

    @contextlib.asynccontextmanager
    async def _embedded(self) -> AsyncIterator["asyncio.Task[None]"]:
        source = EmbeddedSource(self._log, self._topic, self.applier)
        if not isinstance(self._log, SqliteLog):
            raise TypeError("the embedded source reads the SQLite log")
        with consumer_lock(self._settings.data / "log.sqlite3"):
            await self.applier.open(source.seek)
            yield asyncio.create_task(source.run(), name="source")

    @contextlib.asynccontextmanager
    async def _kafka(self) -> AsyncIterator["asyncio.Task[None]"]:
        from tallyroom.tabulator.faust_app import build_app, seek  # noqa: PLC0415 - a second of imports, Kafka only

        folder = self._settings.data / "faust"
        folder.mkdir(parents=True, exist_ok=True)  # Faust makes only the last folder of a path
        app = build_app(self._group, self._settings, self._topic, self.applier, str(folder))
        await self.applier.open(partial(seek, app, self._topic))
        await app.start()

        async def crashed() -> None:
            await app.wait_until_stopped()
            if app.crash_reason is not None:
                raise app.crash_reason

        try:
            yield asyncio.create_task(crashed(), name="source")
        finally:
            await app.stop()

    async def _watch_lag(self) -> None:
        """Lag is log end minus the offset in the store; the group's committed offsets mean nothing here."""
        shown: set[int] = set()
        while True:
            try:
                bounds = await self._log.bounds(self._topic)
            except (
                LogUnavailable
            ) as error:  # a metric is nothing to end for; who cannot read on either notices by itself
                get_logger("tabulator").warning("lag is unknown", error=error.what)
                await asyncio.sleep(LAG_EVERY_S)
                continue
            owned = self.applier.owned
            for partition, offset in owned.items():
                self._metrics.partition_lag.labels(partition=str(partition)).set(bounds[partition].end - offset)
            for partition in shown - set(owned):
                self._metrics.partition_lag.remove(str(partition))
            shown = set(owned)
            await asyncio.sleep(LAG_EVERY_S)


async def _end(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        if not task.done():
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
