"""What the books say against what the store holds and what was published, whole number by whole number."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.auditor.books import Books, leaf_name, sums_of
from tallyroom.codec import packed
from tallyroom.codec.layout import ORIGIN
from tallyroom.domain.election import Contest
from tallyroom.results.documents import areas_name, contest_name
from tallyroom.tabulation.audit import Book
from tallyroom.tabulation.recount import Key, Place, published, state

Value = int | str | None

Prefix = tuple[tuple[int, int], ...]
"""A prefix of the log: (partition, next offset), by partition."""

Sums = Mapping[Place, Mapping[str, int]]

_OWN: Final = (ORIGIN, packed.TALLIES, packed.REFUSALS, packed.DEFINITION)
_TALLIES: Final = ("accepted", "superseded", "duplicates", "late", "decreases", "aside", "amendments")
_HEAD: Final = ("accepted", "superseded", "duplicates", "late", "decreases", "aside")
_STATE: Final = ("version", "reported_at", "kind and disposition", "parts reported", "parts expected", "registered")
_MISSING: Final = "missing"


class Difference(NamedTuple):
    """One figure that is not what the log says. ``figure``: a selection, measure or counter; ``expected``: by the log."""

    figure: str
    expected: Value
    found: Value
    contest: str | None = None
    area: str | None = None
    unit: str | None = None
    partition: int | None = None

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
        yield from _number(f"events {name}", book.fates[name], getattr(tallies, name))
    yield from _number("election clock", book.clock, tallies.reported_at)
    expected = {str(code): times for code, times in book.refusals.items()}
    for code in sorted(expected.keys() | refusals.keys()):
        yield from _number(f"refused {code}", expected.get(code, 0), refusals.get(code, 0))
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
            yield place._replace(
                expected=held and f"version {held.version}", found=_MISSING if data is None else "held"
            )
        return
    for found in _row(names, state(held, len(names) - len(_STATE)), data):
        yield place._replace(figure=found.figure, expected=found.expected, found=found.found)


def _row(names: Sequence[str], expected: Sequence[int], data: bytes | None) -> Iterator[Difference]:
    """A packed row against these numbers; columns that it does not have yet are 0."""
    if data is not None and (len(data) % 8 or len(data) // 8 > len(names)):
        yield Difference("row", f"{len(names)} numbers", f"{len(data)} bytes")
        return
    found = () if data is None else packed.unpack(data)
    for name, right, number in zip(names, expected, (*found, *(0,) * (len(names) - len(found))), strict=True):
        yield from _number(name, right, number)


def _number(name: str, expected: Value, found: Value) -> Iterator[Difference]:
    if expected != found or type(expected) is not type(found):
        yield Difference(name, expected, found)


# -- what was published


class Reading(NamedTuple):
    """What the books say of every area, and which earlier prefixes' sums stand in places that the desk froze."""

    books: Books
    earlier: Mapping[Prefix, Sums] = {}


def revision(reading: Reading, head: Mapping[str, Any], documents: Mapping[str, bytes]) -> Iterator[Difference]:
    """What differs in a revision whose ``as_of`` is where the books stand."""
    books = reading.books
    yield from _events(books, head)
    for name, digest in head["documents"].items():
        data = documents.get(name)
        found_digest = None if data is None else hashlib.sha256(data).hexdigest()[: len(digest)]
        yield from _number(f"hash of document {name}", digest, found_digest)
    shown = shown_in(books, documents)
    hidden, embargoed = books.withheld(head["clock"])
    for contest in books.definition.contests:
        if contest.id not in shown:
            yield Difference("document", "published", _MISSING, contest=contest.id)
            continue
        here = {item["area"] for item in shown[contest.id]["areas"]}
        for area in sorted(contest.areas.keys() - here - hidden[contest.id]):
            yield Difference("area", "published", _MISSING, contest=contest.id, area=area)
        for area in sorted(here & embargoed[contest.id]):
            yield Difference("area", "under embargo", "published", contest=contest.id, area=area)
    yield from contests(reading, shown.values())


def shown_in(books: Books, documents: Mapping[str, bytes]) -> dict[str, Mapping[str, Any]]:
    """The contests of a revision with their areas, as a snapshot has them."""
    shown: dict[str, Mapping[str, Any]] = {}
    for contest in books.definition.contests:
        data = documents.get(contest_name(contest.id))
        if data is not None:
            names = [areas_name(contest.id, parent) for parent in dict.fromkeys(contest.areas.values())]
            areas = [area for name in names if name in documents for area in msgspec.json.decode(documents[name])]
            shown[contest.id] = {**msgspec.json.decode(data), "areas": areas}
    return shown


def snapshot(reading: Reading, shown: Mapping[str, Any]) -> Iterator[Difference]:
    """What differs in a snapshot as a gateway served it, whole or filtered, whose ``as_of`` is where the books stand."""
    yield from _events(reading.books, shown)
    yield from contests(reading, shown["contests"])


def prefix_of(as_of: Mapping[str, int]) -> Prefix:
    """The prefix that an ``as_of`` of the events topic names."""
    return tuple(sorted((int(partition), offset) for partition, offset in as_of.items()))


def frozen_prefixes(shown: Iterable[Mapping[str, Any]]) -> set[Prefix]:
    """Prefixes of the log that areas frozen by the desk still show."""
    marks = [area["frozen"] for contest in shown for area in contest["areas"] if area.get("frozen")]
    return {prefix_of(mark["as_of"]["events"]) for mark in marks}


def _events(books: Books, head: Mapping[str, Any]) -> Iterator[Difference]:
    """The definition in force, what became of the events, and what was refused."""
    for chain in sorted(books.chains()):
        yield from _number("definition", chain, head["definition"])
    fates, refusals = books.fates(), {str(code): times for code, times in books.refusals().items()}
    for name in _HEAD:
        yield from _number(f"events {name}", fates[name], head["events"].get(name))
    for code in sorted(refusals.keys() | head["quarantined"].keys()):
        yield from _number(f"refused {code}", refusals.get(code, 0), head["quarantined"].get(code, 0))


def contests(reading: Reading, shown: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
    """What differs in contests with their areas, as a snapshot has them."""
    books = reading.books
    defined = {contest.id: contest for contest in books.definition.contests}
    now, expected = books.sums(), books.expected()
    for found in shown:
        contest = defined.get(found["contest"])
        if contest is None:
            yield Difference("contest", None, "published", contest=found["contest"])
            continue
        for area in found["areas"]:
            place = (contest.id, area["area"])
            if place not in now:
                yield Difference("area", None, "published", contest=contest.id, area=area["area"])
                continue
            sums: Sums = now
            if area.get("frozen"):  # its figures stand still; what is expected of it does not
                sums = reading.earlier[prefix_of(area["frozen"]["as_of"]["events"])]
            for wrong in _area(contest, {**dict.fromkeys(now[place], 0), **sums.get(place, {})}, expected[place], area):
                yield wrong._replace(contest=contest.id, area=area["area"])


def _area(
    contest: Contest, sums: Mapping[str, int], expected: Mapping[str, int], shown: Mapping[str, Any]
) -> Iterator[Difference]:
    for name, number in published(contest, sums, expected).items():
        yield from _number(name, number, _at(shown, name))
    known = {*contest.accounting.measures, *(item.id for item in contest.selections)}
    for name in ("counts", "ballots"):
        for extra in sorted((shown.get(name) or {}).keys() - known):
            yield Difference(f"{name}.{extra}", None, shown[name][extra])


def _at(area: Mapping[str, Any], path: str) -> Value:
    """The value at a path of one or two names; "missing" where there is none."""
    group, _, name = path.partition(".")
    if not name:
        return area.get(group, _MISSING)  # type: ignore[no-any-return]
    within = area.get(group)
    return within.get(name, _MISSING) if isinstance(within, Mapping) else _MISSING
