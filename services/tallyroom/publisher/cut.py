"""The publisher's view of the totals: one atomic read per partition, summed over partitions, renewed only where it moved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tallyroom.codec import packed
from tallyroom.codec.layout import ORIGIN, origin_of
from tallyroom.publisher.journal import Journals, entries_between
from tallyroom.results.facts import Facts, Place
from tallyroom.results.flags import ShownFlag
from tallyroom.store.base import TotalsStore
from tallyroom.tabulation.fold import Tallies
from tallyroom.tabulation.heard import Heard, together
from tallyroom.tabulation.matched import has_units
from tallyroom.tabulation.matched import width as matched_width
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Row, plus, widened

_OWN: Final = (
    packed.TALLIES, packed.REFUSALS, packed.HEARD, packed.JOURNAL_LENGTH, packed.DEFINITION, ORIGIN,
)  # fmt: skip


@dataclass(slots=True)
class PartitionView:
    """What was last read of a partition."""

    offset: int = -1
    raw: list[bytes | None] = field(default_factory=list)
    tallies: Tallies = field(default_factory=Tallies)
    refusals: Mapping[str, int] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    raw_heard: bytes | None = None
    journal: int = 0
    chain: str = ""
    first: str | None = None  # fingerprint of record 0


class View:
    """Totals of all partitions as of the last read. ``changed`` collects the places that moved until they are taken."""

    def __init__(self, store: TotalsStore, plan: Plan, partitions: int) -> None:
        self._store = store
        self.partitions = {number: PartitionView() for number in range(partitions)}
        self.totals: dict[Place, Row] = {}
        self.changed: set[Place] = set()
        self.journals = Journals()
        self.asides_changed = True
        self.alike: list[ShownFlag] = []  # flags about units with the same figures
        self.flags_changed = False
        self.replan(plan)

    def replan(self, plan: Plan) -> None:
        """Read by another definition: everything is read anew."""
        self.plan = plan
        self._places = [(name, area) for name, contest in plan.contests.items() for area in contest.contest.areas]
        again = [place for place in self._places if has_units(plan.contests[place[0]])]
        self._read_places = (*self._places, *again)  # the place of each field that is read after the partition's own
        self._names = [
            *_OWN, *(packed.cell_name(*place) for place in self._places), *(packed.matched_name(*place) for place in again),
        ]  # fmt: skip
        for view in self.partitions.values():
            view.raw = [None] * len(self._read_places)
            view.offset = -1
        self.totals = {}
        self.matched: dict[Place, Row] = {}  # sums over units that were there last time
        self.changed = set(self._places)

    def read_anew(self, plan: Plan) -> None:
        """Nothing that was read counts any more: totals may be other ones at the same offset, and so may journals."""
        for number, view in self.partitions.items():
            view.journal = 0
            self.journals.forget(number)
        self.asides_changed = self.flags_changed = True
        self.replan(plan)

    def offsets(self) -> dict[int, int]:
        """Next offset of every partition that was read, 0 for one that nobody claimed yet."""
        return {number: max(0, view.offset) for number, view in self.partitions.items()}

    def chains(self) -> set[str]:
        """Definition chains that the partitions stand at; one, unless an amendment is on its way."""
        return {view.chain or self.plan.chain for view in self.partitions.values()}

    def clock(self) -> datetime | None:
        """Newest election time seen in the log."""
        newest = max(view.tallies.reported_at for view in self.partitions.values())
        return datetime.fromtimestamp(newest / 1000, UTC) if newest else None

    async def refresh(self) -> list[int]:
        """Read the partitions whose offset moved; their numbers. Raises StoreUnavailable, OtherLayout."""
        moved = []
        for number, offset in sorted((await self._store.offsets()).items()):
            view = self.partitions.get(number)
            if view is not None and view.offset != offset and await self._read(number, view):
                moved.append(number)
        return moved

    async def _read(self, number: int, view: PartitionView) -> bool:
        """Take over a partition as it stands now; False if the store changed under our hands: it is read again next time."""
        cut = await self._store.cut(number, self._names)
        if cut is None:
            return False
        tallies, refusals, heard, journal, chain, origin = cut.values[: len(_OWN)]
        first = origin_of(origin, number).first if cut.offset else None
        back = cut.offset < view.offset  # the store went back: its journal may be another one from here on
        entries = await entries_between(self._store, number, 0 if back else view.journal, int(journal or b"0"))
        if entries is None:
            return False
        if back:
            self.journals.forget(number)
        view.offset, view.journal = cut.offset, int(journal or b"0")
        view.tallies = packed.unpack_tallies(tallies)
        view.refusals = packed.unpack_refusals(refusals)
        if heard != view.raw_heard:  # a late report changes no total, and may raise a flag
            view.raw_heard, view.heard = heard, packed.unpack_heard(heard)
            self.flags_changed = True
        view.chain = chain.decode() if chain else ""
        view.first = first or view.first
        for index, raw in enumerate(cut.values[len(_OWN) :]):
            if raw != view.raw[index]:
                view.raw[index] = raw
                self.changed.add(self._read_places[index])
        for entry in entries:
            self._remember(number, entry)
        return True

    def _remember(self, number: int, entry: packed.Entry) -> None:
        about = self.journals.remember(number, entry)
        if about is None:
            self.asides_changed = True
        elif about in self.plan.contests:
            self.changed.add((about, self.plan.contests[about].root))

    def sum_changed(self) -> set[Place]:
        """Sum the places that moved over all partitions; returns them and starts collecting anew."""
        changed, self.changed = self.changed, set()
        index_of = {place: index for index, place in enumerate(self._places)}
        matched_of = {place: index for index, place in enumerate(self._read_places) if index >= len(self._places)}
        for place in changed:
            contest = self.plan.contests[place[0]]
            self.totals[place] = self._sum(index_of[place], contest.width)
            if place in matched_of:
                self.matched[place] = self._sum(matched_of[place], matched_width(contest))
        return changed

    def _sum(self, index: int, width: int) -> Row:
        """A field summed over the partitions."""
        row: Row = (0,) * width
        for view in self.partitions.values():
            raw = view.raw[index]
            if raw is not None:
                row = plus(row, widened(packed.unpack(raw), width))
        return row


def facts_of(view: View, now: datetime | None) -> Facts:
    """What results are derived from, as of the view's last read; ``now`` is election time."""
    journals = view.journals
    return Facts(
        totals=view.totals,
        matched=view.matched,
        asides=journals.asides(),
        corrections=journals.corrections(),
        apart=journals.apart(),
        waiting=journals.waiting(),
        flags=(*journals.flags.carried(), *view.alike),
        settled=journals.flags.settled(),
        heard=together(part.heard for part in view.partitions.values()),
        released=journals.released(),
        now=now,
    )
