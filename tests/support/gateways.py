"""A gateway on free ports over a store, for tests that talk HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import httpx

from tallyroom.domain.election import Definition
from tallyroom.gateway import run_gateway
from tallyroom.night.night import free_port
from tallyroom.settings import Access, Settings
from tallyroom.store import MemoryStore
from tests.support.revisions import ELECTION, Press
from tests.support.store_fixtures import AnyStore


@dataclass(frozen=True)
class Named:
    """What a gateway reads of a definition: the rest it takes from the published one."""

    election: str = ELECTION
    environment: str = "simulation"


@dataclass(frozen=True)
class Running:
    """A gateway, and the press that publishes what it serves."""

    press: Press
    url: str
    ops: str
    client: httpx.AsyncClient
    path: str = f"/v1/elections/{ELECTION}"


@contextlib.asynccontextmanager
async def gateway(
    store: AnyStore | None = None, access: Access | None = None, environment: str = "simulation"
) -> AsyncIterator[Running]:
    """A running gateway over this store (None: a memory store); its press has published nothing yet.

    ``access`` None: everybody may read, at any rate, as tests do.
    """
    store, stop = store or MemoryStore(), asyncio.Event()
    settings = Settings(http_port=free_port(), ops_port=free_port(), access=access or Access(rate=0))
    serving = asyncio.create_task(run_gateway(settings, cast(Definition, Named(environment=environment)), store, stop))
    url, ops = f"http://127.0.0.1:{settings.http_port}", f"http://127.0.0.1:{settings.ops_port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            await answering(client, serving)
            yield Running(Press(store), url, ops, client)
    finally:
        stop.set()
        await serving


async def answering(client: httpx.AsyncClient, serving: "asyncio.Task[None]") -> None:
    """Wait until the gateway answers anything; its own error if it ends before."""
    async with asyncio.timeout(20):
        while True:
            if serving.done():
                serving.result()
            with contextlib.suppress(httpx.TransportError):
                await client.get("/")
                return
            await asyncio.sleep(0.02)


async def shows(running: Running, revision: int) -> httpx.Response:
    """Wait until the gateway serves this revision; its snapshot."""
    async with asyncio.timeout(20):
        while True:
            answer = await running.client.get(f"{running.path}/snapshot")
            if answer.status_code == 200 and answer.json()["revision"] >= revision:
                return answer
            await asyncio.sleep(0.02)
