"""A definition compiled for tabulation: per contest the row's shape and checks, per unit where its counts go."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Final

from tallyroom.domain.checks import SELECTIONS
from tallyroom.domain.election import (
    CandidateVotes,
    Closure,
    Contest,
    Definition,
    Identity,
    Relation,
    ReportingUnit,
    Role,
    SelectionStatus,
    Severity,
    Signatures,
)
from tallyroom.tabulation.plausible import Rules
from tallyroom.tabulation.rows import COUNTERS, Row, complete, picked

Figures = tuple[int, ...]
"""A report's figures: the contest's measures, then its selections, in the definition's order."""

INVALID: Final = "invalid"
"""As ``counts_as`` of a withdrawn selection: its votes become invalid ballots."""


def picker(names: tuple[str, ...]) -> Callable[[Mapping[str, int]], Figures]:
    """A function that takes the values of these names as a tuple and raises KeyError for a missing one."""
    if not names:
        return lambda values: ()
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return itemgetter(*names)


@dataclass(slots=True)
class Leaf:
    """One (contest, unit, count group): who may report it and where its counts go. Never changed once made.

    Not frozen: a night makes one for every unit that reports, and a frozen one takes three times as long to make.
    """

    plan: "ContestPlan"
    unit: str
    group: str | None
    area: str
    source: str
    registered: int | None
    closure: Closure | None
    complete: Row = field(repr=False)  # the counters of the ordinary case: counted, all parts in, register unchanged
    plain: bool = True  # neither closed nor with votes that count as something else
    most_cast: int = 0  # ballots cast above which the unit is over its register
    compared: bool = False  # with its previous result

    @property
    def secondary(self) -> bool:
        """Whether the unit's voters are counted with another leaf: a unit's first group carries its register."""
        return self.group is not None and self.group != self.plan.contest.count_groups[0]

    @property
    def name(self) -> str:
        """The leaf's name in the store: contest|unit, with #group where the contest counts by group."""
        return f"{self.plan.id}|{self.unit}" + (f"#{self.group}" if self.group else "")


class ContestPlan:
    """A contest compiled: its columns, getters, accounting checks and area tree."""

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.id = contest.id
        self.measures = contest.accounting.measures
        self.selections = tuple(selection.id for selection in contest.selections)
        self.figures = (*self.measures, *self.selections)
        self.length = len(self.figures)
        self.width = COUNTERS + self.length
        self._columns = {name: COUNTERS + index for index, name in enumerate(self.figures)}
        self.expected_keys = frozenset(self.selections)
        self.pick_measures = picker(self.measures)
        self.pick_counts = picker(self.selections)
        self.cast_at = self.measures.index(contest.accounting.cast) if contest.accounting.cast else None
        self.over_register_is_error = contest.accounting.cast_over_registered is Severity.ERROR
        self.reassigned = tuple(self._reassigned())
        self.rules = Rules(self)

    def column(self, figure: str) -> int:
        """Column of a measure or selection within a row."""
        return self._columns[figure]

    def denominator(self, row: Row) -> int:
        """What shares are shares of, in votes or ballots, as the contest's accounting names it."""
        return sum(row[COUNTERS + at] for at in self._share_base)

    @cached_property
    def _share_base(self) -> tuple[int, ...]:
        return self._positions(self.contest.accounting.share_base)

    @cached_property
    def summed(self) -> tuple[str, ...]:
        """Selections whose counts add up to all votes: not candidates whose votes are inside their list's."""
        if self.contest.accounting.candidate_votes is CandidateVotes.BESIDE:
            return self.selections
        return tuple(selection.id for selection in self.contest.selections if selection.parent is None)

    @cached_property
    def standing(self) -> tuple[tuple[int, str], ...]:
        """Column and id of those who can lead: parties and candidates that still stand, not those inside a list."""
        return tuple(
            (self.column(selection.id), selection.id)
            for selection in self.contest.selections
            if selection.role in (Role.PARTY, Role.CANDIDATE)
            and selection.status is SelectionStatus.ACTIVE
            and selection.parent is None
        )

    @cached_property
    def checks(self) -> tuple[Callable[[Figures], str | None], ...]:
        """The accounting identities; each gives None or what does not add up."""
        found = [self._check(identity) for identity in self.contest.accounting.identities]
        if self.contest.accounting.candidate_votes is CandidateVotes.INSIDE:
            found += [self._inside(parent) for parent in self.selections if self._children(parent)]
        return tuple(found)

    @cached_property
    def adds_up(self) -> Callable[[Figures], bool]:
        """Whether none of the checks has anything to say: one call for the usual identities, whose parts are neighbours."""
        found = [self._neighbours(identity) for identity in self.contest.accounting.identities]
        sums, checks = tuple(item for item in found if item is not None), self.checks
        if len(sums) < len(checks) or self.contest.accounting.marks_per_ballot > 1:
            return lambda figures: all(check(figures) is None for check in checks)

        def adds_up(figures: Figures) -> bool:
            for at, first, last, exact in sums:
                rest = figures[at] - sum(figures[first:last])
                if rest and (exact or rest < 0):
                    return False
            return True

        return adds_up

    @cached_property
    def children(self) -> Mapping[str | None, tuple[str, ...]]:
        """Area -> its child areas in the definition's order; None -> the root."""
        found: dict[str | None, list[str]] = {}
        for area, parent in self.contest.areas.items():
            found.setdefault(parent, []).append(area)
        return {parent: tuple(areas) for parent, areas in found.items()}

    @property
    def root(self) -> str:
        """The contest's root area."""
        return self.children[None][0]

    def ancestry(self, area: str) -> Iterator[str]:
        """The area and every area above it."""
        at: str | None = area
        while at is not None:
            yield at
            at = self.contest.areas[at]

    def within(self, area: str) -> Iterator[str]:
        """The area and every area below it."""
        yield area
        for child in self.children.get(area, ()):
            yield from self.within(child)

    def _children(self, parent: str) -> tuple[str, ...]:
        return tuple(selection.id for selection in self.contest.selections if selection.parent == parent)

    def _positions(self, names: tuple[str, ...]) -> tuple[int, ...]:
        wanted = [part for name in names for part in (self.summed if name == SELECTIONS else (name,))]
        return tuple(self.figures.index(name) for name in wanted)

    def _check(self, identity: Identity) -> Callable[[Figures], str | None]:
        """One identity as a function; with several marks a ballot, votes may reach marks x ballots."""
        marks = self.contest.accounting.marks_per_ballot
        several = marks > 1 and identity.parts == (SELECTIONS,)
        exact = identity.relation is Relation.EQUAL and not several
        factor = marks if several else 1
        at = self.figures.index(identity.total)
        sum_of = summer(self._positions(identity.parts))
        sign = "=" if exact else ">="

        def check(figures: Figures) -> str | None:
            total, parts = factor * figures[at], sum_of(figures)
            if total == parts or (not exact and total > parts):
                return None
            scale = f"{factor} x " if several else ""
            return f"{scale}{identity.total} {total} {sign} {' + '.join(identity.parts)} {parts} does not hold"

        return check

    def _neighbours(self, identity: Identity) -> tuple[int, int, int, bool] | None:
        """Where the total is, where its parts begin and end, and whether they are equal; None: the parts do not stand together."""
        positions = self._positions(identity.parts)
        first, last = positions[0], positions[-1] + 1
        if positions != tuple(range(first, last)):
            return None
        return self.figures.index(identity.total), first, last, identity.relation is Relation.EQUAL

    def _inside(self, parent: str) -> Callable[[Figures], str | None]:
        at = self.figures.index(parent)
        votes_of = summer(tuple(self.figures.index(child) for child in self._children(parent)))

        def check(figures: Figures) -> str | None:
            candidates = votes_of(figures)
            if candidates == figures[at]:
                return None
            return f"candidates of {parent} have {candidates} votes, the list {figures[at]}"

        return check

    def _reassigned(self) -> Iterator[tuple[int, int | None]]:
        """(column of a withdrawn selection, column that inherits its votes; None: they become invalid ballots)."""
        counts_as = {selection.id: selection.counts_as for selection in self.contest.selections}
        for name, heir in counts_as.items():
            while heir is not None and heir != INVALID and counts_as[heir] is not None:
                heir = counts_as[heir]  # an heir that withdrew too; `problems` refuses circles
            if heir is not None:
                yield self.column(name), None if heir == INVALID else self.column(heir)


def summer(positions: tuple[int, ...]) -> Callable[[Figures], int]:
    """A function that sums the values at these positions."""
    pick = picked(positions)
    return lambda values: sum(pick(values))


class Plan:
    """A definition compiled, with the chain hash that it has reached."""

    def __init__(self, definition: Definition, chain: str, earlier: frozenset[str] = frozenset()) -> None:
        self.definition = definition
        self.chain = chain
        self.chains = earlier | {chain}
        self.election = definition.election
        self.environment = str(definition.environment)
        self.contests = {contest.id: ContestPlan(contest) for contest in definition.contests}
        self.units: Mapping[str, ReportingUnit] = {unit.id: unit for unit in definition.units}
        self.areas = {area.id: area for area in definition.areas}
        self.persons = definition.persons
        self.may_report = {source.id: frozenset(source.may_report) for source in definition.sources}
        self.operators = {operator.id: operator for operator in definition.operators}
        self.signed = definition.signatures is Signatures.REQUIRED
        self.keys = {source.id: {key.id: key for key in source.keys} for source in definition.sources}

    def leaf_named(self, name: str) -> Leaf:
        """The leaf by its name in the store (`Leaf.name`). Raises KeyError for one that the definition does not know."""
        contest_id, _, unit = name.partition("|")
        contest = self.contests[contest_id]
        group = None
        if contest.contest.count_groups:
            unit, _, group = unit.rpartition("#")
        leaf = self.leaf(contest, unit, group)
        if leaf is None:
            raise KeyError(name)
        return leaf

    def leaf(self, contest: ContestPlan, unit: str, group: str | None = None) -> Leaf | None:
        """The leaf of a unit in a contest; None if the contest does not expect this unit."""
        area = contest.contest.units.get(unit)
        if area is None:
            return None
        registered = self.units[unit].registered
        if group is not None and group != contest.contest.count_groups[0]:
            registered = 0  # the unit's voters are counted once, with its first group
        return Leaf(
            plan=contest,
            unit=unit,
            group=group,
            area=area,
            source=contest.contest.unit_sources.get(unit, contest.contest.source),
            registered=registered,
            closure=contest.contest.closed_units.get(unit),
            complete=complete(registered),
            plain=unit not in contest.contest.closed_units and not contest.reassigned,
            most_cast=contest.rules.most_cast(registered, group),
            compared=contest.rules.watches(unit),
        )
