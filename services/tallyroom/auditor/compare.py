"""What the books say against what the store holds, whole number by whole number; and what a difference is."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tallyroom.auditor.books import leaf_name, sums_of
from tallyroom.codec import packed
from tallyroom.codec.layout import ORIGIN
from tallyroom.tabulation.audit import Book
from tallyroom.tabulation.recount import Key, state

Value = int | str | None

_OWN: Final = (ORIGIN, packed.TALLIES, packed.REFUSALS, packed.DEFINITION)
_TALLIES: Final = ("accepted", "superseded", "duplicates", "late", "decreases", "aside", "amendments")
_STATE: Final = ("version", "reported_at", "kind and disposition", "parts reported", "parts expected", "registered")
MISSING: Final = "missing"


class Difference(NamedTuple):
    """One figure that is not what the log says. ``figure``: a selection, measure, counter, or a leaf of a document by its path;
    ``expected``: by the log. ``derived``: it is no count, it follows from the counts or stands beside them."""

    figure: str
    expected: Value
    found: Value
    contest: str | None = None
    area: str | None = None
    unit: str | None = None
    partition: int | None = None
    derived: bool = False

    @property
    def place(self) -> str:
        """Where it is: a contest's area or unit, in the store or published, else the figure."""
        if self.contest is None:
            return self.figure
        return f"{self.contest}|{self.area or ''}|{self.unit or ''}"

    def __str__(self) -> str:
        """In words."""
        names = ("contest", "area", "unit", "partition")
        where = [f"{name} {getattr(self, name)}" for name in names if getattr(self, name) is not None]
        return f"{', '.join([*where, self.figure])}: the log says {self.expected}, found {self.found}"


# -- the store


def totals_names(book: Book) -> list[bytes]:
    """Fields of the partition's hash to be read for `stored_totals`; the first says by which layout."""
    cells = [packed.cell_name(contest.id, area) for contest in book.definition.contests for area in contest.areas]
    return [*_OWN, *cells]


def unit_names(leaves: Iterable[Key]) -> list[bytes]:
    """Fields to be read for `stored_units`."""
    return [packed.unit_name(leaf_name(key)) for key in leaves]


def stored_totals(book: Book, values: Sequence[bytes | None]) -> Iterator[Difference]:
    """What differs in the totals and counters of a partition's hash at the book's offset."""
    own, cells = values[: len(_OWN)], values[len(_OWN) :]
    for found in (*_own(book, own), *_cells(book, cells)):
        yield found._replace(partition=book.partition)


def stored_units(book: Book, leaves: Sequence[Key], values: Sequence[bytes | None]) -> Iterator[Difference]:
    """What differs in the states of these leaves in a partition's hash at the book's offset."""
    for key, data in zip(leaves, values, strict=True):
        yield from (found._replace(partition=book.partition) for found in _unit(book, key, data))


def _own(book: Book, values: Sequence[bytes | None]) -> Iterator[Difference]:
    _, raw_tallies, raw_refusals, chain = values
    tallies, refusals = packed.unpack_tallies(raw_tallies), packed.unpack_refusals(raw_refusals)
    for name in _TALLIES:
        yield from number(f"events {name}", book.fates[name], getattr(tallies, name))
    yield from number("election clock", book.clock, tallies.reported_at)
    expected = {str(code): times for code, times in book.refusals.items()}
    for code in sorted(expected.keys() | refusals.keys()):
        yield from number(f"refused {code}", expected.get(code, 0), refusals.get(code, 0))
    if chain is not None and chain.decode() != book.chain:
        yield Difference("definition", book.chain, chain.decode())


def _cells(book: Book, values: Sequence[bytes | None]) -> Iterator[Difference]:
    sums = sums_of(book)
    held = iter(values)
    for contest in book.definition.contests:
        names = book.sheets[contest.id].names
        for area in contest.areas:
            yield from (
                found._replace(contest=contest.id, area=area)
                for found in _row(names, [sums[contest.id, area][name] for name in names], next(held))
            )


def _unit(book: Book, key: Key, data: bytes | None) -> Iterator[Difference]:
    contest = book.sheets[key[0]].contest
    held = book.units.get(key)
    names = (*_STATE, *book.sheets[contest.id].figures)
    unit = key[1] if key[2] is None else f"{key[1]}#{key[2]}"
    place = Difference("report", None, None, contest=key[0], area=contest.units[key[1]], unit=unit)
    if held is None or data is None:
        if (held is None) is not (data is None):
            yield place._replace(expected=held and f"version {held.version}", found=MISSING if data is None else "held")
        return
    for found in _row(names, state(held, len(names) - len(_STATE)), data):
        yield place._replace(figure=found.figure, expected=found.expected, found=found.found)


def _row(names: Sequence[str], expected: Sequence[int], data: bytes | None) -> Iterator[Difference]:
    """A packed row against these numbers; columns that it does not have yet are 0."""
    if data is not None and (len(data) % 8 or len(data) // 8 > len(names)):
        yield Difference("row", f"{len(names)} numbers", f"{len(data)} bytes")
        return
    found = () if data is None else packed.unpack(data)
    for name, right, value in zip(names, expected, (*found, *(0,) * (len(names) - len(found))), strict=True):
        yield from number(name, right, value)


def number(name: str, expected: Value, found: Value) -> Iterator[Difference]:
    """The difference between two values, if there is one."""
    if expected != found or type(expected) is not type(found):
        yield Difference(name, expected, found)
