"""The publisher: one active at a time, from a consistent cut of the totals to numbered revisions.

A revision never goes below the last published offset of any partition, nor to another log (docs/exactly-once.md, 11). While
that cannot be had, nothing is published and the condition says why: readers keep the last good figures with ``stale_since``.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from tallyroom.domain.errors import DefinitionError, DiskUnavailable, LogUnavailable, OtherLayout, StoreUnavailable
from tallyroom.domain.plausibility import Flag
from tallyroom.log.base import EventLog
from tallyroom.publisher.audited import Freeze
from tallyroom.publisher.cut import View
from tallyroom.publisher.deriving import Derivation, Last
from tallyroom.publisher.figures import Figures
from tallyroom.publisher.frozen import KEPT
from tallyroom.publisher.guards import Guards
from tallyroom.publisher.keep import Keeper, Kept
from tallyroom.publisher.revision import Head, Moment, as_of, document_hash, encode, make_head
from tallyroom.publisher.sweep import Sweep
from tallyroom.results.documents import BESIDE
from tallyroom.store.base import MAX_FIELDS, Answer, Lease, RevisionStore, StoreMeta, TotalsStore
from tallyroom.tabulation.plan import Plan
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import PublisherMetrics

LEASE_S: Final = 5.0
LEAST_BETWEEN_S: Final = 0.2
"""At most five revisions a second: faster than anyone reads, and a bound on what every gateway and client must take."""

KEEP_EVERY_S: Final = 1.0

CALLS: Final = f"{BESIDE}calls"
_CALL: Final = ("contest", "area", "selection")

MOST_BESIDE: Final = 32
"""Documents of a revision that belong to no contest: the definition, the election's own, what stands beside the contests."""


class Condition(msgspec.Struct, frozen=True):
    """Whether what is published is current; ``since`` and ``reason`` when it is not."""

    ok: bool
    since: datetime
    reason: str = ""


class Publisher:
    """Derives and publishes; ``run`` ends when ``stop`` is set."""

    def __init__(
        self,
        stores: tuple[TotalsStore, RevisionStore],
        log: tuple[EventLog, str],
        plan: Plan,
        keeper: Keeper,
        metrics: PublisherMetrics,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._totals, self._revisions = stores
        self._log, self._topic = log
        self._keeper = keeper
        self._metrics = metrics
        self._figures = Figures(metrics)
        self._wall = wall
        self._derivation = Derivation(plan)
        documents = MOST_BESIDE + sum(3 + len(contest.children) for contest in plan.contests.values())
        if documents > MAX_FIELDS:
            raise DefinitionError(
                f"The definition makes {documents} documents a revision; the store takes {MAX_FIELDS} at once.",
                "split the election into several definitions",
            )
        self._guards = Guards()
        self._sweep = Sweep(self._totals)
        self._flagged: set[tuple[Flag, str, str, int]] = set()  # about no single unit
        self._freeze = Freeze(self._revisions, metrics)
        self._rebuilds = 0
        self._head: Head | None = None
        self._number = 0
        self._documents: dict[str, bytes] = {}
        self._hashes: dict[str, str] = {}
        self._kept_at = 0.0
        self._kept_number = 0
        self._logger = get_logger("publisher")
        self.active = False  # a standby is ready as it is: it waits
        self.condition = Condition(ok=False, since=wall(), reason="starting")

    async def run(self, owner: str, stop: asyncio.Event) -> None:
        """Wait for the lease, publish while it lasts, and again, until ``stop`` is set."""
        while not stop.is_set():
            try:
                lease = await self._revisions.acquire(owner, LEASE_S)
                if lease is not None:
                    self._metrics.publisher_active.set(1)
                    self.active = True
                    await self._publish_while_leased(lease, stop)
            except StoreUnavailable as error:
                self._doubt(f"the store is away: {error.what}")
            except LogUnavailable as error:
                self._doubt(f"the log is away: {error.what}")
            self._metrics.publisher_active.set(0)
            self.active = False
            await _pause(stop, LEASE_S / 5)

    async def _publish_while_leased(self, lease: Lease, stop: asyncio.Event) -> None:
        view = await self._start(lease)
        renewed, said = time.monotonic(), self.condition
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._round(lease, view)
            except DiskUnavailable as error:
                self._doubt(error.what)
                self._derivation.forget()  # what was derived and not published must not count as shown
                view.read_anew(self._derivation.plan)
            turned = self.condition is not said  # readers must not take fresh figures for stale ones for a second more
            if turned or time.monotonic() - renewed > LEASE_S / 5 or not self.condition.ok:
                if not await self._beat(lease):
                    self._logger.warning("the lease went to somebody else")
                    return
                renewed, said = time.monotonic(), self.condition
                if turned:
                    await self._revisions.announce("revision")
            await _pause(stop, LEAST_BETWEEN_S - (time.monotonic() - started))
            await self._totals.hint("totals", timeout=LEAST_BETWEEN_S)
        self._sweep.stop()
        await self._keep(force=True)
        await self._revisions.release(lease)

    async def _start(self, lease: Lease) -> View:
        """Take over: the last revision from store or disk, the floor of offsets, and the log's end as seen now."""
        meta = await self._meta()
        await self._take_over(lease)
        self._guards.start_at(await self._log.bounds(self._topic))
        self._doubt("catching up with the log")
        await self._beat(lease)
        self._derivation.forget()  # whoever published last may have been stopped between deriving and publishing
        self._logger.info("publishing", after=self._number, store=meta.store_id)
        return View(self._totals, self._derivation.plan, meta.partitions)

    async def _meta(self) -> StoreMeta:
        meta = await self._totals.meta()
        if meta is None:
            raise StoreUnavailable("it is empty.", "start a tabulator: the first one makes it")
        return meta

    async def _take_over(self, lease: Lease) -> None:
        """Continue from the newest revision known: the store's, or, if the store lost it, our own or the disk's."""
        stored, documents = await self._revisions.documents()
        kept = self._keeper.load()
        if self._head is not None and (kept is None or self._head.revision > kept.number):
            kept = Kept(self._head.revision, encode(self._head), self._documents)  # the disk is up to a second older
        if kept is not None and (stored is None or kept.number > stored.number):
            await self._freeze.follow()
            answer = await self._revisions.publish(lease, kept.number, kept.head, kept.documents, self._freeze.knowing)
            if answer is not Answer.OK:
                raise StoreUnavailable(
                    f"putting revision {kept.number} back was answered {answer}.", "none: tried again"
                )
            self._logger.warning("the store had lost the last revision; put back", revision=kept.number)
            head, number, documents = kept.head, kept.number, kept.documents
        elif stored is not None:
            head, number = stored.head, stored.number
        else:
            self._number = self._keeper.number()
            return
        self._head = msgspec.json.decode(head, type=Head)
        self._number = max(number, self._keeper.number())
        self._documents = dict(documents)
        self._figures.take(documents)
        self._hashes = dict(self._head.documents)
        self._metrics.revision.set(self._number)
        self._watch_desk(self._documents)
        self._guards.published(self._head)

    async def _round(self, lease: Lease, view: View) -> None:
        """One look at the totals: publish if something changed and everything may be shown."""
        if await self._freeze.follow() or await self._rebuilt():
            self._derivation.forget()  # what was withdrawn or folded anew is read and derived anew, journals as well
            view.read_anew(self._derivation.plan)
        await self._follow_store(lease)
        moved, unread = await self._refresh(view)
        self._guards.moved(moved)
        reason = await self._freeze.reason(view.journals)
        await self._withdraw(lease)
        reason = unread or reason or self._guards.against(view) or self._guards.mixed(view.chains())
        if reason is None and self._derivation.follow(view):
            self._compare_units(view)
            last, clock = Last(self._number, self._hashes, self._documents), self._clock(view)
            documents = self._derivation.derive(view, clock, last)
            self._count_flags()
            if documents or (moved and self._advanced(view)):
                await self._publish(lease, view, documents, clock)
        reason = reason or self._derivation.unknown_definition(view)
        self._say(reason or self._guards.stalled(view, await self._log.bounds(self._topic)))
        await self._keep()
        self._metrics.snapshot_stale.set(0 if self.condition.ok else 1)
        if self._head is not None:
            self._metrics.snapshot_age.set((self._wall() - self._head.generated_at).total_seconds())

    async def _refresh(self, view: View) -> tuple[list[int], str | None]:
        """The partitions that moved, and why totals cannot be read: another release packed them, and a rebuild is awaited."""
        try:
            return await view.refresh(), None
        except OtherLayout as error:
            return [], str(error)

    async def _rebuilt(self) -> bool:
        """Whether totals were exchanged since the last round: at the same offset, maybe, so that only their number tells."""
        meta = await self._totals.meta()
        known, self._rebuilds = self._rebuilds, meta.rebuilds if meta is not None else 0
        return known != self._rebuilds

    async def _follow_store(self, lease: Lease) -> None:
        """A store that lost the last revision (flushed, replaced, rolled back) gets it back at once, whole.

        Later revisions write only what changed: documents that went back with the store would stay as they were.
        """
        if self._head is None:
            return
        stored, number = await self._revisions.head(), self._head.revision
        if stored is None or stored.number < number:
            knowing = self._freeze.knowing
            answer = await self._revisions.publish(lease, number, encode(self._head), self._documents, knowing)
            if answer is not Answer.OK:
                raise StoreUnavailable(f"putting revision {number} back was answered {answer}.", "none: tried again")
            self._logger.warning("the store had lost the revision; put back", revision=number)

    def _count_flags(self) -> None:
        """Figures about flags; tabulators count those of units, here are those that look across units or at the clock."""
        watched = self._derivation.deriver.watched
        numbers = Counter(flag.code for flag in watched)
        for code in Flag:
            self._metrics.flags_open.labels(code=str(code)).set(numbers[code])
        standing = {(flag.code, flag.contest, flag.area, flag.at) for flag in watched if flag.unit is None}
        for code, _, _, _ in standing - self._flagged:
            self._metrics.flags.labels(code=str(code)).inc()
        self._flagged = standing

    def _compare_units(self, view: View) -> None:
        """Take over what the comparison of units with each other has found; it goes on by itself."""
        found = self._sweep.look(self._derivation.plan, view.offsets())
        if found is not None and found != view.alike:
            view.alike, view.flags_changed = found, True

    async def _withdraw(self, lease: Lease) -> None:
        """Put the last revision that was found right in the place of one that the auditor refuted, as a new revision."""
        again = self._freeze.refuted(self._wall(), self._number + 1)
        if again is None:
            return
        head, documents = again
        await asyncio.to_thread(self._keeper.reserve, head.revision)
        answer = await self._revisions.publish(lease, head.revision, encode(head), documents, self._freeze.knowing)
        if answer is not Answer.OK:
            raise StoreUnavailable(
                f"withdrawing a revision was answered {answer}.", "none: the publisher takes over again"
            )
        self._freeze.withdrawn()
        self._head, self._number = head, head.revision
        self._hashes, self._documents = dict(head.documents), dict(documents)
        self._metrics.revision.set(self._number)
        await self._revisions.announce("revision")

    def _clock(self, view: View) -> datetime | None:
        return self._wall() if self._derivation.plan.environment == "live" else view.clock()

    def _advanced(self, view: View) -> bool:
        """Whether the offsets moved although no document changed (duplicates, refused events)."""
        return self._head is None or as_of(view) != self._head.as_of["events"]

    async def _publish(self, lease: Lease, view: View, documents: Mapping[str, bytes], clock: datetime | None) -> None:
        meta = await self._meta()
        hashes = {**self._hashes, **{name: document_hash(data) for name, data in documents.items()}}
        number = self._number + 1
        moment = Moment(number, self._wall(), clock)
        head = make_head(view, self._derivation.plan, meta, moment, hashes, sorted(documents))
        await asyncio.to_thread(self._keeper.reserve, number)
        answer = await self._revisions.publish(lease, number, encode(head), documents)
        if answer is not Answer.OK:
            self._logger.warning("a revision was not taken", revision=number, answer=str(answer))
            raise StoreUnavailable(f"revision {number} was answered {answer}.", "none: the publisher takes over again")
        self._head, self._number, self._hashes = head, number, hashes
        self._documents.update(documents)
        self._freeze.remember(head, self._documents)
        self._guards.published(head)
        self._figures.take(documents)
        self._settle(view)
        self._watch_desk(documents)
        await self._revisions.announce("revision")

    def _settle(self, view: View) -> None:
        """Figures for the operator after a publication."""
        self._metrics.revision.set(self._number)
        newest = max(part.tallies.appended_at for part in view.partitions.values())
        if newest:
            self._metrics.published_latency.observe(max(0.0, time.time() - newest / 1000))
        for name, contest in self._derivation.plan.contests.items():
            row = view.totals.get((name, contest.root))
            self._metrics.units_reported.labels(contest=name).set(row[0] if row else 0)
            self._metrics.units_expected.labels(contest=name).set(self._derivation.deriver.units_expected(name))

    def _watch_desk(self, documents: Mapping[str, bytes]) -> None:
        """Figures that stand still, and calls that the bound says are wrong: an operator has to look."""
        if KEPT in documents:
            self._metrics.places_frozen.set(len(msgspec.json.decode(documents[KEPT])))
        if CALLS in documents:
            calls = msgspec.json.decode(documents[CALLS])["calls"]
            wrong = [call for call in calls if call["stands"] == "contradicted"]
            self._metrics.calls_contradicted.set(len(wrong))
            for call in wrong:
                self._logger.error("a call is contradicted by the count", **{name: call[name] for name in _CALL})

    def _say(self, reason: str | None) -> None:
        """Set the condition from what this round found."""
        if reason is not None:
            self._doubt(reason)
        elif not self.condition.ok and self._head is not None:
            self._logger.info("current again", revision=self._number, after=self.condition.reason)
            self.condition = Condition(ok=True, since=self._wall())

    def _doubt(self, reason: str) -> None:
        if self.condition.ok or self.condition.reason != reason:
            since = self._wall() if self.condition.ok else self.condition.since
            self.condition = Condition(ok=False, since=since, reason=reason)
            self._logger.warning("not current", reason=reason)

    async def _beat(self, lease: Lease) -> bool:
        return await self._revisions.beat(lease, LEASE_S, encode(self.condition))

    async def _keep(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._head is not None and (force or now - self._kept_at > KEEP_EVERY_S):
            kept = self._head.revision
            if kept != self._kept_number:
                await asyncio.to_thread(self._keeper.save, kept, encode(self._head), self._documents)
                self._kept_number = kept
            self._kept_at = now


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if seconds > 0:
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            return
