"""Keeps a gateway's current revision: polls the store, fetches what changed, never goes back, says when it is stale.

Readers are served from memory. Whatever happens to the store, the publisher or a revision, the last good one stays.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from tallyroom.domain.errors import StoreError, StoreUnavailable
from tallyroom.gateway.edition import Document, Edition, Head, read_head
from tallyroom.gateway.representation import State
from tallyroom.store.base import Revision
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import GatewayMetrics

POLL_S: Final = 1.0
"""Without a hint the store is asked this often: who misses one is a second late."""

ANSWER_S: Final = 1.5
"""A store that needs longer than this for one look does not answer."""

SILENCE_S: Final = 3.0
"""Without an answer for this long, what is shown may be out of date. Shorter, and every hiccup would be an alarm."""

_LEAST_BETWEEN_S: Final = 0.02
_ATTEMPTS: Final = 5


class Published(Protocol):
    """What a gateway needs of a store (a part of RevisionStore)."""

    async def head(self) -> Revision | None:
        """The current revision, None before the first. Raises StoreUnavailable."""

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        """The head and these documents, read at one instant. Raises StoreUnavailable."""

    async def condition(self) -> bytes | None:
        """What the active publisher says of itself; None if it has not for some seconds. Raises StoreUnavailable."""

    async def hint(self, channel: str, timeout: float) -> bool:
        """Wait until ``channel`` is announced or ``timeout`` seconds have passed."""


class Condition(msgspec.Struct, frozen=True):
    """The publisher's word on what it publishes."""

    ok: bool
    since: datetime
    reason: str = ""


_condition: Final = msgspec.json.Decoder(Condition)

Changed = Callable[[State | None, State], None]
"""Called with the state before (None: the first) and the state now."""


class Doubtful(Exception):
    """The store's answer cannot be taken; what is shown stays."""


class Feed:
    """The current state of one election. ``run`` keeps it; ``look`` is one step of that."""

    def __init__(
        self,
        store: Published,
        election: tuple[str, str],
        metrics: GatewayMetrics,
        changed: Changed,
        clocks: tuple[Callable[[], datetime], Callable[[], float]] = (lambda: datetime.now(UTC), time.monotonic),
    ) -> None:
        self._store = store
        self._election = election  # (id, environment)
        self._metrics = metrics
        self._changed = changed
        self._wall, self._monotonic = clocks
        self._answered = self._monotonic()
        self._current_at: datetime | None = None  # wall time at which all was last seen to be well
        self._reason = ""
        self._logger = get_logger("gateway")
        self.state: State | None = None

    @property
    def reason(self) -> str:
        """Why the state may be out of date; empty while it is not."""
        return self._reason

    async def run(self) -> None:
        """Look, and look again when there may be something new, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LEAST_BETWEEN_S)
            try:
                await self._store.hint("revision", timeout=POLL_S)
            except StoreUnavailable:
                await asyncio.sleep(POLL_S / 4)

    async def look(self) -> None:
        """Ask the store once and take over what it says, if that can be had."""
        try:
            async with asyncio.timeout(ANSWER_S):
                edition = await self._newest()
                word = await self._store.condition()
            said = _condition.decode(word) if word is not None else None
        except (StoreUnavailable, TimeoutError) as error:
            if self._monotonic() - self._answered > SILENCE_S:
                self._doubt(f"the store does not answer ({str(error) or 'too slow'})")
            return
        except (Doubtful, StoreError, msgspec.DecodeError, KeyError) as error:
            self._answered = self._monotonic()
            self._doubt(f"the store holds what cannot be taken: {error}")
            return
        self._answered = self._monotonic()
        self._judge(edition, said)

    async def _newest(self) -> Edition | None:
        """The newest edition; the one we have if nothing is newer. None before the first revision. Raises Doubtful."""
        revision = await self._store.head()
        for _ in range(_ATTEMPTS):
            have = self.state.edition if self.state else None
            if revision is None:
                if have is not None:
                    raise Doubtful(f"no revision, after {have.number}")
                return None
            if have is not None and revision.head == have.raw:
                return have
            head = self._acceptable(revision, have)
            known = have.documents if have else {}
            missing = [name for name, digest in head.documents.items() if not _same(known.get(name), digest)]
            again, fetched = await self._store.documents(missing) if missing else (revision, {})
            if again is not None and again.head == revision.head:
                return _assembled(head, revision.head, known, fetched)
            revision = again  # it moved on while we read: what is missing is another list
        raise StoreUnavailable("revisions move on faster than they can be read.", "look at the store's load")

    def _acceptable(self, revision: Revision, have: Edition | None) -> Head:
        head = read_head(revision.head)
        if (head.election, head.environment) != self._election:
            raise Doubtful(f"a revision of {head.election} ({head.environment})")
        if have is not None and head.revision <= have.number:
            store = "" if head.store_id == have.head.store_id else " (it is another store)"
            raise Doubtful(f"revision {head.revision}, not the one we show or a later one, {have.number}{store}")
        return head

    def _judge(self, edition: Edition | None, said: Condition | None) -> None:
        """Take the edition, and the publisher's word on whether it is current. No word: it is gone."""
        if edition is None:
            return
        if said is not None and said.ok:
            self._current_at = self._wall()
            if self._reason:
                self._logger.info("current again", revision=edition.number, after=self._reason)
            self._reason = ""
            self._show(State(edition))
        elif said is not None:
            self._note(said.reason or "the publisher does not say why")
            self._show(State(edition, self._stale_since(edition, said.since)))
        else:
            self._note("no publisher is active")
            self._show(State(edition, self._stale_since(edition, None)))

    def _doubt(self, reason: str) -> None:
        """Keep what is shown and say that it may be out of date."""
        self._note(reason)
        if self.state is not None:
            edition = self.state.edition
            self._show(State(edition, self._stale_since(edition, None)))

    def _stale_since(self, edition: Edition, said: datetime | None) -> datetime:
        """The earliest of: since when we say so already, what the publisher says, when all was last well."""
        if self.state is not None and self.state.stale_since is not None:
            earlier = self.state.stale_since
            return earlier if said is None else min(earlier, said)
        return said or self._current_at or edition.head.generated_at

    def _note(self, reason: str) -> None:
        if reason != self._reason:
            self._logger.warning("not current", reason=reason)
            self._reason = reason

    def _show(self, state: State) -> None:
        before = self.state
        if before is not None and before.edition is state.edition and before.stale_since == state.stale_since:
            return
        self.state = state
        self._metrics.revision.set(state.edition.number)
        self._metrics.snapshot_stale.set(state.stale_since is not None)
        self._changed(before, state)


def _same(document: Document | None, digest: str) -> bool:
    return document is not None and document.hash == digest


def _assembled(head: Head, raw: bytes, known: Mapping[str, Document], fetched: Mapping[str, bytes]) -> Edition:
    """The edition of a head from what was known and what was fetched. Raises Doubtful if a document is missing."""
    documents: dict[str, Document] = {}
    for name, digest in head.documents.items():
        have = known.get(name)
        if have is not None and have.hash == digest:
            documents[name] = have
        elif name in fetched and hashlib.sha256(fetched[name]).hexdigest()[: len(digest)] != digest:
            raise Doubtful(f"revision {head.revision} with another document {name} than its head names")
        elif name in fetched:
            documents[name] = Document(digest, fetched[name])
        else:
            raise Doubtful(f"revision {head.revision} without its document {name}")
    edition = Edition(head, raw, documents)
    edition.check()
    return edition
