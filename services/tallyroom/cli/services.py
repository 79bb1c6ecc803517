"""tabulator, publisher, gateway, auditor: one long-running service each. SIGTERM and SIGINT drain and end them."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

import typer
import uvloop

from tallyroom.auditor.service import Auditor
from tallyroom.cli.common import load_election, settings
from tallyroom.codec.marks import SHOWN
from tallyroom.domain.election import Definition
from tallyroom.gateway import run_gateway
from tallyroom.log import events_topic, open_log
from tallyroom.publisher.keep import Keeper
from tallyroom.publisher.returns import Returns
from tallyroom.publisher.service import Publisher
from tallyroom.settings import Settings
from tallyroom.store import RedisStore, open_store
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.service import Tabulator
from tallyroom.telemetry.logs import configure_logs, get_logger
from tallyroom.telemetry.metrics import (
    auditor_metrics,
    new_registry,
    publisher_metrics,
    returned_counter,
    tabulator_metrics,
)
from tallyroom.telemetry.ops import Health, OpsServer

app = typer.Typer()

Election = Annotated[str, typer.Argument(help="A built-in night, a recording folder or a definition file.")]


@app.command()
def tabulator(election: Election) -> None:
    """Fold reports from the log into running totals, exactly once."""
    _serve("tabulator", election, _tabulator)


@app.command()
def publisher(election: Election) -> None:
    """Derive results from the totals and publish numbered revisions. One is active, others wait."""
    _serve("publisher", election, _publisher)


@app.command()
def returns(election: Election) -> None:
    """Send reports again that waited for an amendment. On an embedded log the publisher does it by itself."""
    _serve("returns", election, _returns)


@app.command()
def gateway(election: Election) -> None:
    """Serve published revisions over HTTP: snapshot, stream, page. Any number may run."""
    _serve("gateway", election, _gateway, uvloop.run)


@app.command()
def auditor(election: Election) -> None:
    """Recompute everything from the log by other code, and freeze publication on any difference."""
    _serve("auditor", election, _auditor)


Run = Callable[[Settings, Definition, str, RedisStore, asyncio.Event], Awaitable[None]]


def _serve(
    service: str, election: str, run: Run, loop: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
) -> None:
    """Run a service to its end.

    Only what serves many connections and never speaks to Kafka runs on uvloop: that raises RuntimeError where a write meets a
    connection that was reset, and aiokafka does not take it for a lost one.
    """
    current = settings()
    configure_logs(service, current.log_format)
    definition, chain = load_election(election)
    loop(_until_stopped(current, definition, chain, run))


async def _until_stopped(current: Settings, definition: Definition, chain: str, run: Run) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = open_store(current.store, definition.election, str(definition.environment))
    try:
        await run(current, definition, chain, store, stop)
    finally:
        await store.close()


async def _tabulator(
    current: Settings, definition: Definition, chain: str, store: RedisStore, stop: asyncio.Event
) -> None:
    registry = new_registry("tabulator")
    worker = Tabulator(current, definition, chain, store, tabulator_metrics(registry))
    # The definition and its plan live as long as the process, and the hot loop makes no cycles: collecting would only
    # walk a hundred thousand unit states again and again (measured: a fifth of the time).
    # Faust fetches on a thread of its own; with the usual 5 ms it waits for the folding one before every small step
    # (measured: p99 of publish -> applied at 3,000/s 116 ms with 5 ms, 66 ms with 1 ms).
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()
    gc.disable()

    def health() -> Health:
        return Health(worker.ready, [] if worker.ready else ["no partition source yet"])

    async with OpsServer(registry, health, current.ops_port, current.host) as ops:
        get_logger("tabulator").info("serving", ops=ops.url)
        await worker.run(stop)


async def _publisher(
    current: Settings, definition: Definition, chain: str, store: RedisStore, stop: asyncio.Event
) -> None:
    registry = new_registry("publisher")
    log = open_log(current)
    topic = events_topic(definition.election, str(definition.environment))
    keeper = Keeper(current.data / "publisher" / f"{definition.election}.{definition.environment}")
    metrics = publisher_metrics(registry)
    service = Publisher((store, store), (log, topic), Plan(definition, chain), keeper, metrics)
    gc.collect()
    gc.freeze()  # definition and plan live as long as the process: a hundred thousand objects less to walk in mid-revision

    def health() -> Health:
        return Health(service.condition.ok or not service.active, [service.condition.reason])

    again = Returns(store, (log, topic), Plan(definition, chain), returned_counter(registry))
    async with OpsServer(registry, health, current.ops_port, current.host) as ops, asyncio.TaskGroup() as tasks:
        get_logger("publisher").info("serving", ops=ops.url)
        if current.kafka_url is None:  # one machine, one hand; on Kafka only who may write events does it
            tasks.create_task(again.run(stop))
        await service.run(f"{socket.gethostname()}:{os.getpid()}", stop)
    await log.close()


async def _returns(
    current: Settings, definition: Definition, chain: str, store: RedisStore, stop: asyncio.Event
) -> None:
    registry = new_registry("returns")
    log = open_log(current)
    topic = events_topic(definition.election, str(definition.environment))
    again = Returns(store, (log, topic), Plan(definition, chain), returned_counter(registry))
    async with OpsServer(registry, lambda: Health(True), current.ops_port, current.host) as ops:
        get_logger("returns").info("serving", ops=ops.url)
        await again.run(stop)
    await log.close()


async def _gateway(
    current: Settings, definition: Definition, chain: str, store: RedisStore, stop: asyncio.Event
) -> None:
    await run_gateway(current, definition, store, stop)


async def _auditor(
    current: Settings, definition: Definition, chain: str, store: RedisStore, stop: asyncio.Event
) -> None:
    registry = new_registry("auditor")
    log = open_log(current)
    topic = events_topic(definition.election, str(definition.environment))
    began = time.monotonic()
    metrics = auditor_metrics(registry, lambda: time.monotonic() - (service.audited_at or began))
    service = Auditor((store, store), (log, topic), (definition, chain), metrics)

    def health() -> Health:
        reasons = [str(found) for found in service.differences[:SHOWN]]
        return Health(service.audits > 0 and not reasons, reasons or ["nothing audited yet"])

    async with OpsServer(registry, health, current.ops_port, current.host) as ops:
        get_logger("auditor").info("serving", ops=ops.url)
        await service.run(stop)
    await log.close()
