"""A recording tabulated and derived in this process, without any server: the services' own parts over a store in memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from tallyroom.codec import packed
from tallyroom.domain.election import Definition
from tallyroom.log.base import LogRecord
from tallyroom.producer.entries import recorded_entries
from tallyroom.publisher.cut import View, facts_of
from tallyroom.publisher.deriving import Derivation
from tallyroom.publisher.revision import encode
from tallyroom.recordings.format import TimedEvent
from tallyroom.results.documents import areas_name, contest_name
from tallyroom.results.watch import identical
from tallyroom.store import MemoryStore
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Owned

_BATCH: Final = 5_000
_ONE: Final = 1
"""Everything is one partition here: what follows from how events are spread over partitions is not shown."""


class Board:
    """What a publisher would show, had it read these events. ``await Board.open(...)``, then `feed`, then `snapshot`."""

    def __init__(self, store: MemoryStore, owned: Owned, plan: Plan) -> None:
        self._store = store
        self._owned = owned
        self.view = View(store, plan, _ONE)
        self.derivation = Derivation(plan)

    @classmethod
    async def open(cls, definition: Definition, chain: str) -> "Board":
        """An election at its start."""
        store, plan = MemoryStore(), Plan(definition, chain)
        await store.open(chain, _ONE)
        return cls(store, Owned(await store.claim(0), plan, _ONE), plan)

    async def feed(self, events: Iterable[TimedEvent]) -> None:
        """Tabulate events in their order."""
        batch: list[LogRecord] = []
        offset = self._owned.next
        for timed in events:
            for entry in recorded_entries(timed, _ONE):
                at = int(timed.at.timestamp() * 1000)
                batch.append(LogRecord(0, offset, at, entry.key, entry.value, tuple(entry.headers)))
                offset += 1
            if len(batch) >= _BATCH:
                await self._apply(batch)
                batch = []
        await self._apply(batch)

    async def _apply(self, records: list[LogRecord]) -> None:
        for prepared in self._owned.prepare(records) if records else ():
            await self._store.apply([prepared.step])

    async def snapshot(self, now: datetime | None = None, *, release: bool = False) -> dict[str, Any]:
        """The snapshot at election time ``now`` (None: that of the newest event), as JSON values.

        ``release``: what is under embargo too, for the eyes of those who hold the log anyway.
        """
        view, derivation = self.view, self.derivation
        await view.refresh()
        while not derivation.follow(view):
            await view.refresh()
        view.sum_changed()
        states = self._owned.fold.units().items()
        view.alike = identical(derivation.plan, ((name, packed.pack(state)) for name, state in states))
        clock = now or view.clock()
        deriver, facts = derivation.deriver, facts_of(view, clock)
        documents = deriver.documents(deriver.all_places(), facts, release=release)
        beside: dict[str, Any] = {}
        for document in deriver.beside(facts, release=release).values():
            beside |= document
        part = view.partitions[0]
        tallies = ("accepted", "superseded", "duplicates", "late", "decreases")
        made = {
            "election": derivation.plan.election,
            "environment": derivation.plan.environment,
            "clock": clock,
            "definition": derivation.plan.chain,
            "events": {name: getattr(part.tallies, name) for name in tallies},
            "quarantined": dict(sorted(part.refusals.items())),
            **deriver.election(),
            **beside,
            "contests": [
                {**documents[contest_name(name)], "areas": list(_areas(documents, name))}
                for name in derivation.plan.contests
            ],
        }
        values: dict[str, Any] = msgspec.json.decode(encode(made))
        return values

    @property
    def fold(self) -> PartitionFold:
        """What was tabulated so far."""
        return self._owned.fold

    @property
    def definition(self) -> Definition:
        """The definition in force, amendments included."""
        return self.derivation.plan.definition


def _areas(documents: dict[str, Any], contest: str) -> Iterator[Any]:
    """The contest's areas, the root first, then breadth first."""
    waiting: list[str | None] = [None]
    while waiting:
        parent = waiting.pop(0)
        for area in documents.get(areas_name(contest, parent), ()):
            yield area
            waiting.append(area["area"])
