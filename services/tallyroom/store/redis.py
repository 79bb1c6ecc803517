"""Both stores on a Redis or Valkey server: plain reads, and the functions of tallyroom.lua for everything that writes.

Three kinds of connections, so that none waits for another: one for applies, one for everything else, one per channel heard.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Final

import structlog
from redis.exceptions import ResponseError
from structlog.typing import FilteringBoundLogger

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.settings import StoreAccess
from tallyroom.store.base import EPOCHS_APART, Answer, Apply, Claim, Cut, Lease, Mark, Revision, StoreMeta
from tallyroom.store.checks import check_meta, check_size, check_steps
from tallyroom.store.hints import Listener
from tallyroom.store.lane import ANSWER_S, Lane, Lost, Reply, accessed, packed

_ANSWERS: Final = {str(answer).encode(): answer for answer in Answer}
_READ_AT_ONCE: Final = 5000
"""Fields of one read without regard to the offset: longer ones are split, so that no apply waits for them."""

_DOCUMENT: Final = "d:"


@cache
def library() -> tuple[bytes, bytes]:
    """(source of the function library, its version): the version is the SHA-256 of the shipped file."""
    source = files("tallyroom.store").joinpath("tallyroom.lua").read_bytes()
    version = hashlib.sha256(source).hexdigest().encode()
    return source.replace(b"@VERSION@", version), version


class RedisStore:
    """TotalsStore and RevisionStore of one election and environment. Connects when first used.

    ``answer_s``: longest wait for the answers of one pipeline, in seconds.
    """

    def __init__(self, access: StoreAccess | str, election: str, environment: str, answer_s: float = ANSWER_S) -> None:
        self._access = accessed(access)
        self._prefix = f"tallyroom:{{{election}.{environment}}}:"
        self._meta = f"{self._prefix}meta"
        self._lease = f"{self._prefix}lease"
        self._revision = f"{self._prefix}revision"
        self._mark = f"{self._prefix}mark"
        self._applies = Lane(self._access, answer_s)
        self._others = Lane(self._access, answer_s)
        self._listeners: dict[str, Listener] = {}
        self._opened: tuple[str, int] | None = None
        self._partitions: int | None = None
        self._logger: FilteringBoundLogger = structlog.get_logger("store")

    # -- functions

    async def _call(self, name: str, keys: Sequence[str], *arguments: bytes | str | int) -> Reply:
        """Call a function; a server that lost the library gets it back, once. Raises StoreUnavailable, StoreMismatch.

        Sending again is safe there, and only there: a function that is not found did nothing.
        """
        reply = await self._function(name, keys, *arguments)
        if _is_missing(reply):
            self._logger.warning("the store has no function library; loading it", function=name)
            await self._load()
            if self._opened is not None:  # a server without functions may be a new one: without identity, too
                await self._identity(*self._opened)
            reply = await self._function(name, keys, *arguments)
        return self._others.checked(reply)

    async def _function(self, name: str, keys: Sequence[str], *arguments: bytes | str | int) -> Reply:
        command = packed("FCALL", f"tallyroom_{name}", len(keys), *keys, *arguments)
        return (await self._others.ask(command))[0]

    async def _load(self) -> None:
        source, _ = library()
        await self._others.read(packed("FUNCTION", "LOAD", "REPLACE", source))

    async def _identity(self, definition: str, partitions: int) -> StoreMeta:
        reply = self._others.checked(
            await self._function("open", [self._meta], uuid.uuid4().hex, definition, partitions)
        )  # fmt: skip
        found = _meta_of(reply)
        if found is None:
            raise StoreUnavailable(f"{self._meta} is damaged: {reply!r}.", "empty the store and rebuild from the log")
        check_meta(found, definition, partitions)
        self._partitions = found.partitions
        return found

    # -- totals

    async def open(self, definition: str, partitions: int) -> StoreMeta:
        """Create the meta record, or check it; load the functions unless exactly these are there.

        Raises StoreMismatch, StoreUnavailable.
        """
        reply = await self._function("version", [])
        if _is_missing(reply) or self._others.checked(reply) != library()[1]:
            await self._load()
        found = await self._identity(definition, partitions)
        self._opened = (definition, partitions)
        return found

    async def claim(self, partition: int) -> Claim:
        """Take the partition: its epoch goes up by one. Raises StoreUnavailable."""
        flat = await self._call("claim", [self._key(partition)])
        fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        epoch, offset = int(fields.pop(b"epoch")), int(fields.pop(b"off"))
        return Claim(partition, epoch, offset, fields)

    async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
        """Apply each step atomically, all in one pipeline; one answer a step, in order, LOST where none came.

        Raises ValueError beyond ``MAX_FIELDS``, before anything is sent.
        """
        return await self._apply(steps, self._key)

    async def _apply(self, steps: Sequence[Apply], key: Callable[[int], str]) -> list[Answer]:
        if not steps:
            return []
        check_steps(steps)
        replies: list[Reply] = []
        try:
            await self._applies.exchange([_packed(step, key(step.partition)) for step in steps], replies)
        except Lost as error:
            self._logger.warning("no answer to an apply", steps=len(steps), answered=len(replies), error=str(error))
        answers = [_answer(reply) for reply in replies]
        return answers + [Answer.LOST] * (len(steps) - len(answers))

    async def begin(self, partition: int) -> Claim:
        """An empty hash beside the partition's, to be folded from offset 0. Raises StoreUnavailable."""
        beside = self._beside(partition)
        await self._others.read(packed("UNLINK", beside))
        flat = await self._call("begin", [beside, self._key(partition)], EPOCHS_APART)
        fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        return Claim(partition, int(fields.pop(b"epoch")), int(fields.pop(b"off")), fields)

    async def apply_beside(self, steps: Sequence[Apply]) -> list[Answer]:
        """`apply`, on the hashes beside those in use."""
        return await self._apply(steps, self._beside)

    async def exchange(self, partition: int, epoch: int) -> Answer:
        """Put the hash beside in the place of the one in use, at once. Raises StoreUnavailable."""
        return _answer(await self._call("exchange", [self._beside(partition), self._key(partition)], epoch))

    async def adopt(self, definition: str, partitions: int) -> StoreMeta:
        """The totals are of this definition from here on. Raises StoreMismatch, StoreUnavailable."""
        found = _meta_of(await self._call("adopt", [self._meta], uuid.uuid4().hex, definition, partitions))
        if found is None:
            raise StoreUnavailable(f"{self._meta} is damaged.", "empty the store and rebuild from the log")
        check_meta(found, definition, partitions)
        self._partitions = found.partitions
        return found

    async def offsets(self) -> Mapping[int, int]:
        """Next offset of every claimed partition. Raises StoreUnavailable."""
        if self._partitions is None:
            meta = await self.meta()
            if meta is None:
                return {}
            self._partitions = meta.partitions
        keys = [self._key(number) for number in range(self._partitions)]
        replies = await self._others.read(*(packed("HGET", key, "off") for key in keys))
        found = {number: int(reply) for number, reply in enumerate(replies) if reply is not None}
        if not found:
            self._partitions = None  # nothing claimed, or flushed: the next one to open it may choose another count
        return found

    async def cut(self, partition: int, names: Sequence[bytes]) -> Cut | None:
        """Read these fields of a partition at one instant; None if it was never claimed. Raises StoreUnavailable."""
        command = packed("HMGET", self._key(partition), "epoch", "off", *names)
        epoch, offset, *values = (await self._others.read(command))[0]
        return None if epoch is None else Cut(partition, int(epoch), int(offset), values)

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        """Read single fields without regard to the offset. Raises StoreUnavailable."""
        values: list[bytes | None] = []
        for start in range(0, len(names), _READ_AT_ONCE):
            some = names[start : start + _READ_AT_ONCE]
            values.extend((await self._others.read(packed("HMGET", self._key(partition), *some)))[0])
        return values

    async def meta(self) -> StoreMeta | None:
        """Identity of the store, None if nobody opened it yet. Raises StoreUnavailable."""
        command = packed("HMGET", self._meta, "store_id", "definition", "partitions", "rebuilds")
        return _meta_of((await self._others.read(command))[0])

    def _key(self, partition: int) -> str:
        return f"{self._prefix}p:{partition}"

    def _beside(self, partition: int) -> str:
        return f"{self._prefix}new:{partition}"

    # -- revisions

    async def acquire(self, owner: str, ttl: float) -> Lease | None:
        """Become the publisher for ``ttl`` seconds, or None while another owner is. Raises StoreUnavailable."""
        token = await self._call("acquire", [self._lease], owner, _milliseconds(ttl))
        return None if token is None else Lease(owner, int(token))

    async def beat(self, lease: Lease, ttl: float, condition: bytes) -> bool:
        """Prolong the lease and say how things stand; False if it ran out or went to another. Raises StoreUnavailable."""
        return bool(await self._call("beat", [self._lease], lease.owner, lease.token, _milliseconds(ttl), condition))

    async def condition(self) -> bytes | None:
        """What the holder of the lease said last; None if nobody holds it or it said nothing. Raises StoreUnavailable."""
        (ends, said), (seconds, micros) = await self._others.read(
            packed("HMGET", self._lease, "until", "condition"), packed("TIME")
        )
        lasts = ends is not None and int(ends) > int(seconds) * 1000 + int(micros) // 1000
        return bytes(said) if lasts and said else None

    async def release(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours. Raises StoreUnavailable."""
        await self._call("release", [self._lease], lease.owner, lease.token)

    async def publish(
        self, lease: Lease, revision: int, head: bytes, documents: Mapping[str, bytes], knowing: str = ""
    ) -> Answer:
        """Write documents and head in one step. A lost connection is the answer LOST."""
        check_size(documents)
        flat: list[bytes | str] = []
        for name, data in documents.items():
            flat += (_DOCUMENT + name, data)
        keys = [self._revision, self._lease, self._mark]
        try:
            reply = await self._call("publish", keys, lease.owner, lease.token, knowing, revision, head, *flat)
        except StoreUnavailable as error:
            self._logger.warning("no answer to a publish", revision=revision, error=error.what)
            return Answer.LOST
        return _answer(reply)

    async def head(self) -> Revision | None:
        """The current revision, None before the first. Raises StoreUnavailable."""
        return _revision_of(*(await self._others.read(packed("HMGET", self._revision, "revision", "head")))[0])

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        """The head and these documents (all of them for None), read at one instant. Raises StoreUnavailable."""
        if names is None:
            flat = (await self._others.read(packed("HGETALL", self._revision)))[0]
            held: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
            revision = _revision_of(held.pop(b"revision", None), held.pop(b"head", None))
            return revision, {name.decode()[len(_DOCUMENT) :]: data for name, data in held.items()}
        fields = ("revision", "head", *(_DOCUMENT + name for name in names))
        number, head, *found = (await self._others.read(packed("HMGET", self._revision, *fields)))[0]
        wanted = {name: data for name, data in zip(names, found, strict=True) if data is not None}
        return _revision_of(number, head), wanted

    async def mark(self) -> Mark:
        """What the auditor said last. Raises StoreUnavailable."""
        found = (await self._others.read(packed("HMGET", self._mark, "id", "why", "thaw", "audited")))[0]
        identifier, why, thaw, audited = found
        return Mark((identifier or b"").decode(), why or b"", thaw or b"", int(audited or 0))

    async def audited(self, revision: int) -> None:
        """The auditor found this revision right. Raises StoreUnavailable."""
        await self._call("audited", [self._mark], revision)

    async def freeze(self, mark: str, why: bytes) -> bool:
        """Freeze publication by this mark, or say anew why; False if it is frozen by another one. Raises StoreUnavailable."""
        return bool(await self._call("freeze", [self._mark], mark, why))

    async def thaw(self, mark: str, thaw: bytes) -> bool:
        """Publication goes on although this mark stands; False if it does not stand (any more). Raises StoreUnavailable."""
        return bool(await self._call("thaw", [self._mark], mark, thaw))

    # -- hints

    async def announce(self, channel: str) -> None:
        """Wake those who listen on ``channel``. A store that is away is not told apart from nobody listening."""
        replies: list[Reply] = []
        try:
            await self._others.exchange([packed("PUBLISH", self._channel(channel), b"")], replies)
        except Lost as error:
            self._logger.debug("a hint went nowhere", channel=channel, error=str(error))

    async def hint(self, channel: str, timeout: float) -> bool:
        """Wait until ``channel`` is announced (True) or ``timeout`` seconds have passed (False)."""
        listener = self._listeners.get(channel)
        if listener is None:
            listener = self._listeners[channel] = Listener(self._access, self._channel(channel))
        return await listener.wait(timeout)

    def _channel(self, name: str) -> str:
        return f"{self._prefix}hint:{name}"

    async def close(self) -> None:
        """Release connections."""
        for listener in self._listeners.values():
            await listener.close()
        self._listeners.clear()
        await self._applies.close()
        await self._others.close()


def _is_missing(reply: Reply) -> bool:
    return isinstance(reply, ResponseError) and "function not found" in str(reply).lower()


def _answer(reply: Reply) -> Answer:
    """An error reply (out of memory, read-only, ...) is LOST: the claim that follows says what is wrong."""
    if isinstance(reply, ResponseError):
        return Answer.NOLIB if _is_missing(reply) else Answer.LOST
    return _ANSWERS[reply]


def _meta_of(reply: Sequence[bytes | None]) -> StoreMeta | None:
    store_id, definition, partitions, rebuilds = reply
    if store_id is None or definition is None or partitions is None:
        return None
    return StoreMeta(store_id.decode(), definition.decode(), int(partitions), int(rebuilds or 0))


def _revision_of(number: bytes | None, head: bytes | None) -> Revision | None:
    return None if number is None or head is None else Revision(int(number), head)


def _packed(step: Apply, key: str) -> bytes:
    return packed(
        "FCALL", "tallyroom_apply", 1, key, step.epoch, step.prev, step.next,
        *chain.from_iterable(step.fields.items()),
    )  # fmt: skip


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
