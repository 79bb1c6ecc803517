"""Published outcomes against those of the auditor's own arithmetic (`tallyroom.auditor.arithmetic`), figure by figure."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from tallyroom.auditor import arithmetic
from tallyroom.auditor.compare import MISSING, Difference
from tallyroom.auditor.derived import Derived
from tallyroom.auditor.leaves import differing, plain
from tallyroom.domain.election import Contest

Document = Mapping[str, Any]

_NOTHING: Final = object()

Numbers = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Contest -> area -> sums by name, with the register where it is known."""


def numbers(derived: Derived) -> Numbers:
    """The recounted numbers that results rest on: as of then where the desk froze a place."""
    found: dict[str, dict[str, Mapping[str, int]]] = {}
    for (name, area), row in {**derived.rows, **derived.kept}.items():
        sums = dict(zip(derived.names(name), row, strict=True))
        found.setdefault(name, {})[area] = arithmetic.known(sums, derived.expected[name, area])
    return found


def reckoned(derived: Derived, shown: Iterable[Document], bodies: Iterable[Document]) -> Iterator[Difference]:
    """What is otherwise in these contests, with their areas as a snapshot has them, and in these houses."""
    sums, seats = numbers(derived), dict[str, Mapping[str, int]]()
    defined = {contest.id: contest for contest in derived.plan.definition.contests}
    for found in shown:
        contest = defined.get(found["contest"])
        if contest is None:
            continue
        for item in found["areas"]:
            if item["area"] in sums[contest.id]:
                leaves = arithmetic.area(contest, sums[contest.id][item["area"]])
                yield from _differing(leaves, item, (contest.id, item["area"]))
        if "winner" not in found:
            continue  # under embargo
        whole, made = sums[contest.id][_root(contest)], found["apportionment"] or {}
        yield from _differing(arithmetic.leader(contest, whole), found, (contest.id, None))
        race = _race(derived, contest, sums[contest.id])
        if race is None or made.get("error") is not None:
            continue
        yield from _differing(arithmetic.outcome(derived.plan.definition, race), found, (contest.id, None))
        if made.get("seats") is not None:
            yield from _thresholds(race, found)
            seats[contest.id] = arithmetic.seats(race)
    yield from _houses(derived, seats, list(bodies))


def _root(contest: Contest) -> str:
    return next(area for area, parent in contest.areas.items() if parent is None)


def _race(derived: Derived, contest: Contest, sums: Mapping[str, Mapping[str, int]]) -> arithmetic.Race | None:
    if contest.rule is None:
        return None
    areas = {area.id: area for area in derived.plan.definition.areas if area.id in contest.areas}
    return arithmetic.Race(
        contest=contest,
        rule=contest.rule,
        root=_root(contest),
        sums=sums,
        levels={name: area.level for name, area in areas.items() if name != _root(contest)},
        weights={name: Fraction(area.weight) for name, area in areas.items()},
    )


def _thresholds(race: arithmetic.Race, found: Document) -> Iterator[Difference]:
    for path, right in arithmetic.thresholds(race):
        value = _at(found, path)
        if value not in right:
            said = MISSING if value is _NOTHING else plain(value)
            yield Difference(".".join(path), plain(right[0]), said, contest=race.contest.id)


def _houses(derived: Derived, seats: Mapping[str, Mapping[str, int]], bodies: list[Document]) -> Iterator[Difference]:
    for place, leaves in arithmetic.houses(derived.plan.definition, seats):
        body = bodies[place] if place < len(bodies) else {}
        if body.get("parties") is None or body.get("error") is not None:
            continue  # not public, or not to be computed: the revision derived anew says whether that is so
        for found in _differing(leaves, body, (None, None)):
            yield found._replace(figure=f"bodies.{place}.{found.figure}")


def _differing(
    leaves: Iterable[arithmetic.Leaf], found: Document, place: tuple[str | None, str | None]
) -> Iterator[Difference]:
    for path, right in leaves:
        value = _at(found, path)
        if value is _NOTHING:
            yield Difference(".".join(path), plain(right), MISSING, *place)
            continue
        for leaf in differing(right, value, path):
            yield Difference(leaf.figure, leaf.expected, leaf.found, *place)


def _at(document: Any, path: Iterable[str]) -> Any:
    """The value at a path, `_NOTHING` where there is none."""
    for name in path:
        if isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, Mapping) and name in document:
            document = document[name]
        else:
            return _NOTHING
    return document
