"""Gateways over a real server: what readers see while it freezes, dies and comes back."""

import asyncio
import os
import signal
from typing import Any

from tallyroom.store import RedisStore
from tallyroom.store.embedded import EmbeddedValkey
from tests.support.gateways import Running, gateway, shows
from tests.support.revisions import ELECTION, area

CHANGED = {"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]}


async def opened(server: EmbeddedValkey) -> RedisStore:
    """A client of the election's store."""
    store = RedisStore(server.url, ELECTION, "simulation")
    await store.open("d" * 64, 2)
    return store


async def snapshot_that(running: Running, stale: bool) -> dict[str, Any]:
    """Wait for a snapshot that is stale, or is not. Every answer on the way must be a good one."""
    async with asyncio.timeout(20):
        while True:
            answer = await running.client.get(f"{running.path}/snapshot")
            assert answer.status_code == 200
            found: dict[str, Any] = answer.json()
            if ("stale_since" in found) is stale:
                return found
            await asyncio.sleep(0.05)


async def test_all_gateways_show_what_is_published_at_once(server_alone: EmbeddedValkey) -> None:
    first, second = await opened(server_alone), await opened(server_alone)
    try:
        async with gateway(first) as one, gateway(second) as other:
            await one.press.publish()
            await one.press.say()
            answers = [await shows(one, 1), await shows(other, 1)]
            assert answers[0].content == answers[1].content
            started = asyncio.get_running_loop().time()
            await one.press.publish(CHANGED)
            await shows(other, 2)
            # Polling alone takes a second: this came by the hint.
            assert asyncio.get_running_loop().time() - started < 0.8
    finally:
        await first.close()
        await second.close()


async def test_a_frozen_store_is_said_and_survived(server_alone: EmbeddedValkey) -> None:
    store = await opened(server_alone)
    assert server_alone.pid is not None
    try:
        async with gateway(store) as running:
            await running.press.publish()
            await running.press.say()
            await shows(running, 1)
            before = await snapshot_that(running, stale=False)
            os.kill(server_alone.pid, signal.SIGSTOP)
            try:
                frozen = await snapshot_that(running, stale=True)
            finally:
                os.kill(server_alone.pid, signal.SIGCONT)
            assert frozen["contests"] == before["contests"]
            assert (await running.client.get(f"{running.ops}/readyz")).status_code == 200
            assert await snapshot_that(running, stale=False) == before
            await running.press.publish(CHANGED)
            await shows(running, 2)
    finally:
        await store.close()


async def test_a_store_that_died_and_came_back_goes_on(server_alone: EmbeddedValkey) -> None:
    store = await opened(server_alone)
    try:
        async with gateway(store) as running:
            await running.press.publish()
            await running.press.say()
            await shows(running, 1)
            await snapshot_that(running, stale=False)
            server_alone.kill()
            await snapshot_that(running, stale=True)
            await asyncio.to_thread(server_alone.start)
            # It kept its append-only file: revision and lease are there, and the publisher says so again.
            await running.press.say()
            assert (await snapshot_that(running, stale=False))["revision"] == 1
    finally:
        await store.close()


async def test_a_gateway_can_start_before_the_store_does(server_alone: EmbeddedValkey) -> None:
    store = await opened(server_alone)
    server_alone.kill()
    try:
        async with gateway(store) as running:
            assert (await running.client.get(f"{running.path}/snapshot")).status_code == 503
            await asyncio.to_thread(server_alone.start)
            await running.press.publish()
            await shows(running, 1)
    finally:
        await store.close()
