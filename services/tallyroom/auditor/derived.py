"""A whole revision derived anew from the auditor's own reading: every total from nothing, every document, no state of before.

How results follow from totals is one code (`tallyroom.results`), the publisher's and ours; here it is run once over everything,
while a publisher derives what changed. So whatever was left behind, mixed or changed on the way shows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.auditor.books import Books
from tallyroom.auditor.minutes import Minutes, in_order
from tallyroom.codec.definition import encode_definition
from tallyroom.domain.election import PreviousCounts
from tallyroom.domain.plausibility import Flag
from tallyroom.results.decided import Question, answers
from tallyroom.results.desk import freezes
from tallyroom.results.documents import BESIDE, ELECTION, Deriver, contest_name
from tallyroom.results.facts import Facts
from tallyroom.results.flags import Settled, ShownFlag
from tallyroom.tabulation.heard import together
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.recount import Place, adds

Prefix = tuple[tuple[int, int], ...]
"""A prefix of the log: (partition, next offset), by partition."""

Sums = Mapping[Place, Mapping[str, int]]

DEFINITION: Final = "definition"
DECIDED: Final = f"{BESIDE}decided"
FLAGS: Final = f"{BESIDE}flags"
BODIES: Final = f"{BESIDE}bodies"
KEPT: Final = "kept:frozen"
"""Document of a revision that no reader is shown: rows that stand still, with the offsets they cover (docs/desk.md)."""

_LIVE: Final = "live"


class Chosen(NamedTuple):
    """What a publication rests on that the log does not say, taken from it (`tallyroom.auditor.leaves.GIVEN`).

    ``clock``: election time, asked for on a live night alone; ``frozen``: the offsets that places frozen by the desk still
    show; ``alike``: flags about units with the same figures as they are listed, ``alike_open``: how many there are; ``decided``:
    the record of decided questions.
    """

    clock: datetime | None = None
    frozen: Mapping[Place, Prefix] = {}
    alike: Sequence[ShownFlag] = ()
    alike_open: int = 0
    decided: Mapping[str, Sequence[Mapping[str, Any]]] = {}


def chosen(clock: str | None, frozen: Mapping[Place, Prefix], beside: Mapping[str, Any]) -> Chosen:
    """What was chosen for a publication with these members beside its contests."""
    listed = beside.get("flags", {}).get("listed", ())
    return Chosen(
        clock=None if clock is None else datetime.fromisoformat(clock),
        frozen=frozen,
        alike=[_alike(item) for item in listed if item["code"] == Flag.IDENTICAL_COUNTS],
        alike_open=beside.get("flags", {}).get("open", {}).get(Flag.IDENTICAL_COUNTS, 0),
        decided=beside.get("decided", {}),
    )


def _alike(item: Mapping[str, Any]) -> ShownFlag:
    return ShownFlag(
        code=Flag.IDENTICAL_COUNTS,
        text=item["text"],
        figures=item["figures"],
        contest=item["contest"],
        area=item["area"],
    )


class Derived:
    """A revision from nothing. ``sums``: the auditor's own, now; ``earlier``: those of the prefixes that frozen places show."""

    def __init__(self, books: Books, said: Chosen, sums: Sums, earlier: Mapping[Prefix, Sums]) -> None:
        self.plan = books.books[0].plan
        self.live = self.plan.environment == _LIVE
        self.clock = said.clock if self.live else books.clock()
        self._chosen = said
        self._minutes: Mapping[int, Minutes] = books.minutes or {}
        self.expected = books.expected()
        self._books = books
        self.configuration = books.start
        self.asides = _asides(self._minutes)
        self.freezes = freezes(self.plan, self.asides)
        self.rows = {(name, area): self._row(name, sums[name, area]) for name, area in sums}
        self.kept = {place: self._kept(place, earlier) for place in self.freezes}
        self.facts = self._facts()

    def documents(self) -> dict[str, Any]:
        """Every document of the revision that readers are shown, by name."""
        deriver, facts = Deriver(self.plan), self.facts
        made: dict[str, Any] = {
            **deriver.documents(deriver.all_places(), facts),
            ELECTION: deriver.election(),
            **deriver.beside(facts),
        }
        if self._chosen.alike_open > len(self._chosen.alike):
            made[FLAGS]["flags"]["open"][str(Flag.IDENTICAL_COUNTS)] = self._chosen.alike_open
        made[DECIDED] = {"decided": dict(self._decided(made))}
        made[DEFINITION] = msgspec.Raw(encode_definition(self.plan.definition))
        return made

    def _row(self, contest: str, sums: Mapping[str, int]) -> tuple[int, ...]:
        """Sums in the order of a row; 0 for selections that an amendment added since."""
        return tuple(sums.get(name, 0) for name in self.names(contest))

    def names(self, contest: str) -> tuple[str, ...]:
        """Columns of the contest's rows."""
        return self._books.books[0].sheets[contest].names

    def _kept(self, place: Place, earlier: Mapping[Prefix, Sums]) -> tuple[int, ...]:
        """The row of a place that the desk froze; as it is now where the publication does not say as of when."""
        prefix = self._chosen.frozen.get(place)
        return self.rows[place] if prefix is None else self._row(place[0], earlier[prefix].get(place, {}))

    def _facts(self) -> Facts:
        minutes = self._minutes.values()
        return Facts(
            totals={**self.rows, **self.kept},
            matched=_matched(self._books),
            asides=self.asides,
            corrections=self._corrections(),
            apart=_by_contest(item for each in minutes for item in each.apart.values()),
            waiting=_by_contest(item for each in minutes for held in each.waiting.values() for item in held.values()),
            flags=(*(flag for each in minutes for flag in each.flags.carried()), *self._chosen.alike),
            settled=sum((Counter(each.flags.settled()) for each in minutes), Counter[Settled]()),
            heard=together(each.heard for each in minutes),
            released=[each.released[offset] for each in minutes for offset in sorted(each.released)],
            frozen={place: self._mark(place) for place in self.freezes},
            now=self.clock,
        )

    def _mark(self, place: Place) -> dict[str, Any]:
        freeze = self.freezes[place]
        as_of = {str(partition): offset for partition, offset in self._chosen.frozen.get(place, ())}
        return {"since": freeze.since, "text": freeze.text, "as_of": {"events": as_of}}

    def _corrections(self) -> dict[str, list[dict[str, Any]]]:
        """By contest; of a contest that is frozen as a whole those that its figures have in them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for name, contest in self.plan.contests.items():
            listed = in_order(item for each in self._minutes.values() for item in each.corrections.get(name, ()))
            if (name, contest.root) in self.freezes:
                ends = dict(self._chosen.frozen.get((name, contest.root), ()))
                listed = [item for item in listed if item["offset"] < ends.get(item["partition"], 0)]
            if listed:
                found[name] = listed
        return found

    def _decided(self, documents: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The record of decided questions with the answers of today; a contest under embargo keeps those that it had."""
        for name in self.plan.contests:
            known = [dict(entry) for entry in self._chosen.decided.get(name, ())]
            contest = documents[contest_name(name)]
            if "winner" in contest:
                now = answers(contest)
                asked = [Question(entry["question"], entry["selection"]) for entry in known]
                for question, entry in zip(asked, known, strict=True):
                    entry["answer"] = now[question].value if question in now else None
                known += [
                    {"question": question.kind, "selection": question.selection, "answer": answer.value}
                    for question, answer in now.items()
                    if question not in asked
                ]
            if known:
                yield name, known


def _asides(minutes: Mapping[int, Minutes]) -> list[dict[str, Any]]:
    """Accepted events that are no reports, by partition and offset; those that stand in every partition once, first."""
    found: dict[tuple[int, int, str], dict[str, Any]] = {}
    for partition, each in minutes.items():
        for name, (offset, everywhere, event) in each.asides.items():
            found[(-1, 0, name) if everywhere else (partition, offset, name)] = event
    return [found[key] for key in sorted(found)]


def _by_contest(items: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Items by contest, ordered by unit, group and version."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        found.setdefault(item["contest"], []).append(item)
    for listed in found.values():
        listed.sort(key=lambda item: (item["unit"], item.get("group") or "", item["version"]))
    return found


def _matched(books: Books) -> dict[Place, tuple[int, ...]]:
    """Sums over units that were there last time and are all in: units, base then, base now, then and now by selection."""
    found: dict[Place, tuple[int, ...]] = {}
    for contest in books.books[0].plan.contests.values():
        previous = contest.contest.previous
        if previous is None or not previous.units:
            continue
        for unit in previous.units.keys() & contest.contest.units.keys():
            row = _of_unit(books, contest, unit, previous.units[unit])
            for area in contest.ancestry(contest.contest.units[unit]) if row is not None else ():
                before = found.get((contest.id, area), (0,) * len(row or ()))
                found[contest.id, area] = tuple(map(sum, zip(before, row or (), strict=True)))
    return found


def _of_unit(books: Books, contest: ContestPlan, unit: str, then: PreviousCounts) -> tuple[int, ...] | None:
    """What the unit brings once every count group and part of it is in; ``then``: its result of last time."""
    groups: tuple[str | None, ...] = contest.contest.count_groups or (None,)
    votes: dict[str, int] = {}
    for group in groups:
        key = (contest.id, unit, group)
        held = next(((book, book.units[key]) for book in books.books.values() if key in book.units), None)
        if held is None:
            return None
        book, report = held
        sheet = book.sheets[contest.id]
        counters, figures = adds(sheet, unit, book.register(key), report)
        if not counters.get("complete"):
            return None
        for name, value in zip(sheet.figures, figures, strict=True):
            votes[name] = votes.get(name, 0) + value
    base = then.base if then.base is not None else sum(then.counts.values())
    parts = [name for named in contest.contest.accounting.share_base for name in _choices(contest, named)]
    pairs = (value for name in contest.selections for value in (then.counts.get(name, 0), votes[name]))
    return (1, base, sum(votes[name] for name in parts), *pairs)


def _choices(contest: ContestPlan, name: str) -> tuple[str, ...]:
    return contest.summed if name == "selections" else (name,)
