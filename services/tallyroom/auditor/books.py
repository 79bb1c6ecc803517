"""From the bytes of a log to a `Book` and its `Minutes` per partition, and from the books to sums by area."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tallyroom.auditor.minutes import Minutes
from tallyroom.codec.definition import chain_hash
from tallyroom.codec.events import (
    Amendment,
    AnyEvent,
    Report,
    Undecodable,
    decode_event,
    everywhere,
    partition_key,
)
from tallyroom.codec.operators import signed_by
from tallyroom.codec.signatures import Headers, judge_signature
from tallyroom.domain.election import Definition, Signatures
from tallyroom.domain.events import Refusal
from tallyroom.log.base import Record
from tallyroom.tabulation.audit import Book
from tallyroom.tabulation.recount import Held, Key, Place, Register, defined, recount

_BLANKS: Final = b" \t\r\n"

_SINCE: Final = datetime(1970, 1, 1, tzinfo=UTC)

Leaf = tuple[str, Register, Held]
"""(unit, the register behind it, its newest accepted report)."""


class Books:
    """All partitions of a log, each read up to an offset of its own.

    ``minutes``: what else the log says, for whoever derives results; None where ``totals_only`` are asked for.
    """

    def __init__(self, definition: Definition, chain: str, partitions: int, *, totals_only: bool = False) -> None:
        self.books = {number: Book(definition, chain, number, partitions) for number in range(partitions)}
        self.minutes = None if totals_only else {number: Minutes(number) for number in self.books}
        self.offsets = dict.fromkeys(self.books, 0)
        self.start = chain
        self._expected: tuple[str, dict[Place, dict[str, int]]] = ("", {})  # of the definition of this chain
        self.first: dict[int, str] = {}  # what each partition's first record is recognised by

    def read(self, records: Iterable[Record]) -> None:
        """Judge the records that follow in their partitions. Raises ValueError if one does not follow."""
        for record in records:
            at = self.offsets[record.partition]
            if record.offset != at:
                raise ValueError(f"record {record.offset} of partition {record.partition} does not follow {at}")
            if at == 0:
                self.first[record.partition] = _fingerprint(record)
            self._judge(self.books[record.partition], record)
            self.offsets[record.partition] = at + 1

    def _judge(self, book: Book, record: Record) -> None:
        """One record into its partition's book."""
        value = record.value
        if value is None:
            book.refuse(Refusal.NOT_JSON)
            return
        try:
            event = decode_event(value)
        except Undecodable as error:
            book.refuse(error.refusal)
            return
        unproven = self._unproven(book, event, value, record.headers)
        signed = signed_by(book.plan.operators, value, record.headers)
        if unproven is not None:
            book.refuse(unproven)
            return
        if book.unsigned(event, str(event.__struct_config__.tag), signed):
            book.refuse(Refusal.OPERATORS)
            return
        minutes = None if self.minutes is None else self.minutes[book.partition]
        if isinstance(event, Report):
            before = book.units.get((event.contest, event.unit, event.count_group))
            fate = book.report(event)
            if minutes is not None:
                minutes.report(book, event, record.offset, before, fate)
        elif isinstance(event, Amendment):
            plan, chain = book.plan, chain_hash(book.chain, value)
            met = book.amendment(event, event.to_domain(), chain, _content(value))
            if minutes is not None and met == "amendments":
                minutes.amended(book, plan, record.offset)
        else:
            key = None if everywhere(event) else partition_key(event)
            met = book.aside(event, str(event.__struct_config__.tag), key, _content(value))
            if minutes is not None and met == "aside":
                minutes.aside(event, key is None, record.offset, msgspec.json.decode(value))

    def _unproven(self, book: Book, event: AnyEvent, value: bytes, headers: Headers) -> Refusal | None:
        """Why the record is not proven to come from its source. Signatures are checked by the one code there is for it."""
        if book.definition.signatures is not Signatures.REQUIRED:
            return None
        refused = judge_signature(book.plan, event, value, headers)
        return None if refused is None else refused.refusal

    def clock(self) -> datetime | None:
        """Newest election time in the log."""
        newest = max(book.clock for book in self.books.values())
        return _SINCE + timedelta(milliseconds=newest) if newest else None

    def sums(self) -> dict[Place, dict[str, int]]:
        """Every area's sums over all partitions, from nothing."""
        leaves: dict[str, list[Leaf]] = {}
        for book in self.books.values():
            for contest, some in leaves_of(book).items():
                leaves.setdefault(contest, []).extend(some)
        return _sums(self.books[0], leaves)

    def expected(self) -> dict[Place, dict[str, int]]:
        """What the definition in force expects of every area."""
        chain, definition = self.books[0].chain, self.definition
        if self._expected[0] != chain:
            found = {
                (contest.id, area): sums
                for contest in definition.contests
                for area, sums in defined(definition, contest).items()
            }
            self._expected = (chain, found)
        return self._expected[1]

    @property
    def definition(self) -> Definition:
        """The definition in force; that of partition 0 while an amendment is on its way."""
        return self.books[0].definition

    def chains(self) -> set[str]:
        """Definition chains that the partitions stand at; one, unless an amendment is on its way."""
        return {book.chain for book in self.books.values()}

    def fates(self) -> Counter[str]:
        """What became of the events of all partitions."""
        return sum((book.fates for book in self.books.values()), Counter[str]())

    def refusals(self) -> Counter[Refusal]:
        """Refused events of all partitions by reason."""
        return sum((book.refusals for book in self.books.values()), Counter[Refusal]())


def _content(value: bytes) -> bytes:
    return hashlib.sha256(value.strip(_BLANKS)).digest()


def _fingerprint(record: Record) -> str:
    """A hash of the record's key and bytes (docs/exactly-once.md)."""
    return hashlib.blake2b((record.key or b"") + b"\0" + (record.value or b""), digest_size=16).hexdigest()


def leaf_name(key: Key) -> str:
    """The leaf's name in the store (docs/exactly-once.md)."""
    contest, unit, group = key
    return f"{contest}|{unit}" + ("" if group is None else f"#{group}")


def leaves_of(book: Book) -> dict[str, list[Leaf]]:
    """What reported in the book's partition, by contest."""
    found: dict[str, list[Leaf]] = {}
    for key, held in book.units.items():
        found.setdefault(key[0], []).append((key[1], book.register(key), held))
    return found


def sums_of(book: Book) -> dict[Place, dict[str, int]]:
    """One partition's sums by area, from nothing."""
    return _sums(book, leaves_of(book))


def _sums(book: Book, leaves: Mapping[str, list[Leaf]]) -> dict[Place, dict[str, int]]:
    return {
        (contest, area): sums
        for contest, sheet in book.sheets.items()
        for area, sums in recount(sheet, leaves.get(contest, ())).items()
    }
