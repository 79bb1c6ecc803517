"""The publisher: one active at a time, from a consistent cut of the totals to numbered revisions.

A revision never goes below the last published offset of any partition, nor to another log (docs/exactly-once.md, 11). While
that cannot be had, nothing is published and the condition says why: readers keep the last good figures with ``stale_since``.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from tallyroom import __version__
from tallyroom.codec.definition import encode_definition
from tallyroom.domain.errors import DefinitionError, StoreUnavailable
from tallyroom.log.base import EventLog
from tallyroom.publisher.cut import View
from tallyroom.publisher.keep import Keeper, Kept
from tallyroom.publisher.revision import Hashes, Head, content_hash, document_hash, encode
from tallyroom.results.asides import sections
from tallyroom.results.documents import Deriver
from tallyroom.store.base import MAX_FIELDS, Answer, Lease, RevisionStore, StoreMeta, TotalsStore
from tallyroom.tabulation.amend import amend
from tallyroom.tabulation.plan import Plan
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import PublisherMetrics

LEASE_S: Final = 5.0
LEAST_BETWEEN_S: Final = 0.2
"""At most five revisions a second: faster than anyone reads, and a bound on what every gateway and client must take."""

STALL_S: Final = 5.0
"""A log that is ahead of totals that have not moved for this long means that nobody tabulates."""

KEEP_EVERY_S: Final = 1.0


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
        self._plan = plan
        self._keeper = keeper
        self._metrics = metrics
        self._wall = wall
        self._deriver = Deriver(plan)
        documents = 2 + sum(1 + len(contest.children) for contest in plan.contests.values())
        if documents > MAX_FIELDS:
            raise DefinitionError(
                f"The definition makes {documents} documents a revision; the store takes {MAX_FIELDS} at once.",
                "split the election into several definitions",
            )
        self._embargoed: set[str] = set()
        self._mixed_since: float | None = None
        self._ahead_of_log = ""
        self._head: Head | None = None
        self._number = 0
        self._documents: dict[str, bytes] = {}
        self._hashes: dict[str, str] = {}
        self._floor: dict[int, int] = {}
        self._kept_at = 0.0
        self._kept_number = 0
        self._moved_at: dict[int, float] = {}
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
            self._metrics.publisher_active.set(0)
            self.active = False
            await _pause(stop, LEASE_S / 5)

    async def _publish_while_leased(self, lease: Lease, stop: asyncio.Event) -> None:
        view = await self._start(lease)
        renewed, said = time.monotonic(), self.condition
        while not stop.is_set():
            started = time.monotonic()
            await self._round(lease, view)
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
        self._keep(force=True)
        await self._revisions.release(lease)

    async def _start(self, lease: Lease) -> View:
        """Take over: the last revision from store or disk, the floor of offsets, and the log's end as seen now."""
        meta = await self._meta()
        await self._take_over(lease)
        bounds = await self._log.bounds(self._topic)
        self._ahead_of_log = ""
        for partition, bound in bounds.items():
            if self._floor.get(partition, 0) > bound.end:
                self._ahead_of_log = (
                    f"the last revision covers partition {partition} to {self._floor[partition]}, the log ends at "
                    f"{bound.end}: it is another log (docs/operating.md, starting over)"
                )
            self._floor[partition] = max(self._floor.get(partition, 0), bound.end)
        self._doubt("catching up with the log")
        await self._beat(lease)
        self._logger.info("publishing", after=self._number, store=meta.store_id)
        return View(self._totals, self._plan, meta.partitions)

    async def _meta(self) -> StoreMeta:
        while True:
            meta = await self._totals.meta()
            if meta is not None:
                return meta
            await asyncio.sleep(LEAST_BETWEEN_S)  # the first tabulator makes it

    async def _take_over(self, lease: Lease) -> None:
        """Continue from the newest revision known: the store's, or, if the store lost it, our own or the disk's."""
        stored, documents = await self._revisions.documents()
        kept = self._keeper.load()
        if self._head is not None and (kept is None or self._head.revision > kept.number):
            kept = Kept(self._head.revision, encode(self._head), self._documents)  # the disk is up to a second older
        if kept is not None and (stored is None or kept.number > stored.number):
            answer = await self._revisions.publish(lease, kept.number, kept.head, kept.documents)
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
        self._hashes = dict(self._head.documents)
        self._metrics.revision.set(self._number)
        self._floor = {int(number): offset for number, offset in self._head.as_of["events"].items()}

    async def _round(self, lease: Lease, view: View) -> None:
        """One look at the totals: publish if something changed and everything may be shown."""
        await self._follow_store(lease)
        moved = await view.refresh()
        now = time.monotonic()
        for partition in moved:
            self._moved_at[partition] = now
        if self._may_publish(view) and self._follow_definition(view):
            documents = self._derive(view)
            if documents or (moved and self._head is not None and self._advanced(view)):
                await self._publish(lease, view, documents)
        self._keep()
        await self._stalled(view, now)
        self._metrics.snapshot_stale.set(0 if self.condition.ok else 1)
        if self._head is not None:
            self._metrics.snapshot_age.set((self._wall() - self._head.generated_at).total_seconds())

    async def _follow_store(self, lease: Lease) -> None:
        """A store that lost its revision (flushed, replaced) gets the last good one back at once."""
        if self._head is not None and await self._revisions.head() is None:
            answer = await self._revisions.publish(lease, self._number, encode(self._head), self._documents)
            self._logger.warning("the store had lost the revision; put back", revision=self._number, answer=str(answer))

    def _may_publish(self, view: View) -> bool:
        """The guards: never below what was published, never another log. Sets the condition."""
        offsets = view.offsets()
        behind = [number for number, floor in self._floor.items() if offsets.get(number, 0) < floor]
        if self._ahead_of_log:
            self._doubt(self._ahead_of_log)
            return False
        if behind:
            self._doubt("totals are behind what was published, or behind the log's end as seen at the start")
            return False
        if self._head is not None:
            known = self._head.log
            foreign = [n for n, v in view.partitions.items() if v.first and known.get(str(n), v.first) != v.first]
            if foreign:
                self._doubt(f"the totals come from another log than the last revision (partition {foreign[0]})")
                return False
        return True

    def _follow_definition(self, view: View) -> bool:
        """Show an amended definition once every partition has it; until then the cut mixes two and is not shown."""
        chains = view.chains()
        if len(chains) > 1:
            self._mixed_since = self._mixed_since or time.monotonic()
            if time.monotonic() - self._mixed_since > STALL_S:
                self._doubt("an amendment has not reached every partition, or not in the same order")
            return False
        self._mixed_since = None
        if chains == {self._plan.chain}:
            return True
        plan = self._plan
        by_previous = {amendment.previous: (amendment, chain) for amendment, chain in view.amendments.values()}
        while plan.chain not in chains and plan.chain in by_previous:
            amendment, chain = by_previous[plan.chain]
            plan = Plan(amend(plan.definition, amendment), chain, plan.chains)
        if plan.chain not in chains:
            self._doubt("the totals stand at a definition that no amendment leads to")
            return False
        self._plan = plan
        self._deriver = Deriver(plan)
        view.replan(plan)
        return False  # read again by the new definition in the next round

    def _derive(self, view: View) -> dict[str, bytes]:
        """Documents that differ from the published ones, encoded once."""
        clock = self._clock(view)
        embargoed = {name for name, contest in self._plan.contests.items() if self._deriver.embargoed(contest, clock)}
        for name in self._embargoed - embargoed:  # its time has come: all of it, not only what changes next
            view.changed.update((name, area) for area in self._plan.contests[name].contest.areas)
            view.asides_changed = True
        self._embargoed = embargoed
        places = view.sum_changed()
        made = dict(self._deriver.documents(places, view.totals, view.corrections(), clock))
        if view.asides_changed or self._head is None or self._head.clock != clock:
            made["election"] = {
                "notes": self._plan.definition.notes,
                "attribution": self._plan.definition.attribution,
                **sections(view.asides.values(), clock, embargoed),
            }
            view.asides_changed = False
        if self._head is None or self._head.definition != self._plan.chain or "definition" not in self._hashes:
            made["definition"] = msgspec.Raw(encode_definition(self._plan.definition))
        changed: dict[str, bytes] = {}
        for name, document in made.items():
            data = encode(document)
            if self._hashes.get(name) != document_hash(data):
                changed[name] = data
        return changed

    def _clock(self, view: View) -> datetime | None:
        return self._wall() if self._plan.environment == "live" else view.clock()

    def _advanced(self, view: View) -> bool:
        """Whether the offsets moved although no document changed (duplicates, refused events)."""
        return self._head is None or self._as_of(view) != self._head.as_of["events"]

    def _as_of(self, view: View) -> dict[str, int]:
        return {str(number): offset for number, offset in view.offsets().items()}

    async def _publish(self, lease: Lease, view: View, documents: Mapping[str, bytes]) -> None:
        meta = await self._meta()
        hashes = {**self._hashes, **{name: document_hash(data) for name, data in documents.items()}}
        number = self._number + 1
        head = self._make_head(view, meta, number, hashes, sorted(documents))
        self._keeper.reserve(number)
        answer = await self._revisions.publish(lease, number, encode(head), documents)
        if answer is not Answer.OK:
            self._logger.warning("a revision was not taken", revision=number, answer=str(answer))
            raise StoreUnavailable(f"revision {number} was answered {answer}.", "none: the publisher takes over again")
        self._head, self._number, self._hashes = head, number, hashes
        self._documents.update(documents)
        self._floor = {**self._floor, **view.offsets()}
        self._settle(view)
        await self._revisions.announce("revision")

    def _make_head(self, view: View, meta: StoreMeta, number: int, hashes: dict[str, str], changed: list[str]) -> Head:
        definition = self._plan.definition
        tallies: dict[str, int] = {}
        refusals: dict[str, int] = {}
        for part in view.partitions.values():
            for name in ("accepted", "superseded", "duplicates", "late", "decreases", "aside", "quarantined"):
                tallies[name] = tallies.get(name, 0) + getattr(part.tallies, name)
            for code, times in part.refusals.items():
                refusals[code] = refusals.get(code, 0) + times
        return Head(
            election=definition.election,
            environment=str(definition.environment),
            revision=number,
            generated_at=self._wall(),
            clock=self._clock(view),
            as_of={"events": self._as_of(view)},
            definition=self._plan.chain,
            store_id=meta.store_id,
            hashes=Hashes(content_hash(hashes), self._plan.chain, __version__, meta.definition),
            events=tallies,
            quarantined=refusals,
            documents=hashes,
            changed=changed,
            log={str(n): v.first for n, v in view.partitions.items() if v.first},
        )

    def _settle(self, view: View) -> None:
        """Figures for the operator after a publication."""
        if not self.condition.ok:
            self._logger.info("current again", revision=self._number, after=self.condition.reason)
            self.condition = Condition(ok=True, since=self._wall())
        self._metrics.revision.set(self._number)
        newest = max(part.tallies.appended_at for part in view.partitions.values())
        if newest:
            self._metrics.published_latency.observe(max(0.0, time.time() - newest / 1000))
        for name, contest in self._plan.contests.items():
            row = view.totals.get((name, contest.root))
            self._metrics.units_reported.labels(contest=name).set(row[0] if row else 0)
            self._metrics.units_expected.labels(contest=name).set(self._deriver.units_expected(name))

    async def _stalled(self, view: View, now: float) -> None:
        """Doubt what is shown if the log is ahead of totals that do not move."""
        ends = await self._log.bounds(self._topic)
        offsets = view.offsets()
        ahead = [n for n, bound in ends.items() if bound.end > offsets.get(n, 0)]
        stuck = [n for n in ahead if now - self._moved_at.setdefault(n, now) > STALL_S]
        if stuck:
            self._doubt(f"nobody tabulates partition {', '.join(map(str, stuck[:8]))}: the log goes on, totals stand")
        elif not ahead and not self.condition.ok and self._head is not None and self._may_publish(view):
            self.condition = Condition(ok=True, since=self._wall())
        for number in set(self._moved_at) - set(ahead):
            self._moved_at[number] = now

    def _doubt(self, reason: str) -> None:
        if self.condition.ok or self.condition.reason != reason:
            since = self._wall() if self.condition.ok else self.condition.since
            self.condition = Condition(ok=False, since=since, reason=reason)
            self._logger.warning("not current", reason=reason)

    async def _beat(self, lease: Lease) -> bool:
        return await self._revisions.beat(lease, LEASE_S, encode(self.condition))

    def _keep(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._head is not None and (force or now - self._kept_at > KEEP_EVERY_S):
            kept = self._head.revision
            if kept != self._kept_number:
                self._keeper.save(kept, encode(self._head), self._documents)
                self._kept_number = kept
            self._kept_at = now


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if seconds > 0:
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            return
