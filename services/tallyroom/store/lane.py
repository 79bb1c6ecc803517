"""One connection to the store's server: a pipeline at a time, every wait bounded, nothing ever sent twice."""

import asyncio
from collections.abc import Sequence
from ssl import TLSVersion
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from hiredis import pack_command
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from tallyroom.domain.errors import SettingError, StoreUnavailable
from tallyroom.settings import StoreAccess

CONNECT_S: Final = 2.0
"""A server on the same network that takes longer to accept is not there."""

ANSWER_S: Final = 5.0
"""Longest wait for the answers of one pipeline. A claim and its load must end well before Kafka's request time-out, or the
member is put out of its group; one pipeline of 24,000 fields takes a server 50 ms."""

_FORBIDDEN: Final = "permission"
"""What a refused right is called; a function that lacks one says it in an error of the function, not in one of its own kind."""

Reply: TypeAlias = Any
"""What a command answered: bytes, int, list, None, or the ResponseError of that command."""


class Lost(Exception):
    """The connection failed or the time is over: commands without a reply may or may not have been executed."""


def accessed(access: StoreAccess | str) -> StoreAccess:
    """An address alone is one without credentials beside it."""
    return StoreAccess(access) if isinstance(access, str) else access


def connect(access: StoreAccess) -> Connection | UnixDomainSocketConnection:
    """A connection object for redis://, rediss:// or unix://, not yet connected. Raises SettingError."""
    try:
        arguments: dict[str, Any] = dict(parse_url(access.url))
    except ValueError as error:
        raise SettingError(
            f"The store's address is not valid: {error}.", "set it to redis://host:port/0 or unix:///path"
        ) from error
    kind = arguments.pop("connection_class", Connection)
    if access.username is not None:
        arguments["username"] = access.username
    if access.password is not None:
        arguments["password"] = access.password.reveal()
    if issubclass(kind, SSLConnection):
        arguments["ssl_min_version"] = TLSVersion.TLSv1_2
        if access.ca is not None:
            arguments["ssl_ca_certs"] = str(access.ca)
    # The client library resends by itself unless told otherwise, and hides it: the second time an apply is answered MOVED
    # although it was applied. Who sends again must know that the first answer was lost.
    arguments.update(
        retry=Retry(NoBackoff(), 0), protocol=2, socket_timeout=None, socket_connect_timeout=CONNECT_S
    )  # fmt: skip
    connection: Connection | UnixDomainSocketConnection = kind(**arguments)
    return connection


def address(url: str) -> str:
    """The server of a URL as an operator may see it: without user and password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def packed(*command: bytes | str | int) -> bytes:
    """A command as the server reads it. In C: the client library's own packing takes about three times as long."""
    data: bytes = pack_command(command)  # type: ignore[arg-type]  # its stub says "a tuple of one"
    return data


def _ended(connection: Connection | UnixDomainSocketConnection) -> bool:
    """Whether the connection was closed or reset since it was last used (the server was started again, or found us idle).

    uvloop answers a write to one that was reset with a RuntimeError.
    """
    reader = connection._reader  # the public ways to ask read from it or wait
    return reader is not None and (reader.at_eof() or reader.exception() is not None)


class Lane:
    """A connection that is made when it is needed and again after it broke."""

    def __init__(self, access: StoreAccess, answer_s: float = ANSWER_S) -> None:
        self._connection = connect(access)
        self._address = address(access.url)
        self._user = self._connection.username or "default"
        self._answer_s = answer_s
        self._turn = asyncio.Lock()

    async def exchange(self, commands: Sequence[bytes], replies: list[Reply]) -> None:
        """Send packed commands as one pipeline and append a reply for each. Raises Lost; replies that came stay in the list."""
        try:
            async with asyncio.timeout(CONNECT_S + self._answer_s), self._turn:
                await self._exchange(commands, replies)
        except (RedisError, OSError, TimeoutError) as error:
            raise Lost(str(error) or f"no answer in {CONNECT_S + self._answer_s:g} s") from error

    async def _exchange(self, commands: Sequence[bytes], replies: list[Reply]) -> None:
        connection = self._connection
        whole = False
        try:
            if _ended(connection):
                await connection.disconnect(nowait=True)  # nothing was sent: a new connection is no resend
            if not connection.is_connected:
                await connection.connect()  # type: ignore[no-untyped-call]
            async with asyncio.timeout(self._answer_s):
                await connection.send_packed_command(commands, check_health=False)
                for _ in commands:
                    try:
                        replies.append(await connection.read_response())
                    except ResponseError as error:
                        replies.append(error)
            whole = True
        finally:
            if not whole:  # also when cancelled: replies still to come would be taken for those of the next pipeline
                await connection.disconnect(nowait=True)

    async def ask(self, *commands: bytes) -> list[Reply]:
        """The replies. Raises StoreUnavailable if there are none; an error reply stands in the list."""
        replies: list[Reply] = []
        try:
            await self.exchange(commands, replies)
        except Lost as error:
            if isinstance(error.__cause__, AuthenticationError):
                raise StoreUnavailable(
                    f"The store at {self._address} does not let user {self._user!r} in: {str(error).rstrip('.')}.",
                    "correct TALLYROOM_REDIS_USERNAME and TALLYROOM_REDIS_PASSWORD_FILE",
                ) from error
            raise StoreUnavailable(
                f"The store at {self._address} does not answer: {str(error).rstrip('.')}.",
                "start the server or correct TALLYROOM_REDIS_URL; work goes on by itself once it answers",
            ) from error
        return replies

    async def read(self, *commands: bytes) -> list[Reply]:
        """The replies, none of them an error. Raises StoreUnavailable."""
        return [self.checked(reply) for reply in await self.ask(*commands)]

    def checked(self, reply: Reply) -> Reply:
        """The reply itself. Raises StoreUnavailable if it is an error."""
        if isinstance(reply, ResponseError):
            if _FORBIDDEN in str(reply).lower():
                raise StoreUnavailable(
                    f"The store at {self._address} refused user {self._user!r}: {str(reply).rstrip('.')}.",
                    "run this as the user that has the right (TALLYROOM_REDIS_USERNAME; docs/security.md, 'Store'), or give it "
                    "the rights of deploy/redis/users.acl",
                ) from reply
            raise StoreUnavailable(
                f"The store at {self._address} refused: {reply}.",
                "look at the server's state (memory, disk, role, rights); it must be Redis 7.0+ or Valkey 7.2+",
            ) from reply
        return reply

    async def close(self) -> None:
        """End the connection."""
        await self._connection.disconnect()
