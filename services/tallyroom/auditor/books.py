"""From the bytes of a log to a `Book` per partition, and from the books to sums by area."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from tallyroom.codec.definition import chain_hash
from tallyroom.codec.events import (
    Amendment,
    AnyEvent,
    Declaration,
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
from tallyroom.results.release import Releases
from tallyroom.tabulation.audit import Book
from tallyroom.tabulation.recount import Held, Key, Place, Register, defined, recount

_BLANKS: Final = b" \t\r\n"

_MOMENT: Final = timedelta(seconds=10)

Withheld = Mapping[str, set[str]]
"""Areas by contest."""

Leaf = tuple[str, Register, Held]
"""(unit, the register behind it, its newest accepted report)."""


class Books:
    """All partitions of a log, each read up to an offset of its own."""

    def __init__(self, definition: Definition, chain: str, partitions: int) -> None:
        self.books = {number: Book(definition, chain, number, partitions) for number in range(partitions)}
        self.offsets = dict.fromkeys(self.books, 0)
        self._declared: list[Mapping[str, Any]] = []  # accepted declarations as JSON objects: they may move an embargo

    def read(self, records: Iterable[Record]) -> None:
        """Judge the records that follow in their partitions. Raises ValueError if one does not follow."""
        for record in records:
            at = self.offsets[record.partition]
            if record.offset != at:
                raise ValueError(f"record {record.offset} of partition {record.partition} does not follow {at}")
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
        elif book.unsigned(event, str(event.__struct_config__.tag), signed):
            book.refuse(Refusal.OPERATORS)
        elif isinstance(event, Report):
            book.report(event)
        elif isinstance(event, Amendment):
            chain = chain_hash(book.chain, value)
            book.amendment(event, event.to_domain(), chain, _content(value))
        else:
            key = None if everywhere(event) else partition_key(event)
            fate = book.aside(event, str(event.__struct_config__.tag), key, _content(value))
            if fate == "aside" and isinstance(event, Declaration):
                self._declared.append(msgspec.json.decode(value))

    def _unproven(self, book: Book, event: AnyEvent, value: bytes, headers: Headers) -> Refusal | None:
        """Why the record is not proven to come from its source. Signatures are checked by the one code there is for it."""
        if book.definition.signatures is not Signatures.REQUIRED:
            return None
        refused = judge_signature(book.plan, event, value, headers)
        return None if refused is None else refused.refusal

    def withheld(self, clock: str | None) -> tuple[Withheld, Withheld]:
        """Areas by contest that may be left out of what is published at this election time, and that must be left out.

        On a live night the clock of a revision is read a moment after its documents were made: a boundary within it is either.
        """
        now = None if clock is None else datetime.fromisoformat(clock)
        releases = Releases(self.books[0].plan, self._declared)
        after = releases.withheld(now)
        before = after if now is None else releases.withheld(now - _MOMENT)
        either, both = _by_contest(self.definition, after | before), _by_contest(self.definition, after & before)
        return either, both

    def sums(self) -> dict[Place, dict[str, int]]:
        """Every area's sums over all partitions, from nothing."""
        leaves: dict[str, list[Leaf]] = {}
        for book in self.books.values():
            for contest, some in leaves_of(book).items():
                leaves.setdefault(contest, []).extend(some)
        return _sums(self.books[0], leaves)

    def expected(self) -> dict[Place, dict[str, int]]:
        """What the definition in force expects of every area."""
        definition = self.definition
        return {
            (contest.id, area): sums
            for contest in definition.contests
            for area, sums in defined(definition, contest).items()
        }

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


def _by_contest(definition: Definition, places: Iterable[Place]) -> Withheld:
    found: dict[str, set[str]] = {contest.id: set() for contest in definition.contests}
    for contest, area in places:
        found[contest].add(area)
    return found


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
