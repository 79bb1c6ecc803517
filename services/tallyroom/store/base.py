"""What a store is to us: per partition one hash of absolute values that moves with its offset, and published revisions.

The protocol is docs/exactly-once.md. A store never interprets field values: the tabulator writes them, the publisher reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

MAX_FIELDS: Final = 3000
"""Most fields of one apply or publish: the server's Lua ``unpack`` fails near 8,000 values (2 a field, plus arguments)."""


EPOCHS_APART: Final = 1_000_000
"""From the epoch of a hash in use to that of the one folded beside it: more claims than a rebuild can see."""


class Answer(StrEnum):
    """The store's answer to an apply or a publish. Anything but OK means: claim again, reload, seek."""

    OK = "OK"
    FENCED = "FENCED"  # another owner holds a newer epoch
    MOVED = "MOVED"  # the stored offset is not where the batch starts
    EMPTY = "EMPTY"  # no hash: the store was flushed or replaced
    NOLIB = "NOLIB"  # the server lost the function library: load it, claim again
    FROZEN = "FROZEN"  # publication is frozen, by a mark that the publisher had not read
    LOST = "LOST"  # no answer: it may or may not have been applied


@dataclass(frozen=True, slots=True)
class StoreMeta:
    """Identity of a store: who it belongs to and how its log is partitioned."""

    store_id: str  # made once, when the store is first opened
    definition: str  # SHA-256 (hex) of the definition the night started from
    partitions: int
    rebuilds: int = 0  # how often totals were exchanged for others that were folded beside them


@dataclass(frozen=True, slots=True)
class Claim:
    """What an owner gets: a fresh epoch, the next offset to fold, and every field written so far (without epoch and off)."""

    partition: int
    epoch: int
    offset: int
    fields: Mapping[bytes, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """One atomic step of a partition: from offset ``prev`` to ``next``, with absolute values."""

    partition: int
    epoch: int
    prev: int
    next: int
    fields: Mapping[bytes, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cut:
    """A consistent read of one partition: values as they were at ``offset``. ``None``: the hash does not exist."""

    partition: int
    epoch: int
    offset: int
    values: Sequence[bytes | None] = field(repr=False)


class Hints(Protocol):
    """Wake-ups. They carry nothing that anyone relies on: who misses one notices by polling."""

    async def announce(self, channel: str) -> None:
        """Wake those who listen on ``channel``; never raises when nobody listens."""

    async def hint(self, channel: str, timeout: float) -> bool:
        """Wait until ``channel`` is announced (True) or ``timeout`` seconds have passed (False).

        The first call for a channel subscribes. Announcements between two calls are remembered as one.
        """


class TotalsStore(Hints, Protocol):
    """Running totals and unit states, one hash per partition."""

    async def open(self, definition: str, partitions: int) -> StoreMeta:
        """Create the meta record, or check it. Loads and version-checks the server's functions.

        Raises StoreMismatch if the store holds another definition or partition count, StoreUnavailable.
        """

    async def claim(self, partition: int) -> Claim:
        """Take the partition: its epoch goes up by one. A first claim writes offset 0. Raises StoreUnavailable."""

    async def apply(self, steps: Sequence[Apply]) -> list[Answer]:
        """Apply each step atomically, all sent as one pipeline; one answer a step, in order.

        ``MAX_FIELDS`` fields a step at most (ValueError). A lost connection is the answer LOST, never an exception.
        """

    async def begin(self, partition: int) -> Claim:
        """An empty hash beside the partition's, to be folded from offset 0; one that a rebuild left there is removed.

        Its epoch is far above that of the hash in use, so that no owner of that one can write here after the exchange.
        Raises StoreUnavailable.
        """

    async def apply_beside(self, steps: Sequence[Apply]) -> list[Answer]:
        """`apply`, on the hashes beside those in use."""

    async def exchange(self, partition: int, epoch: int) -> Answer:
        """Put the hash beside in the place of the one in use, at once. FENCED, EMPTY as for an apply. Raises StoreUnavailable."""

    async def adopt(self, definition: str, partitions: int) -> StoreMeta:
        """The totals are of this definition from here on: count the rebuild. Makes the meta record if there is none.

        Raises StoreMismatch for another partition count, StoreUnavailable.
        """

    async def offsets(self) -> Mapping[int, int]:
        """Next offset of every claimed partition. Raises StoreUnavailable."""

    async def cut(self, partition: int, names: Sequence[bytes]) -> Cut | None:
        """Read these fields of a partition at one instant. ``None`` if it was never claimed. Raises StoreUnavailable."""

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        """Read single fields without regard to the offset."""

    async def meta(self) -> StoreMeta | None:
        """Identity of the store, None if nobody opened it yet. Raises StoreUnavailable."""

    async def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to publish, fenced by ``token``: a publish with an older token is refused."""

    owner: str
    token: int


@dataclass(frozen=True, slots=True)
class Revision:
    """A published revision: the head document and the names of the documents that changed with it."""

    number: int
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the auditor says of publication. ``id`` empty: it was never frozen. It is frozen while ``thaw`` is empty.

    ``why``, ``thaw``: JSON that the store does not read. ``audited``: the newest revision that was found right, 0 for none.
    """

    id: str = ""
    why: bytes = field(default=b"", repr=False)
    thaw: bytes = field(default=b"", repr=False)
    audited: int = 0

    @property
    def frozen(self) -> bool:
        """Whether nothing may be published."""
        return bool(self.id) and not self.thaw


class RevisionStore(Hints, Protocol):
    """Published revisions: documents by name and one head, always written together."""

    async def acquire(self, owner: str, ttl: float) -> Lease | None:
        """Become the publisher for ``ttl`` seconds, or None while another one is. Raises StoreUnavailable."""

    async def release(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours."""

    async def publish(
        self, lease: Lease, revision: int, head: bytes, documents: Mapping[str, bytes], knowing: str = ""
    ) -> Answer:
        """Write documents and head in one step.

        FENCED if the lease is not the newest, MOVED unless ``revision`` is higher than the stored one, FROZEN while publication
        is frozen by another mark than ``knowing``: nothing slips in between reading the mark and publishing.

        Numbers may be left out: one that was reserved and never published is not used again.
        """

    async def head(self) -> Revision | None:
        """The current revision, None before the first. Raises StoreUnavailable."""

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        """The head and these documents (all of them for None), read at one instant. Raises StoreUnavailable."""

    async def beat(self, lease: Lease, ttl: float, condition: bytes) -> bool:
        """Prolong the lease and say how things stand (JSON); False if the lease was lost."""

    async def condition(self) -> bytes | None:
        """What the active publisher last said of itself; None once its lease has run out. Raises StoreUnavailable."""

    async def mark(self) -> Mark:
        """What the auditor said last. Raises StoreUnavailable."""

    async def audited(self, revision: int) -> None:
        """The auditor found this revision right. Raises StoreUnavailable."""

    async def freeze(self, mark: str, why: bytes) -> bool:
        """Freeze publication by this mark, or say anew why; False if it is frozen by another one. Raises StoreUnavailable."""

    async def thaw(self, mark: str, thaw: bytes) -> bool:
        """Publication goes on although this mark stands; False if it does not stand (any more). Raises StoreUnavailable."""
