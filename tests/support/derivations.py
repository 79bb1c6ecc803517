"""A publisher's own view and derivation over the fields that tabulators made, looked at whenever the test says, and audited."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from tallyroom.auditor.books import Books
from tallyroom.auditor.compare import Difference
from tallyroom.auditor.published import Reading, kept_prefixes, revision
from tallyroom.publisher.cut import View
from tallyroom.publisher.deriving import Derivation, Last
from tallyroom.publisher.revision import Head, Moment, content_hash, document_hash, encode, make_head
from tallyroom.store.base import Cut, StoreMeta, TotalsStore
from tests.support.audits import Tabulated
from tests.support.elections import CLOSED_AT, plan_of


class _Fields:
    """What a view asks of a store, answered from a night's fields as they stand."""

    def __init__(self, night: Tabulated) -> None:
        self._night = night

    async def offsets(self) -> dict[int, int]:
        return {number: len(records) for number, records in enumerate(self._night.records)}

    async def cut(self, partition: int, names: Sequence[bytes]) -> Cut:
        values = tuple(self._night.fields[partition].get(name) for name in names)
        return Cut(partition, 1, len(self._night.records[partition]), values)

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        return [self._night.fields[partition].get(name) for name in names]


class Publishing:
    """Documents and head of the revisions of a night, each derived from the one before, only where something changed."""

    def __init__(self, night: Tabulated) -> None:
        self.night = night
        self._start = plan_of(night.definition)
        self._view = View(cast(TotalsStore, _Fields(night)), self._start, night.partitions)
        self._derivation = Derivation(self._start)
        self.documents: dict[str, bytes] = {}
        self.head: Head | None = None

    def look(self) -> bool:
        """Publish what is there; False while an amendment is on its way."""
        return asyncio.run(self._look())

    async def _look(self) -> bool:
        view, derivation = self._view, self._derivation
        await view.refresh()
        for _ in range(2):
            if derivation.follow(view):
                break
            await view.refresh()
        else:
            return False
        number = 0 if self.head is None else self.head.revision
        hashes = {} if self.head is None else self.head.documents
        clock = view.clock()
        made = derivation.derive(view, clock, Last(number, hashes, self.documents))
        self.documents |= made
        store = StoreMeta("store", self._start.chain, self.night.partitions)
        moment = Moment(number + 1, CLOSED_AT, clock)
        found = {**hashes, **{name: document_hash(data) for name, data in made.items()}}
        self.head = make_head(view, derivation.plan, store, moment, found, sorted(made))
        return True

    def published(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Head and documents as they are stored."""
        return msgspec.json.decode(encode(self.head)), dict(self.documents)

    def audit(self, changed: Mapping[str, bytes] | None = None, head: dict[str, Any] | None = None) -> list[Difference]:
        """What the auditor finds in the newest revision; in one with these documents changed, hashes as well; with this head."""
        made, documents = self.published()
        head = made if head is None else head
        for name, data in (changed or {}).items():
            documents[name] = data
            head["documents"][name] = document_hash(data)
            head["hashes"]["content"] = content_hash(head["documents"])
        books = self._read(head["as_of"]["events"])
        earlier = {
            prefix: self._read({str(n): offset for n, offset in prefix}, totals_only=True).sums()
            for prefix in kept_prefixes(documents)
        }
        return revision(Reading(books, earlier), head, documents)

    def _read(self, as_of: Mapping[str, int], *, totals_only: bool = False) -> Books:
        night = self.night
        books = Books(night.definition, self._start.chain, night.partitions, totals_only=totals_only)
        for partition, offset in as_of.items():
            books.read(night.records[int(partition)][:offset])
        return books
