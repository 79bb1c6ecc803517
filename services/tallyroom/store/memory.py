"""Both stores in this process: the same answers as the real ones, nothing kept. For tests and for tools without a server."""

import asyncio
import copy
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tallyroom.store.base import EPOCHS_APART, Answer, Apply, Claim, Cut, Lease, Mark, Revision, StoreMeta
from tallyroom.store.checks import check_meta, check_size, check_steps


@dataclass(slots=True)
class _Partition:
    epoch: int = 0
    offset: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _State:
    """Everything that a server would hold."""

    meta: StoreMeta | None = None
    partitions: dict[int, _Partition] = field(default_factory=dict)
    beside: dict[int, _Partition] = field(default_factory=dict)
    lease: Lease | None = None
    lease_ends: float = 0.0
    condition: bytes | None = None
    revision: Revision | None = None
    documents: dict[str, bytes] = field(default_factory=dict)
    mark: Mark = field(default_factory=Mark)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a store held at one instant; opaque, for ``MemoryStore.rollback_to``."""

    state: _State = field(repr=False)


def _apply(held: _Partition | None, step: Apply) -> Answer:
    if held is None:
        return Answer.EMPTY
    if held.epoch != step.epoch:
        return Answer.FENCED
    if held.offset != step.prev:
        return Answer.MOVED
    held.fields.update(step.fields)
    held.offset = step.next
    return Answer.OK


class MemoryStore:
    """TotalsStore and RevisionStore. Share one object between all who would share one server.

    ``clock``: seconds that only grow; leases run out by it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state = _State()
        self._events: dict[str, asyncio.Event] = {}

    # -- totals

    async def open(self, definition: str, partitions: int) -> StoreMeta:
        """Create the meta record, or check it. Raises StoreMismatch."""
        found = self._state.meta
        if found is None:
            found = self._state.meta = StoreMeta(uuid.uuid4().hex, definition, partitions)
        check_meta(found, definition, partitions)
        return found

    async def claim(self, partition: int) -> Claim:
        """Take the partition: its epoch goes up by one."""
        held = self._state.partitions.setdefault(partition, _Partition())
        held.epoch += 1
        return Claim(partition, held.epoch, held.offset, dict(held.fields))

    async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
        """Apply each step; one answer a step, in order. Raises ValueError beyond ``MAX_FIELDS``."""
        check_steps(steps)
        return [_apply(self._state.partitions.get(step.partition), step) for step in steps]

    async def begin(self, partition: int) -> Claim:
        """An empty hash beside the partition's, to be folded from offset 0."""
        held = self._state.partitions.get(partition, _Partition())
        made = self._state.beside[partition] = _Partition(held.epoch + EPOCHS_APART)
        return Claim(partition, made.epoch, 0, {})

    async def apply_beside(self, steps: Sequence[Apply]) -> list[Answer]:
        """`apply`, on the hashes beside those in use."""
        check_steps(steps)
        return [_apply(self._state.beside.get(step.partition), step) for step in steps]

    async def exchange(self, partition: int, epoch: int) -> Answer:
        """Put the hash beside in the place of the one in use, at once."""
        made = self._state.beside.get(partition)
        if made is None:
            return Answer.EMPTY
        if made.epoch != epoch:
            return Answer.FENCED
        self._state.partitions[partition] = self._state.beside.pop(partition)
        return Answer.OK

    async def adopt(self, definition: str, partitions: int) -> StoreMeta:
        """The totals are of this definition from here on. Raises StoreMismatch."""
        found = self._state.meta or StoreMeta(uuid.uuid4().hex, definition, partitions)
        made = replace(found, definition=definition, rebuilds=found.rebuilds + 1)
        check_meta(made, definition, partitions)
        self._state.meta = made
        return made

    async def offsets(self) -> Mapping[int, int]:
        """Next offset of every claimed partition."""
        return {number: held.offset for number, held in sorted(self._state.partitions.items())}

    async def cut(self, partition: int, names: Sequence[bytes]) -> Cut | None:
        """Read these fields of a partition at one instant; None if it was never claimed."""
        held = self._state.partitions.get(partition)
        if held is None:
            return None
        return Cut(partition, held.epoch, held.offset, [held.fields.get(name) for name in names])

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        """Read single fields without regard to the offset."""
        held = self._state.partitions.get(partition, _Partition())
        return [held.fields.get(name) for name in names]

    async def meta(self) -> StoreMeta | None:
        """Identity of the store, None if nobody opened it yet."""
        return self._state.meta

    # -- revisions

    async def acquire(self, owner: str, ttl: float) -> Lease | None:
        """Become the publisher for ``ttl`` seconds, or None while another owner is."""
        state, now = self._state, self._clock()
        if state.lease is not None and state.lease.owner != owner and state.lease_ends > now:
            return None
        state.lease = Lease(owner, state.lease.token + 1 if state.lease else 1)
        state.lease_ends, state.condition = now + ttl, None
        return state.lease

    async def beat(self, lease: Lease, ttl: float, condition: bytes) -> bool:
        """Prolong the lease and say how things stand; False if it ran out or went to another."""
        state, now = self._state, self._clock()
        if lease != state.lease or state.lease_ends <= now:
            return False
        state.lease_ends, state.condition = now + ttl, condition
        return True

    async def condition(self) -> bytes | None:
        """What the holder of the lease said last; None if nobody holds it or it said nothing."""
        return self._state.condition if self._state.lease_ends > self._clock() else None

    async def release(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours."""
        if lease == self._state.lease:
            self._state.lease_ends, self._state.condition = 0.0, None

    async def publish(
        self, lease: Lease, revision: int, head: bytes, documents: Mapping[str, bytes], knowing: str = ""
    ) -> Answer:
        """Write documents and head in one step; the first number is free (a lost revision is put back)."""
        check_size(documents)
        state = self._state
        if lease != state.lease:
            return Answer.FENCED
        if state.mark.frozen and state.mark.id != knowing:
            return Answer.FROZEN
        if state.revision is not None and revision <= state.revision.number:
            return Answer.MOVED
        state.revision = Revision(revision, head)
        state.documents.update(documents)
        return Answer.OK

    async def head(self) -> Revision | None:
        """The current revision, None before the first."""
        return self._state.revision

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        """The head and these documents (all of them for None), read at one instant."""
        held = self._state.documents
        wanted = held if names is None else {name: held[name] for name in names if name in held}
        return self._state.revision, dict(wanted)

    async def mark(self) -> Mark:
        """What the auditor said last."""
        return self._state.mark

    async def audited(self, revision: int) -> None:
        """The auditor found this revision right."""
        self._state.mark = replace(self._state.mark, audited=revision)

    async def freeze(self, mark: str, why: bytes) -> bool:
        """Freeze publication by this mark, or say anew why; False if it is frozen by another one."""
        if self._state.mark.frozen and self._state.mark.id != mark:
            return False
        self._state.mark = Mark(mark, why, audited=self._state.mark.audited)
        return True

    async def thaw(self, mark: str, thaw: bytes) -> bool:
        """Publication goes on although this mark stands; False if it does not stand (any more)."""
        held = self._state.mark
        if not held.frozen or held.id != mark:
            return False
        self._state.mark = replace(held, thaw=thaw)
        return True

    # -- hints

    async def announce(self, channel: str) -> None:
        """Wake those who listen on ``channel``."""
        event = self._events.get(channel)
        if event is not None:
            event.set()

    async def hint(self, channel: str, timeout: float) -> bool:
        """Wait until ``channel`` is announced (True) or ``timeout`` seconds have passed (False)."""
        event = self._events.setdefault(channel, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except TimeoutError:
            return False
        event.clear()
        return True

    async def close(self) -> None:
        """Nothing to release; what is held stays for those who share the object."""

    # -- faults, for tests

    def flush(self) -> None:
        """Lose everything, as a server does that is flushed or replaced."""
        self._state = _State()

    def snapshot(self) -> Snapshot:
        """What is held now."""
        return Snapshot(copy.deepcopy(self._state))

    def rollback_to(self, snapshot: Snapshot) -> None:
        """Go back to an earlier instant, as a server does that lost the last second of its append-only file."""
        self._state = copy.deepcopy(snapshot.state)
