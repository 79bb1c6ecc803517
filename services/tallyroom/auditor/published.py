"""What the books say against what was published: whole numbers by the recount, then every document, derived anew.

Whole numbers are compared with sums made without any of the publisher's code; everything else with a revision derived from those
sums from nothing (`tallyroom.auditor.derived`), leaf by leaf, but what `tallyroom.auditor.leaves` names.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.auditor.books import Books
from tallyroom.auditor.compare import MISSING, Difference, Value, number
from tallyroom.auditor.derived import BODIES, DECIDED, FLAGS, KEPT, Chosen, Derived, Prefix, Sums, chosen
from tallyroom.auditor.leaves import Leaf, differing, plain
from tallyroom.auditor.reckoned import reckoned
from tallyroom.domain.election import Contest
from tallyroom.domain.errors import TallyroomError
from tallyroom.results.documents import APART, BESIDE, ELECTION, LEDGER, areas_name, contest_name
from tallyroom.results.facts import Place
from tallyroom.tabulation.recount import published

_FATES: Final = ("accepted", "superseded", "duplicates", "late", "decreases", "aside")
_BY_NAME: Final = frozenset({"events", "quarantined", "definition", "as_of", "documents", "contests"})
"""Members of a head that are compared one by one, or say what is to be compared."""

_CONTEST: Final = contest_name("")
_DAMAGED: Final = (ValueError, LookupError, TypeError, AttributeError)


class Unusable(TallyroomError):
    """Snapshot, log or definition cannot be compared with each other."""


class Reading(NamedTuple):
    """What the books say of every area, and which earlier prefixes' sums stand in places that the desk froze."""

    books: Books
    earlier: Mapping[Prefix, Sums] = {}


def revision(
    reading: Reading, head: Mapping[str, Any], documents: Mapping[str, bytes], *, derive: bool = True
) -> list[Difference]:
    """What differs in a revision whose ``as_of`` is where the books stand. One that cannot be read is a difference as a whole.

    ``derive``: compare all of it, not whole numbers alone.
    """
    try:
        return list(_once(_revision(reading, head, documents, derive)))
    except _DAMAGED as error:
        return [Difference("revision", "as a publisher writes it", f"cannot be read: {error!r}")]


def _revision(
    reading: Reading, head: Mapping[str, Any], documents: Mapping[str, bytes], derive: bool
) -> Iterator[Difference]:
    books = reading.books
    yield from _events(books, head)
    for name, digest in head["documents"].items():
        data = documents.get(name)
        found_digest = None if data is None else hashlib.sha256(data).hexdigest()[: len(digest)]
        yield from number(f"hash of document {name}", digest, found_digest)
    shown, sums = list(shown_in(books, documents).values()), books.sums()
    yield from contests(reading, sums, shown)
    for found in _derived(reading, (head, documents), sums, shown) if derive else ():
        yield found._replace(derived=True)


def _derived(
    reading: Reading, stored: tuple[Mapping[str, Any], Mapping[str, bytes]], sums: Sums, shown: list[Mapping[str, Any]]
) -> Iterator[Difference]:
    """What differs beside the whole numbers in a stored revision."""
    books, (head, documents) = reading.books, stored
    if len(books.chains()) > 1:
        return  # nothing is published while an amendment is on its way: a difference that was told above
    found = {name: documents[name] for name in head["documents"] if name in documents}
    beside, kept = _members(found, DECIDED, FLAGS, BODIES), msgspec.json.decode(found.get(KEPT, b"[]"))
    frozen = {(contest, area): prefix_of(as_of) for contest, area, _, as_of in kept}
    derived = Derived(books, chosen(head["clock"], frozen, beside), sums, reading.earlier)
    yield from reckoned(derived, shown, beside.get("bodies", ()))
    summed = "".join(f"{name}={head['documents'][name]}\n" for name in sorted(head["documents"]))
    own = {
        "log": {str(partition): first for partition, first in sorted(books.first.items())},
        "hashes": {"content": hashlib.sha256(summed.encode()).hexdigest()},
    }
    yield from _head(derived, head, own)
    yield from _kept(derived, kept)
    yield from _documents(derived.documents(), found, live=derived.live)


def _members(documents: Mapping[str, bytes], *names: str) -> dict[str, Any]:
    """Members of these documents."""
    found: dict[str, Any] = {}
    for name in names:
        found |= msgspec.json.decode(documents[name]) if name in documents else {}
    return found


def snapshot(reading: Reading, shown: Mapping[str, Any]) -> list[Difference]:
    """What differs in a snapshot as a gateway served it, whole or filtered, whose ``as_of`` is where the books stand.

    Raises Unusable where it cannot be read, and where a filter left out what the desk froze: results rest on its figures then.
    """
    try:
        return list(_once(_snapshot(reading, shown)))
    except _DAMAGED as error:
        raise Unusable(f"The snapshot cannot be read: {error!r}.", "save what a gateway answers, unchanged") from error


def _snapshot(reading: Reading, shown: Mapping[str, Any]) -> Iterator[Difference]:
    yield from _events(reading.books, shown)
    sums = reading.books.sums()
    yield from contests(reading, sums, shown["contests"])
    if len(reading.books.chains()) == 1:
        for found in _derived_snapshot(reading, sums, shown):
            yield found._replace(derived=True)


def _derived_snapshot(reading: Reading, sums: Sums, shown: Mapping[str, Any]) -> Iterator[Difference]:
    """What differs beside the whole numbers in a snapshot."""
    derived = Derived(reading.books, chosen_for(shown), sums, reading.earlier)
    made = msgspec.json.decode(msgspec.json.encode(derived.documents()))
    _see_frozen(made, shown["contests"])
    yield from reckoned(derived, shown["contests"], shown.get("bodies", ()))
    beside: dict[str, Any] = dict(made[ELECTION])
    for name, document in made.items():
        beside |= document if name.startswith(BESIDE) else {}
    known = {*beside, "contests"}
    given = {"hashes": {"content": shown["hashes"]["content"]}}  # `LEFT_OUT_OF_SNAPSHOTS`
    yield from _head(derived, {name: value for name, value in shown.items() if name not in known}, given)
    members = {name: shown[name] for name in beside if name in shown}
    yield from _told(differing(beside, members, live=derived.live))
    for contest in shown["contests"]:
        own = {name: value for name, value in contest.items() if name != "areas"}
        name = contest["contest"]
        if contest_name(name) in made:
            yield from _told(differing(made[contest_name(name)], own), contest=name)
            yield from _areas(name, _areas_of(made, name), contest["areas"], whole=False)


def _see_frozen(made: Mapping[str, Any], shown: Iterable[Mapping[str, Any]]) -> None:
    seen = {(contest["contest"], area["area"]) for contest in shown for area in contest["areas"]}
    for name in made:
        kind, _, about = name.partition(":")
        for area in made[name] if kind == "areas" else ():
            place = (about.partition(":")[0], area["area"])
            if "frozen" in area and place not in seen:
                raise Unusable(
                    f"The snapshot leaves out area {place[1]} of contest {place[0]}, whose figures the desk froze.",
                    "save the whole snapshot: it says as of when they are",
                )


def chosen_for(shown: Mapping[str, Any]) -> Chosen:
    """What was chosen for a snapshot."""
    frozen = {
        (contest["contest"], area["area"]): prefix_of(area["frozen"]["as_of"]["events"])
        for contest in shown["contests"]
        for area in contest["areas"]
        if area.get("frozen")
    }
    return chosen(shown.get("clock"), frozen, shown)


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


def prefix_of(as_of: Mapping[str, int]) -> Prefix:
    """The prefix that an ``as_of`` of the events topic names."""
    return tuple(sorted((int(partition), offset) for partition, offset in as_of.items()))


def frozen_prefixes(shown: Iterable[Mapping[str, Any]]) -> set[Prefix]:
    """Prefixes of the log that areas frozen by the desk still show."""
    marks = [area["frozen"] for contest in shown for area in contest["areas"] if area.get("frozen")]
    return {prefix_of(mark["as_of"]["events"]) for mark in marks}


def kept_prefixes(documents: Mapping[str, bytes]) -> set[Prefix]:
    """The same as the publisher keeps them with the revision, areas under embargo included."""
    data = documents.get(KEPT)
    return set() if data is None else {prefix_of(as_of) for _, _, _, as_of in msgspec.json.decode(data)}


def _once(found: Iterable[Difference]) -> Iterator[Difference]:
    """Every place and figure once: whole numbers are compared twice."""
    seen = set[tuple[str | None, str | None, str]]()
    for item in found:
        name = (item.contest, item.area, item.figure)
        if name not in seen:
            seen.add(name)
            yield item


def _told(
    leaves: Iterable[Leaf], within: str = "", contest: str | None = None, area: str | None = None
) -> Iterator[Difference]:
    for leaf in leaves:
        yield Difference(f"{within}{leaf.figure}", leaf.expected, leaf.found, contest=contest, area=area)


# -- what a publication says of itself


def _events(books: Books, head: Mapping[str, Any]) -> Iterator[Difference]:
    """The definition in force, what became of the events, and what was refused."""
    for chain in sorted(books.chains()):
        yield from number("definition", chain, head["definition"])
    fates, refusals = books.fates(), {str(code): times for code, times in books.refusals().items()}
    for name in _FATES:
        yield from number(f"events {name}", fates[name], head["events"].get(name))
    yield from number("events quarantined", sum(refusals.values()), head["events"].get("quarantined"))
    for code in sorted(refusals.keys() | head["quarantined"].keys()):
        yield from number(f"refused {code}", refusals.get(code, 0), head["quarantined"].get(code, 0))


def _head(derived: Derived, head: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Difference]:
    """Members of the head; ``own``: those that the stored one has beside a snapshot's."""
    plan = derived.plan
    hashes = {"definition": plan.chain, "configuration": derived.configuration, **own.get("hashes", {})}
    said = {"election": plan.election, "environment": plan.environment, "clock": derived.clock}
    expected = {**said, **own, "hashes": hashes}
    found = {name: value for name, value in head.items() if name not in _BY_NAME}
    yield from _told(differing(msgspec.to_builtins(expected), found, live=derived.live))


def _kept(
    derived: Derived, kept: Iterable[tuple[str, str, tuple[int, ...], Mapping[str, int]]]
) -> Iterator[Difference]:
    """Rows that stand still: those of all places that the desk froze, as they were then, and no others."""
    rows: dict[Place, tuple[int, ...]] = {(contest, area): tuple(row) for contest, area, row, _ in kept}
    for place in sorted(rows.keys() | derived.kept.keys()):
        contest, area = place
        expected, found = derived.kept.get(place), rows.get(place)
        if expected is None or found is None:
            said = ["stands still" if row is not None else "does not stand still" for row in (expected, found)]
            yield Difference("frozen", said[0], said[1], contest, area)
        elif expected != found + (0,) * (len(expected) - len(found)):
            yield Difference("frozen row", f"{expected}", f"{found}", contest=contest, area=area)


# -- documents


def _documents(made: Mapping[str, Any], found: Mapping[str, bytes], *, live: bool) -> Iterator[Difference]:
    """Every document of a revision against the one derived anew. What is the same byte for byte is not looked into."""
    for name in [*made, *sorted(found.keys() - made.keys() - {KEPT})]:
        if name not in made or name not in found:
            said = ["published" if name in side else MISSING for side in (made, found)]
            yield Difference(f"document {name}", said[0], said[1])
        elif (data := msgspec.json.encode(made[name])) != found[name]:
            expected, shown = msgspec.json.decode(data), msgspec.json.decode(found[name])
            if _in_order(expected) != _in_order(shown):  # the order of members says nothing
                yield from _document(name, expected, shown, live)


def _in_order(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _document(name: str, expected: Any, found: Any, live: bool) -> Iterator[Difference]:
    kind, _, about = name.partition(":")
    contest = about.partition(":")[0]
    if kind == "areas":
        yield from _areas(contest, expected, found, whole=True)
    elif f"{kind}:" == _CONTEST:
        yield from _told(differing(expected, found), contest=contest)
    elif f"{kind}:" in (LEDGER, APART):
        yield from _told(differing(expected, found), f"{kind}.", contest)
    elif kind == "definition":
        yield from _told(differing(expected, found), "definition.")
    else:
        yield from _told(differing(expected, found, live=live))


def _areas(
    contest: str, expected: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]], *, whole: bool
) -> Iterator[Difference]:
    """Areas by their names. ``whole``: all of them have to be there."""
    right, shown = ({item["area"]: item for item in areas} for areas in (expected, found))
    for area, item in shown.items():
        if area not in right:
            yield Difference("area", None, "published", contest=contest, area=area)
        elif item != right[area]:
            yield from _told(differing(right[area], item), contest=contest, area=area)
    for area in right.keys() - shown.keys() if whole else ():
        yield Difference("area", "published", MISSING, contest=contest, area=area)


def _areas_of(made: Mapping[str, Any], contest: str) -> list[Mapping[str, Any]]:
    prefix = areas_name(contest, None)
    return [area for name, areas in made.items() if name.startswith(prefix) for area in areas]


# -- whole numbers


def contests(reading: Reading, now: Sums, shown: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
    """What differs in contests with their areas, as a snapshot has them. ``now``: the sums of the books."""
    books = reading.books
    defined = {contest.id: contest for contest in books.definition.contests}
    expected = books.expected()
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
            sums: Sums | None = now
            if area.get("frozen"):  # its figures stand still; what is expected of it does not
                sums = reading.earlier.get(prefix_of(area["frozen"]["as_of"]["events"]))
            if sums is None:
                yield Difference("frozen.as_of", "as it is kept", plain(area["frozen"]["as_of"]), *place)
                continue
            for wrong in _area(contest, {**dict.fromkeys(now[place], 0), **sums.get(place, {})}, expected[place], area):
                yield wrong._replace(contest=contest.id, area=area["area"])


def _area(
    contest: Contest, sums: Mapping[str, int], expected: Mapping[str, int], shown: Mapping[str, Any]
) -> Iterator[Difference]:
    for name, value in published(contest, sums, expected).items():
        yield from number(name, value, _at(shown, name))
    known = {*contest.accounting.measures, *(item.id for item in contest.selections)}
    for name in ("counts", "ballots"):
        for extra in sorted((shown.get(name) or {}).keys() - known):
            yield Difference(f"{name}.{extra}", None, shown[name][extra])


def _at(area: Mapping[str, Any], path: str) -> Value:
    """The value at a path of one or two names; "missing" where there is none."""
    group, _, name = path.partition(".")
    if not name:
        return area.get(group, MISSING)  # type: ignore[no-any-return]
    within = area.get(group)
    return within.get(name, MISSING) if isinstance(within, Mapping) else MISSING
