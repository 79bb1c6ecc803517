"""Small elections for tests of the pure rooms, events for them, and nights that are fed by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

import msgspec

from tallyroom.codec.events import PartsIn, Report
from tallyroom.domain.election import (
    Accounting,
    Area,
    Body,
    Contest,
    Definition,
    Environment,
    Identity,
    Majority,
    ReportingUnit,
    Role,
    Rule,
    Selection,
    Source,
    Threshold,
    VoterPool,
)
from tallyroom.domain.events import Amendment, Change
from tallyroom.domain.partition import partition_of
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Row
from tallyroom.tabulation.supersede import Refused, State, Verdict

ELECTION: Final = "test-2030"
CHAIN: Final = "0" * 64
CLOSED_AT: Final = datetime(2030, 3, 1, 20, tzinfo=UTC)

Levels = Literal[2, 4]
Cells = dict[tuple[str, str], Row]

_TREES: Final[Mapping[int, Mapping[str, str | None]]] = {
    2: {"R": None, "A": "R", "B": "R"},
    4: {
        "R": None, "N": "R", "S": "R", "N1": "N", "N2": "N", "S1": "S", "N1a": "N1", "N1b": "N1", "N2a": "N2", "S1a": "S1",
    },
}  # fmt: skip
_PLACES: Final[Mapping[int, Mapping[str, str]]] = {
    2: {"u1": "A", "u2": "A", "u3": "B", "u4": "R"},
    4: {"u1": "N1a", "u2": "N1a", "u3": "S1a", "u4": "N1", "u5": "N2a", "u6": "R"},
}
_REGISTERS: Final = {"u1": 10, "u2": 0, "u3": None, "u4": 25, "u5": 10, "u6": 3}
_LEVEL_NAMES: Final = ("country", "region", "district", "municipality")


def selection(identifier: str, role: Role = Role.PARTY, parent: str | None = None) -> Selection:
    """A selection named by its id."""
    return Selection(id=identifier, names={"en": identifier}, role=role, parent=parent)


def list_contest(areas: Mapping[str, str | None], units: Mapping[str, str]) -> Contest:
    """Parties, against all and an aggregate; valid = votes, cast = valid + invalid."""
    return Contest(
        id="list",
        names={"en": "List"},
        selections=(
            selection("P"),
            selection("Q"),
            selection("AGAINST", Role.AGAINST_ALL),
            selection("REST", Role.OTHER),
        ),
        accounting=Accounting(
            measures=("cast", "valid", "invalid"),
            cast="cast",
            share_base=("valid",),
            identities=(
                Identity(total="valid", parts=("selections",)),
                Identity(total="cast", parts=("valid", "invalid")),
            ),
        ),
        areas=areas,
        units=units,
        source="cec",
    )


def groups_contest(areas: Mapping[str, str | None], units: Mapping[str, str]) -> Contest:
    """Two candidates, counted by group: a unit has two returns."""
    return Contest(
        id="groups",
        names={"en": "Mayor"},
        selections=(selection("X", Role.CANDIDATE), selection("Y", Role.CANDIDATE)),
        accounting=Accounting(
            measures=("cast",), cast="cast", identities=(Identity(total="cast", parts=("selections",)),)
        ),
        areas=areas,
        units=units,
        source="cec",
        count_groups=("in_person", "advance"),
    )


def inside_contest(areas: Mapping[str, str | None], units: Mapping[str, str]) -> Contest:
    """Two lists with candidates whose votes are inside their list's."""
    return Contest(
        id="inside",
        names={"en": "Council"},
        selections=(
            selection("L1"),
            selection("L1a", Role.CANDIDATE, "L1"),
            selection("L1b", Role.CANDIDATE, "L1"),
            selection("L2"),
            selection("L2a", Role.CANDIDATE, "L2"),
        ),
        accounting=Accounting(
            measures=("valid",),
            cast="valid",
            share_base=("selections",),
            identities=(Identity(total="valid", parts=("selections",)),),
        ),
        areas=areas,
        units=units,
        source="cec",
    )


def election(levels: Levels = 2) -> Definition:
    """Three contests over a tree of 2 or 4 levels; units hang on leaf areas and on areas above them."""
    tree, places = _TREES[levels], _PLACES[levels]
    some = {unit: area for unit, area in places.items() if unit != "u2"}
    few = {unit: area for unit, area in places.items() if unit in ("u1", "u3", "u4")}

    def level(area: str) -> str:
        parent = tree[area]
        return _LEVEL_NAMES[0] if parent is None else _LEVEL_NAMES[_LEVEL_NAMES.index(level(parent)) + 1]

    return Definition(
        election=ELECTION,
        environment=Environment.TEST,
        names={"en": "Test"},
        date=date(2030, 3, 1),
        time_zones=("UTC",),
        languages=("en",),
        sources=(Source(id="cec", names={}, may_report=EVENTS), Source(id="press", names={}, may_report=("estimate",))),
        areas=tuple(Area(id=area, level=level(area), names={}) for area in tree),
        units=tuple(ReportingUnit(id=unit, registered=_REGISTERS[unit]) for unit in places),
        contests=(list_contest(tree, places), groups_contest(tree, some), inside_contest(tree, few)),
    )


EVENTS: Final = ("report", "amendment", "participation", "control", "declaration", "desk")


def plan_of(definition: Definition) -> Plan:
    """The definition compiled, at the start of its chain."""
    return Plan(definition, CHAIN)


def with_contest(definition: Definition, contest: Contest) -> Definition:
    """The definition with this contest in the place of the one of the same id."""
    contests = tuple(contest if item.id == contest.id else item for item in definition.contests)
    return replace(definition, contests=contests)


def with_rules(definition: Definition) -> Definition:
    """Lists under a threshold, a mayor by plurality, a council inside lists, and a house of two of them."""
    rules = {
        "list": Rule(method="hare", seats=7, law="", thresholds=(Threshold(share="1/5", base=("valid",)),)),
        "groups": Rule(method="plurality", seats=1, law=""),
        "inside": Rule(method="dhondt", seats=3, law=""),
    }
    for contest in definition.contests:
        definition = with_contest(definition, replace(contest, rule=rules[contest.id]))
    body = Body(id="house", names={}, seats=8, contests=("list", "groups"), majorities=(Majority(seats=5, names={}),))
    pool = VoterPool(id="all", registered=60, may_be_added=3, may_vote_away=2)
    units = tuple(replace(unit, pool="all") for unit in definition.units)
    return replace(definition, bodies=(body,), pools=(pool,), units=units)


Break = Literal[
    "source", "press", "unit", "contest", "election", "environment", "round", "definition", "group", "missing", "extra",
    "measure", "accounting", "parts",
]  # fmt: skip
BREAKS: Final[tuple[Break, ...]] = (
    "source", "press", "unit", "contest", "election", "environment", "round", "definition", "group", "missing", "extra",
    "measure", "accounting", "parts",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A report to be written for the definition in force: ``numbers`` are the votes of the choices without children."""

    contest: str
    unit: str
    version: int = 1
    numbers: tuple[int, ...] = (0,)
    invalid: int = 0
    kind: Literal["counted", "recount", "repeat", "correction", "retraction"] = "counted"
    disposition: Literal["counted", "held", "annulled", "not_opened", "cancelled"] = "counted"
    group: str | None = None
    registered: int | None = None
    parts: tuple[int, int] | None = None
    reason: str | None = None
    broken: Break | None = None
    released: str | None = None
    operators: tuple[str, ...] = ()

    @property
    def leaf(self) -> str:
        """Name of the unit's state."""
        return f"{self.contest}|{self.unit}" + (f"#{self.group}" if self.group else "")

    @property
    def key(self) -> bytes:
        """The record key."""
        return f"{self.contest}|{self.unit}".encode()

    def counts(self, contest: Contest) -> dict[str, int]:
        """Votes by selection, lists as the sums of their candidates."""
        parents = {item.parent for item in contest.selections}
        leaves = [item for item in contest.selections if item.id not in parents]
        found = {item.id: self.numbers[at % len(self.numbers)] for at, item in enumerate(leaves)}
        for item in contest.selections:
            if item.id in parents:
                found[item.id] = sum(found[child.id] for child in leaves if child.parent == item.id)
        return {item.id: found[item.id] for item in contest.selections}

    def event(self, definition: Definition) -> Report:
        """The wire event, sound unless ``broken`` says what is wrong with it."""
        contest = next(item for item in definition.contests if item.id == self.contest)
        counts = self.counts(contest)
        valid = sum(counts[item.id] for item in contest.selections if item.parent is None)
        ballots = dict.fromkeys(("cast",), valid + (self.invalid if "invalid" in contest.accounting.measures else 0))
        ballots |= {"valid": valid, "invalid": self.invalid}
        sound = Report(
            id=f"{self.leaf}@{self.version}",
            election=ELECTION,
            environment="test",
            source="cec",
            reported_at=CLOSED_AT + timedelta(minutes=self.version),
            contest=self.contest,
            unit=self.unit,
            version=self.version,
            counts=counts,
            ballots={name: ballots[name] for name in contest.accounting.measures},
            kind=self.kind,
            disposition=self.disposition,
            registered=self.registered,
            parts=None if self.parts is None else PartsIn(*self.parts),
            count_group=self.group,
            reason=self.reason,
            released=self.released,
            operators=self.operators,
        )
        return sound if self.broken is None else _broken(sound, self.broken)


def _broken(event: Report, how: Break) -> Report:
    """The report with one thing wrong."""
    first = next(iter(event.counts))
    changes: Mapping[str, object] = {
        "source": {"source": "nobody"},
        "press": {"source": "press"},
        "unit": {"unit": "ghost"},
        "contest": {"contest": "ghost"},
        "election": {"election": "other"},
        "environment": {"environment": "live"},
        "round": {"round": 9},
        "definition": {"definition": "f" * 64},
        "group": {"count_group": "nobody's"},
        "missing": {"counts": {name: n for name, n in event.counts.items() if name != first}},
        "extra": {"counts": {**event.counts, "ghost": 1}},
        "measure": {"ballots": {**event.ballots, "ghost": 1}},
        "accounting": {"counts": {**event.counts, first: event.counts[first] + 1}},
        "parts": {"parts": PartsIn(3, 2)},
    }[how]  # type: ignore[assignment]
    return msgspec.structs.replace(event, **changes)


@dataclass(frozen=True)
class Amend:
    """An amendment that continues whatever chain is in force."""

    changes: tuple[Change, ...]


Item = Sent | Amend
Outcome = Verdict | Refused | None


class Night:
    """Partitions of one election, fed by hand. ``stored`` is what a store would hold: only what ``take`` gave out."""

    def __init__(self, definition: Definition, partitions: int = 1, offset: int = 0) -> None:
        self.folds = [PartitionFold(plan_of(definition), number, partitions) for number in range(partitions)]
        self.stored: list[tuple[dict[str, State], Cells]] = [({}, {}) for _ in self.folds]
        self.fell: list[tuple[str, Mapping[str, tuple[int, int]]]] = []
        self._offset = offset

    @property
    def plan(self) -> Plan:
        """The definition in force."""
        return self.folds[0].plan

    def feed(self, item: Item) -> Outcome:
        """One event, in the partition where it belongs; an amendment in all of them."""
        self._offset += 1
        if isinstance(item, Amend):
            amendment = Amendment(id=f"a{self._offset}", previous=self.plan.chain, changes=item.changes)
            answers = [fold.amend(amendment, f"chain-{self._offset}") for fold in self.folds]
            assert len({answer is None for answer in answers}) == 1, "partitions disagree about an amendment"
            return answers[0]
        event = item.event(self.plan.definition)
        key = f"{event.contest}|{event.unit}".encode()
        return self.folds[partition_of(key, len(self.folds))].report(event, key, self._offset)

    def take(self) -> None:
        """Give every partition's changes to its store."""
        for fold, (units, cells) in zip(self.folds, self.stored, strict=True):
            changes = fold.take()
            units.update(changes.units)
            cells.update(changes.cells)
            self.fell += [(decrease.leaf.name, decrease.fell) for decrease in changes.decreases]

    def units(self) -> dict[str, State]:
        """Newest states of all partitions."""
        return {name: state for fold in self.folds for name, state in fold.units().items()}

    def cells(self) -> Cells:
        """Totals summed over the partitions, without areas in which nothing was ever counted."""
        return summed([fold.cells() for fold in self.folds])


def summed(parts: Sequence[Mapping[tuple[str, str], Row]]) -> Cells:
    """Cells of several partitions added up by plain loops; rows of zeros left out."""
    sums: dict[tuple[str, str], list[int]] = {}
    for part in parts:
        for place, row in part.items():
            at = sums.setdefault(place, [])
            at.extend([0] * (len(row) - len(at)))
            for column, value in enumerate(row):
                at[column] += value
    return stripped(sums)


def stripped(cells: Mapping[tuple[str, str], Sequence[int]]) -> Cells:
    """Cells without trailing zeros, and without those that hold nothing: a row may be written before a column was added."""
    made: Cells = {}
    for place, row in cells.items():
        end = max((at for at, value in enumerate(row, 1) if value), default=0)
        if end:
            made[place] = tuple(row[:end])
    return made
