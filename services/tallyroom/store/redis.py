"""The store on Redis >= 7 or Valkey >= 7.2: its functions are in tallyroom.lua, one write command each."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, TypeVar

import redis.asyncio as client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from tallyroom.domain.errors import StoreMismatch, StoreUnavailable
from tallyroom.store.base import MAX_FIELDS, Answer, Apply, Claim, Cut, Lease, Revision, StoreMeta
from tallyroom.store.hints import RedisHints

LIBRARY_VERSION: Final = b"1"
CONNECT_S: Final = 2.0
ANSWER_S: Final = 10.0
"""Longest wait for an answer. A claim of 100,000 units takes under a second; more means that the server hangs."""

_T = TypeVar("_T")
_UNAVAILABLE: Final = (Disconnected, TimedOut, OSError, asyncio.TimeoutError)
_ANSWERS: Final = {answer.value.encode(): answer for answer in Answer}


class RedisStore(RedisHints):
    """Totals and revisions of one election in one environment. Connects at first use."""

    def __init__(self, url: str, election: str, environment: str) -> None:
        self._url = url
        prefix = f"tallyroom:{{{election}.{environment}}}"
        self._partition = f"{prefix}:p:"
        self._meta_key, self._revision_key, self._lease_key = f"{prefix}:meta", f"{prefix}:revision", f"{prefix}:lease"
        # Never resend by itself: an apply whose answer was lost may have been applied, and the caller must find out.
        options: dict[str, Any] = {
            "socket_connect_timeout": CONNECT_S,
            "socket_timeout": ANSWER_S,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        self._client = client.Redis.from_url(url, **options)
        self._applying = client.ConnectionPool.from_url(url, max_connections=1, **options)
        super().__init__(self._client, f"{prefix}:hint:")

    async def open(self, definition: str, partitions: int) -> StoreMeta:
        """See ``TotalsStore.open``."""
        await self._ask(self._load_if_needed)
        offered = {"store_id": secrets.token_hex(8), "definition": definition, "partitions": str(partitions)}
        await self._ask(lambda: self._client.hsetnx(self._meta_key, "store", _meta_text(offered)))
        meta = await self.meta()
        if meta is None or (meta.definition, meta.partitions) != (definition, partitions):
            raise StoreMismatch(
                f"The store holds totals of definition {meta and meta.definition[:12]} in {meta and meta.partitions} "
                f"partitions; this is definition {definition[:12]} in {partitions}.",
                "start with the definition it was made with, or use another store (a new definition is a rebuild)",
            )
        return meta

    async def meta(self) -> StoreMeta | None:
        """See ``TotalsStore.meta``."""
        text: bytes | None = await self._ask(lambda: self._client.hget(self._meta_key, "store"))
        if text is None:
            return None
        store_id, definition, partitions = text.decode().split(" ")
        return StoreMeta(store_id, definition, int(partitions))

    async def claim(self, partition: int) -> Claim:
        """See ``TotalsStore.claim``."""
        epoch, offset, flat = await self._function("claim", [self._partition + str(partition)], [])
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        fields.pop(b"epoch", None)
        fields.pop(b"off", None)
        return Claim(partition, int(epoch), int(offset), fields)

    async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
        """See ``TotalsStore.apply``."""
        commands = [self._command(step) for step in steps]
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(ANSWER_S):
                connection = await self._applying.get_connection()
                try:
                    await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
                    while len(answers) < len(steps):
                        answers.append(await _answer(connection))
                except BaseException:
                    await connection.disconnect(nowait=True)
                    raise
                finally:
                    await self._applying.release(connection)
        except _UNAVAILABLE:
            answers.extend([Answer.LOST] * (len(steps) - len(answers)))
        return answers

    def _command(self, step: Apply) -> tuple[Any, ...]:
        if len(step.fields) > MAX_FIELDS:
            raise ValueError(f"{len(step.fields)} fields in one step, at most {MAX_FIELDS} are taken")
        key = self._partition + str(step.partition)
        head = ("FCALL", "tallyroom_apply", 1, key, step.epoch, step.prev, step.next)
        return (*head, *(part for pair in step.fields.items() for part in pair))

    async def offsets(self) -> Mapping[int, int]:
        """See ``TotalsStore.offsets``."""
        meta = await self.meta()
        if meta is None:
            return {}
        pipe = self._client.pipeline(transaction=False)
        for partition in range(meta.partitions):
            pipe.hget(self._partition + str(partition), "off")
        found = await self._ask(pipe.execute)
        return {partition: int(offset) for partition, offset in enumerate(found) if offset is not None}

    async def cut(self, partition: int, names: Sequence[bytes]) -> Cut | None:
        """See ``TotalsStore.cut``."""
        key = self._partition + str(partition)
        epoch, offset, *values = await self._ask(lambda: self._client.hmget(key, [b"epoch", b"off", *names]))
        return None if offset is None else Cut(partition, int(epoch), int(offset), values)

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        """See ``TotalsStore.units``."""
        if not names:
            return []
        key = self._partition + str(partition)
        return list(await self._ask(lambda: self._client.hmget(key, list(names))))

    async def acquire(self, owner: str, ttl: float) -> Lease | None:
        """See ``RevisionStore.acquire``."""
        token = await self._function("acquire", [self._lease_key], [owner, int(ttl * 1000)])
        return None if token is None else Lease(owner, int(token))

    async def release(self, lease: Lease) -> None:
        """See ``RevisionStore.release``."""
        await self._function("release", [self._lease_key], [lease.token])

    async def beat(self, lease: Lease, ttl: float, condition: bytes) -> bool:
        """See ``RevisionStore.beat``."""
        return bool(await self._function("beat", [self._lease_key], [lease.token, int(ttl * 1000), condition]))

    async def condition(self) -> bytes | None:
        """See ``RevisionStore.condition``."""
        said: bytes | None = await self._function("condition", [self._lease_key], [])
        return said

    async def publish(self, lease: Lease, revision: int, head: bytes, documents: Mapping[str, bytes]) -> Answer:
        """See ``RevisionStore.publish``."""
        if len(documents) > MAX_FIELDS:
            raise ValueError(f"{len(documents)} documents in one revision, at most {MAX_FIELDS} are taken")
        arguments = [lease.token, revision, head, *(part for pair in documents.items() for part in pair)]
        try:
            answer = await self._function("publish", [self._revision_key, self._lease_key], arguments)
        except StoreUnavailable:
            return Answer.LOST
        return _ANSWERS[answer]

    async def head(self) -> Revision | None:
        """See ``RevisionStore.head``."""
        number, head = await self._ask(lambda: self._client.hmget(self._revision_key, ["#number", "#head"]))
        return None if number is None else Revision(int(number), head)

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        """See ``RevisionStore.documents``."""
        if names is None:
            found = await self._ask(lambda: self._client.hgetall(self._revision_key))
            number, head = found.pop(b"#number", None), found.pop(b"#head", b"")
            return (Revision(int(number), head) if number else None), {n.decode(): data for n, data in found.items()}
        number, head, *data = await self._ask(
            lambda: self._client.hmget(self._revision_key, ["#number", "#head", *names])
        )
        listed = {name: item for name, item in zip(names, data, strict=True) if item is not None}
        return (Revision(int(number), head) if number else None), listed

    async def close(self) -> None:
        """Release connections."""
        await self.close_hints()
        await self._client.aclose()
        await self._applying.disconnect()

    async def _function(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Call a function; load the library first if the server lost it."""

        async def call() -> Any:
            return await self._client.fcall(f"tallyroom_{name}", len(keys), *keys, *arguments)

        try:
            return await self._ask(call)
        except ResponseError as error:
            if not _no_library(error):
                raise
            await self._ask(self._load)
            return await self._ask(call)

    async def _load_if_needed(self) -> None:
        try:
            if await self._client.fcall("tallyroom_version", 0) == LIBRARY_VERSION:
                return
        except ResponseError as error:
            if not _no_library(error):
                raise
        await self._load()

    async def _load(self) -> None:
        await self._client.function_load(files("tallyroom.store").joinpath("tallyroom.lua").read_text(), replace=True)

    async def _ask(self, call: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await call()
        except _UNAVAILABLE as error:
            raise StoreUnavailable(
                f"The store at {_without_password(self._url)} does not answer: {error}.",
                "check that the server runs and that TALLYROOM_REDIS_URL is right",
            ) from error


async def _answer(connection: Any) -> Answer:
    try:
        return _ANSWERS[await connection.read_response()]
    except ResponseError as error:
        if _no_library(error):
            return Answer.NOLIB
        raise


def _no_library(error: RedisError) -> bool:
    return "unction not found" in str(error)


def _meta_text(meta: Mapping[str, str]) -> str:
    return f"{meta['store_id']} {meta['definition']} {meta['partitions']}"


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
