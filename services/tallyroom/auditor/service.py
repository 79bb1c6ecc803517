"""The auditor: reads the log on its own, compares at equal offsets, and freezes publication on any difference.

Two readings are kept, each in its own books: one follows the published revision, one the store. A partition is compared at the
offset that one atomic read of it names; a revision at its ``as_of``. docs/auditor.md says what happens then.
"""

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from tallyroom import __version__
from tallyroom.auditor.books import Books
from tallyroom.auditor.compare import Difference, stored_totals, stored_units, totals_names, unit_names
from tallyroom.auditor.derived import Prefix, Sums
from tallyroom.auditor.published import Reading, kept_prefixes, revision
from tallyroom.codec.layout import origin_of
from tallyroom.codec.marks import SHOWN, Thaw, Why
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import LogUnavailable, OtherLayout, StoreUnavailable, TallyroomError, TopicMissing
from tallyroom.domain.partition import partition_of
from tallyroom.log.base import EventLog
from tallyroom.store.base import Cut, RevisionStore, TotalsStore
from tallyroom.tabulation.audit import Book
from tallyroom.tabulation.recount import Key
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import AuditorMetrics

EVERY_S: Final = 2.0
"""From the end of an audit to the next, and at least twice what the audit took: a large election must not keep a core busy."""

UNITS: Final = 4000
"""Unit states compared in one audit of a partition; those after them follow in the next. The store is busy for a few ms then."""

_BATCH: Final = 2000


class OtherDefinition(TallyroomError):
    """Store or revision were made by another definition file than this auditor was given: nothing can be compared."""

    def __init__(self, what: str, found: str, expected: str) -> None:
        super().__init__(
            f"{what} was made by definition {found[:16]}, the auditor was given {expected[:16]}.",
            "start the auditor with the file that tabulators and publisher were started with",
        )


class OtherBuild(TallyroomError):
    """The revision was made by another version of the software: what it derives may rightly be something else."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The published revision was made by tallyroom {found}, this auditor is {__version__}.",
            "run publisher and auditor in one version; until then its whole numbers alone are compared",
        )


class Auditor:
    """Audits until stopped. ``differences`` holds what the last audit found."""

    def __init__(
        self,
        stores: tuple[TotalsStore, RevisionStore],
        log: tuple[EventLog, str],
        definition: tuple[Definition, str],
        metrics: AuditorMetrics,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._totals, self._revisions = stores
        self._log, self._topic = log
        self._definition = definition
        self._metrics = metrics
        self._wall = wall
        self._partitions = 0
        self._clean: dict[object, object] = {}  # what was found right last: not compared again while it is the same
        self._leaves: dict[int, tuple[str, list[Key]]] = {}  # by partition, of the definition of this chain
        self._window: dict[int, int] = {}
        self._frozen: dict[Prefix, Sums] = {}
        self._other: OtherBuild | None = None  # who made the published revision, if it was not our version
        self._thawed = ""  # the thawed mark whose differences are known
        self._forgiven: frozenset[str] = frozenset()
        self._logger = get_logger("auditor")
        self.differences: list[Difference] = []
        self.audits = 0
        self.audited_at = 0.0  # monotonic time of the last whole audit

    async def run(self, stop: asyncio.Event, every: float = EVERY_S) -> None:
        """Audit again and again. A store or log that is away is waited for."""
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self.audit()
            except (StoreUnavailable, LogUnavailable, TopicMissing, OtherDefinition, OtherLayout, OtherBuild) as error:
                self._logger.warning("cannot audit now; trying again", error=error.what)
            took = time.monotonic() - started
            try:
                await asyncio.wait_for(stop.wait(), max(every, 2 * took))
            except TimeoutError:
                continue

    async def audit(self) -> list[Difference]:
        """One whole audit: the published revision derived anew, every partition of the store; a difference freezes publication.

        Raises OtherLayout where another release packed the store: of that nothing is said, neither right nor wrong. Raises
        OtherBuild where another one derived the revision: then its whole numbers alone were compared.
        """
        started = time.monotonic()
        await self._meet_log()
        number, shown = await self._published()
        held, unread = await self._held()
        if held and not shown:
            number, shown = await self._published()  # it may have been published from what differs just now
        self.differences = [*shown, *held]
        self._metrics.differences.labels(of="published").set(sum(not found.derived for found in shown))
        self._metrics.differences.labels(of="derived").set(sum(found.derived for found in shown))
        self._metrics.differences.labels(of="store").set(len(held))
        await self._judge(number if shown else None)
        for error in (unread, self._other):
            if error is not None:  # what can be judged was judged all the same
                raise error
        self._metrics.audit_seconds.observe(time.monotonic() - started)
        self._metrics.audits.inc()
        self.audits += 1
        self.audited_at = time.monotonic()
        return self.differences

    async def _meet_log(self) -> None:
        """Begin with empty books; and begin again if the log is shorter than what was read of it, for then it is another one."""
        if not self._partitions:
            self._partitions = await self._log.partitions(self._topic)
            self._begin()
        meta = await self._totals.meta()
        if meta is not None and meta.definition != self._definition[1]:
            raise OtherDefinition("The store", meta.definition, self._definition[1])
        bounds = await self._log.bounds(self._topic)
        for books in (self._following, self._showing):
            if any(bounds[partition].end < offset for partition, offset in books.offsets.items()):
                self._logger.warning("the log is another one than the one read before; reading it from its start")
                self._begin()
                self._clean.clear()
                return

    def _begin(self) -> None:
        """With empty books."""
        self._following, self._showing = self._books(totals_only=True), self._books()

    def _books(self, *, totals_only: bool = False) -> Books:
        return Books(*self._definition, self._partitions, totals_only=totals_only)

    # -- what was published

    async def _published(self) -> tuple[int, list[Difference]]:
        """Number of the published revision, 0 for none, and what differs in it."""
        current, documents = await self._revisions.documents()
        if current is None:
            return 0, []
        said = hashlib.sha256(current.head)
        for name in sorted(documents):
            said.update(name.encode() + b"\0" + hashlib.sha256(documents[name]).digest())
        if self._clean.get("published") == said.digest():
            return current.number, []
        head = msgspec.json.decode(current.head)
        if head["hashes"]["configuration"] != self._definition[1]:
            raise OtherDefinition("The published revision", head["hashes"]["configuration"], self._definition[1])
        build = head["hashes"]["build"]
        self._other = None if build == __version__ else OtherBuild(build)
        as_of = {int(partition): offset for partition, offset in head["as_of"]["events"].items()}
        if any(as_of.get(partition, 0) < offset for partition, offset in self._showing.offsets.items()):
            self._showing = self._books()  # a revision of an earlier cut: a withdrawn one's successor
        found = [found for part in sorted(as_of) for found in await self._read(self._showing, part, as_of[part])]
        if not found:
            reading = Reading(self._showing, await self._earlier(documents))
            found = await asyncio.to_thread(revision, reading, head, documents, derive=self._other is None)
        if found:
            return current.number, found
        self._clean["published"] = said.digest()
        for partition, offset in as_of.items():
            self._metrics.offset.labels(of="published", partition=str(partition)).set(offset)
        await self._revisions.audited(current.number)
        return current.number, []

    async def _earlier(self, documents: Mapping[str, bytes]) -> Mapping[Prefix, Sums]:
        """Sums of the earlier prefixes that frozen areas show, each read from the log's start, once."""
        wanted = kept_prefixes(documents)
        for prefix in wanted - self._frozen.keys():
            books = self._books(totals_only=True)
            for partition, offset in prefix:
                await self._read(books, partition, offset)
            self._frozen[prefix] = books.sums()
        self._frozen = {prefix: sums for prefix, sums in self._frozen.items() if prefix in wanted}
        return self._frozen

    # -- what is stored

    async def _held(self) -> tuple[list[Difference], OtherLayout | None]:
        """What differs in the store, and why not all of it could be read."""
        held, unread = list[Difference](), None
        for partition in range(self._partitions):
            try:
                held += await self._stored(partition)
            except OtherLayout as error:
                unread = error
        return held, unread

    async def _stored(self, partition: int) -> list[Difference]:
        """What differs in a partition's hash; nothing can be said of one that is behind what was audited. Raises OtherLayout."""
        book = self._following.books[partition]
        leaves = self._some_leaves(partition)
        totals = totals_names(book)
        cut = await self._totals.cut(partition, [*totals, *unit_names(leaves)])
        if cut is None or cut.offset < self._following.offsets[partition]:
            return []  # not claimed yet, or rolled back: it is folded again, and audited when it is there
        if cut.offset:
            origin_of(cut.values[0], partition)
        found = await self._read(self._following, partition, cut.offset)
        if found:
            return found
        found = await asyncio.to_thread(self._compare, cut, len(totals), leaves)
        if not found:
            self._metrics.offset.labels(of="store", partition=str(partition)).set(cut.offset)
        return found

    def _compare(self, cut: Cut, totals: int, leaves: Sequence[Key]) -> list[Difference]:
        book = self._following.books[cut.partition]
        units = list(stored_units(book, leaves, cut.values[totals:]))
        same = (cut.offset, tuple(cut.values[:totals]))
        if self._clean.get(cut.partition) == same:
            return units
        found = list(stored_totals(book, cut.values[:totals]))
        if not found:
            self._clean[cut.partition] = same
        return found + units

    def _some_leaves(self, partition: int) -> list[Key]:
        """The next leaves of the partition whose states are compared: all of them in turn."""
        book = self._following.books[partition]
        if self._leaves.get(partition, ("", []))[0] != book.chain:
            self._leaves[partition] = (book.chain, all_leaves(book))
        held, start = self._leaves[partition][1], self._window.get(partition, 0)
        self._window[partition] = start + UNITS if start + UNITS < len(held) else 0
        return held[start : start + UNITS]

    async def _read(self, books: Books, partition: int, until: int) -> list[Difference]:
        """Read the partition on to this offset; a log that ends before it is a difference."""
        end = (await self._log.bounds(self._topic))[partition].end
        if end < until:
            return [Difference("offset", f"the log's end, {end}", until, partition=partition)]
        while (at := books.offsets[partition]) < until:
            books.read(await self._log.read(self._topic, partition, at, min(_BATCH, until - at)))
            await asyncio.sleep(0)
        return []

    # -- what follows from it

    async def _judge(self, number: int | None) -> None:
        """Freeze publication for differences that nobody has thawed it for. ``number``: the revision that shows some."""
        mark = await self._revisions.mark()
        if mark.id and not mark.frozen and mark.id != self._thawed:
            thaw = msgspec.json.decode(mark.thaw, type=Thaw)
            self._thawed = mark.id
            self._forgiven = frozenset(msgspec.json.decode(mark.why, type=Why).places)
            self._logger.warning("publication was thawed", act=thaw.event, operators=thaw.operators)
        if not self.differences:
            self._forgiven = frozenset()
            return
        new = [found for found in self.differences if found.place not in self._forgiven]
        if not new:
            return
        known = None if not mark.frozen else msgspec.json.decode(mark.why, type=Why)
        if known is not None and (known.revision is not None or number is None):
            return  # said already
        bounds = await self._log.bounds(self._topic)
        why = Why(
            at=self._wall() if known is None else known.at,
            ends={str(part): bound.end for part, bound in bounds.items()} if known is None else known.ends,
            count=len(new),
            differences=[str(found) for found in new[:SHOWN]],
            places=sorted({found.place for found in self.differences}),
            revision=number,
        )
        await self._revisions.freeze(mark.id if known else uuid.uuid4().hex, msgspec.json.encode(why))
        await self._revisions.announce("revision")
        self._logger.error("publication is frozen", count=why.count, differences=why.differences, revision=number)


def all_leaves(book: Book) -> list[Key]:
    """Every leaf of the book's partition, reported or not: a state that nobody sent is a difference, too."""
    return [
        (contest.id, unit, group)
        for contest in book.definition.contests
        for unit in contest.units
        if partition_of(f"{contest.id}|{unit}".encode(), book.partitions) == book.partition
        for group in contest.count_groups or (None,)
    ]
