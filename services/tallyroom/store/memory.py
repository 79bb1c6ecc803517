"""The store in memory: the same protocol without a server, for tools and tests."""

import asyncio
import copy
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallyroom.domain.errors import StoreMismatch
from tallyroom.store.base import MAX_FIELDS, Answer, Apply, Claim, Cut, Lease, Revision, StoreMeta


@dataclass(slots=True)
class _Partition:
    epoch: int = 0
    offset: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Contents:
    """Everything a server would hold."""

    meta: StoreMeta | None = None
    partitions: dict[int, _Partition] = field(default_factory=dict)
    revision: Revision | None = None
    documents: dict[str, bytes] = field(default_factory=dict)
    owner: str = ""
    until: float = 0.0
    token: int = 0
    condition: bytes = b""


class MemoryStore:
    """``TotalsStore`` and ``RevisionStore`` of one election within one process and event loop."""

    def __init__(self) -> None:
        self._held = _Contents()
        self._events: dict[str, asyncio.Event] = {}

    async def open(self, definition: str, partitions: int) -> StoreMeta:
        """See ``TotalsStore.open``."""
        if self._held.meta is None:
            self._held.meta = StoreMeta(secrets.token_hex(8), definition, partitions)
        meta = self._held.meta
        if (meta.definition, meta.partitions) != (definition, partitions):
            raise StoreMismatch(
                f"The store holds totals of definition {meta.definition[:12]} in {meta.partitions} partitions; "
                f"this is definition {definition[:12]} in {partitions}.",
                "start with the definition it was made with, or use another store",
            )
        return meta

    async def meta(self) -> StoreMeta | None:
        """See ``TotalsStore.meta``."""
        return self._held.meta

    async def claim(self, partition: int) -> Claim:
        """See ``TotalsStore.claim``."""
        held = self._held.partitions.setdefault(partition, _Partition())
        held.epoch += 1
        return Claim(partition, held.epoch, held.offset, dict(held.fields))

    async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
        """See ``TotalsStore.apply``."""
        for step in steps:
            if len(step.fields) > MAX_FIELDS:
                raise ValueError(f"{len(step.fields)} fields in one step, at most {MAX_FIELDS} are taken")
        return [self._apply(step) for step in steps]

    def _apply(self, step: Apply) -> Answer:
        held = self._held.partitions.get(step.partition)
        if held is None:
            return Answer.EMPTY
        if held.epoch != step.epoch:
            return Answer.FENCED
        if held.offset != step.prev:
            return Answer.MOVED
        held.offset = step.next
        held.fields.update(step.fields)
        return Answer.OK

    async def offsets(self) -> Mapping[int, int]:
        """See ``TotalsStore.offsets``."""
        return {number: held.offset for number, held in self._held.partitions.items()}

    async def cut(self, partition: int, names: Sequence[bytes]) -> Cut | None:
        """See ``TotalsStore.cut``."""
        held = self._held.partitions.get(partition)
        if held is None:
            return None
        return Cut(partition, held.epoch, held.offset, [held.fields.get(name) for name in names])

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        """See ``TotalsStore.units``."""
        held = self._held.partitions.get(partition, _Partition())
        return [held.fields.get(name) for name in names]

    async def acquire(self, owner: str, ttl: float) -> Lease | None:
        """See ``RevisionStore.acquire``."""
        held, now = self._held, time.monotonic()
        if held.owner not in ("", owner) and held.until > now:
            return None
        held.owner, held.until, held.token = owner, now + ttl, held.token + 1
        return Lease(owner, held.token)

    async def release(self, lease: Lease) -> None:
        """See ``RevisionStore.release``."""
        if lease.token == self._held.token:
            self._held.owner, self._held.until = "", 0.0

    async def beat(self, lease: Lease, ttl: float, condition: bytes) -> bool:
        """See ``RevisionStore.beat``."""
        if lease.token != self._held.token:
            return False
        self._held.until, self._held.condition = time.monotonic() + ttl, condition
        return True

    async def condition(self) -> bytes | None:
        """See ``RevisionStore.condition``."""
        return self._held.condition or None if self._held.until > time.monotonic() else None

    async def publish(self, lease: Lease, revision: int, head: bytes, documents: Mapping[str, bytes]) -> Answer:
        """See ``RevisionStore.publish``."""
        if len(documents) > MAX_FIELDS:
            raise ValueError(f"{len(documents)} documents in one revision, at most {MAX_FIELDS} are taken")
        held = self._held
        if lease.token != held.token:
            return Answer.FENCED
        if held.revision is not None and held.revision.number + 1 != revision:
            return Answer.MOVED
        held.revision = Revision(revision, head)
        held.documents = {**held.documents, **documents}
        return Answer.OK

    async def head(self) -> Revision | None:
        """See ``RevisionStore.head``."""
        return self._held.revision

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        """See ``RevisionStore.documents``."""
        held = self._held.documents
        return self._held.revision, {name: data for name, data in held.items() if names is None or name in names}

    async def announce(self, channel: str) -> None:
        """See ``Hints.announce``."""
        if channel in self._events:
            self._events[channel].set()

    async def hint(self, channel: str, timeout: float) -> bool:
        """See ``Hints.hint``."""
        event = self._events.setdefault(channel, asyncio.Event())
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def close(self) -> None:
        """Nothing to release."""

    def flush(self) -> None:
        """Lose everything, as a flushed server does."""
        self._held = _Contents()

    def photograph(self) -> object:
        """The contents as they are now, for ``roll_back``."""
        return copy.deepcopy(self._held)

    def roll_back(self, photograph: object) -> None:
        """Go back to earlier contents, as a server does that lost its last second."""
        assert isinstance(photograph, _Contents)
        self._held = copy.deepcopy(photograph)
