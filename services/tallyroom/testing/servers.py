"""Nights on servers that somebody else runs: what such a night needs to be free there, and what it removes at its end.

A night's topics and keys carry the election's name, which is part of what is hashed and cannot be another one for a test. So
on given servers a night wants them for itself: it does not start if they are there, and deletes them when it ends.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tallyroom.domain.errors import LogError, SettingError, StoreUnavailable, TallyroomError

_WAIT_S: Final = 20.0
_SCAN: Final = 500


class Occupied(TallyroomError):
    """The given servers hold the election already: another run, or what an interrupted one left."""


async def take_topics(bootstrap: str, topics: Sequence[str], *, clear: bool) -> None:
    """Make sure that these topics do not exist. Raises Occupied, LogError."""
    async with _admin(bootstrap) as admin:
        found = sorted(set(topics) & set(await admin.list_topics()))
        if found and not clear:
            raise Occupied(
                f"Kafka at {bootstrap} has the topic {found[0]} already.",
                "let the other run end; or delete what an interrupted one left, with --tallyroom-clear",
            )
        await _delete(admin, found)


async def drop_topics(bootstrap: str, topics: Sequence[str]) -> None:
    """Delete these topics and wait until they are gone. Raises LogError."""
    async with _admin(bootstrap) as admin:
        await _delete(admin, sorted(set(topics) & set(await admin.list_topics())))


async def take_keys(url: str, prefix: str, *, clear: bool) -> None:
    """Make sure that the store holds nothing below this prefix. Raises Occupied, StoreUnavailable."""
    async with _redis(url) as redis:
        found = await _keys(redis, prefix)
        if found and not clear:
            raise Occupied(
                f"The store at {url} holds the key {found[0].decode()} already.",
                "let the other run end; or delete what an interrupted one left, with --tallyroom-clear",
            )
        await _unlink(redis, found)


async def drop_keys(url: str, prefix: str) -> None:
    """Delete everything below this prefix. Raises StoreUnavailable."""
    async with _redis(url) as redis:
        await _unlink(redis, await _keys(redis, prefix))


def replayable(environment: str) -> None:
    """Tests replay recordings of tests and simulations only. Raises SettingError for a live election."""
    if environment == "live":
        raise SettingError(
            "A recording of environment 'live' cannot be replayed in tests.",
            "record it with environment 'test': nothing that is replayed may reach a live topic",
        )


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(_WAIT_S):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise LogError(
            f"Kafka at {bootstrap} cannot be used: {error!r}.", "check --tallyroom-kafka-url and that the broker runs"
        ) from error
    finally:
        await admin.close()


async def _delete(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> None:
    if topics:
        await admin.delete_topics(list(topics))
    while set(topics) & set(await admin.list_topics()):  # noqa: ASYNC110 - Kafka tells nobody; bounded by the client's limit
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator["Redis"]:
    redis = Redis.from_url(url, socket_timeout=10)
    try:
        yield redis
    except RedisError as error:
        raise StoreUnavailable(
            f"The store at {url} cannot be used: {error}.", "check --tallyroom-redis-url and that the server runs"
        ) from error
    finally:
        await redis.aclose()


async def _keys(redis: "Redis", prefix: str) -> list[bytes]:
    return [key async for key in redis.scan_iter(match=f"{prefix}*", count=_SCAN)]


async def _unlink(redis: "Redis", keys: Sequence[bytes]) -> None:
    if keys:
        await redis.unlink(*keys)
