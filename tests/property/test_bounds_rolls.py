"""Nights with units that have no roll, voter by voter: no more ballots come than was stated. Seeds name the cases.

What the definition says is true here: how many voters the pool has, how many are added, how many ballots turn up elsewhere than at
their voter's own unit. Where nobody wrote down a roll, there may be one all the same, or none at all.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import pytest

from tallyroom.domain.election import Definition, ReportingUnit, VoterPool
from tallyroom.domain.events import CloseUnit, MergeUnits, ReregisterUnit
from tallyroom.results.facts import Facts
from tallyroom.results.outcome.outstanding import PoolsOf
from tallyroom.results.register import expectations
from tallyroom.tabulation.rows import widened
from tests.support.elections import Amend, Item, Night, Sent, election, list_contest

AREAS: Final = {"R": None, "A": "R", "B": "R"}
Disposition = Literal["counted", "held", "annulled", "not_opened", "cancelled"]


@dataclass
class World:
    """A made-up night. ``rolls``: true voters of each unit; ``known``: those that the definition gives; ``final``: ballots."""

    chance: random.Random
    rolls: list[int] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    final: list[int] = field(default_factory=list)
    ends: list[Disposition] = field(default_factory=list)
    pool: VoterPool = field(default_factory=lambda: VoterPool(id="p"))

    @classmethod
    def drawn(cls, chance: random.Random) -> "World":
        """Voters first, then who of them votes, and where."""
        many = chance.randint(2, 6)
        known = [chance.random() < 0.6 for _ in range(many)]
        rolls = [
            chance.choice((0, 1, 3, chance.randint(0, 9))) if given or chance.random() < 0.4 else 0 for given in known
        ]
        at_home = [chance.choice((0, roll, chance.randint(0, roll))) for roll in rolls]
        added, away = chance.randint(0, 3), chance.randint(0, 4)
        elsewhere = [unit for unit, given in enumerate(known) if not given] or list(range(many))
        stay = [unit for unit in range(many) for _ in range(rolls[unit] - at_home[unit])]
        final = list(at_home)
        for home in chance.sample(stay, min(len(stay), chance.randint(0, away))):
            final[chance.choice([unit for unit in (*elsewhere, *range(many)) if unit != home])] += 1
        for _ in range(chance.randint(0, added)):
            final[chance.choice(elsewhere)] += 1
        listed = sum(rolls) + chance.choice((0, 0, 2))
        pool = VoterPool(
            id="p",
            registered=chance.choice((listed, listed, listed, None)),
            may_be_added=added,
            may_vote_away=away,
        )
        usual: tuple[Disposition, ...] = ("counted",) * 6
        ends = [chance.choice((*usual, "annulled", "not_opened")) for _ in rolls]
        return cls(chance, rolls, known, final, ends, pool)

    def definition(self) -> Definition:
        """Units u0, u1 ... in two areas and above them."""
        places = {f"u{unit}": self.chance.choice(("A", "B", "R")) for unit in range(len(self.rolls))}
        units = tuple(
            ReportingUnit(id=f"u{unit}", registered=roll if given else None, pool="p")
            for unit, (roll, given) in enumerate(zip(self.rolls, self.known, strict=True))
        )
        contest = list_contest(AREAS, places)
        return replace(election(2), units=units, pools=(self.pool,), contests=(contest,))

    def sent(
        self, unit: int, version: int, ballots: int, disposition: Disposition, parts: tuple[int, int] | None
    ) -> Sent:
        """A report. Units without a roll name a register now and then, as they please."""
        named = self.chance.choice((None, self.chance.randint(0, 4)))
        register = self.rolls[unit] if self.known[unit] else named
        return Sent(
            "list", f"u{unit}", version, (ballots, 0, 0, 0), disposition=disposition, parts=parts,
            registered=self.chance.choice((None, register)),
        )  # fmt: skip

    def story(self, unit: int) -> Iterator[Item]:
        """What the unit says, one after the other: held or in part at first, taken back maybe, then the end."""
        chance, version = self.chance, 1
        if chance.random() < 0.3:
            yield self.sent(unit, version, chance.randint(0, 9), "held", None)
            version += 1
        if chance.random() < 0.4 and self.ends[unit] == "counted":
            yield self.sent(unit, version, chance.randint(0, self.final[unit]), "counted", (1, 2))
            version += 1
            if chance.random() < 0.3:
                yield replace(self.sent(unit, version, 0, "counted", None), kind="retraction")
                version += 1
        ballots = 0 if self.ends[unit] == "not_opened" else self.final[unit]
        yield self.sent(unit, version, ballots, self.ends[unit], None)

    def items(self) -> list[Item]:
        """All of it, units in any order among each other, with what amendments may do to the rolls."""
        stories = {unit: list(self.story(unit)) for unit in range(len(self.rolls))}
        change = self.amended(stories)
        order = [unit for unit, story in stories.items() for _ in story]
        self.chance.shuffle(order)
        items = [stories[unit].pop(0) for unit in order]
        if change is not None:
            items.insert(self.chance.randint(0, len(items)), change)
        return items

    def amended(self, stories: dict[int, list[Item]]) -> Amend | None:
        """A unit closes before it says anything, and its voters go to another one, whose roll they are written into."""
        given = [unit for unit, known in enumerate(self.known) if known]
        if len(given) < 2 or self.chance.random() < 0.6:
            return None
        closed, heir = self.chance.sample(given, 2)
        heard = len(stories[heir]) - 1
        self.final[heir] += self.final[closed]
        stories[closed] = []
        last = stories[heir][heard]
        assert isinstance(last, Sent)
        if self.ends[heir] != "not_opened":
            stories[heir][heard] = replace(last, numbers=(self.final[heir], 0, 0, 0))
        stories[heir] = [replace(item, registered=None) for item in stories[heir] if isinstance(item, Sent)]
        if self.chance.random() < 0.5:
            return Amend((MergeUnits(units=(f"u{closed}",), into=f"u{heir}"),))
        both = self.rolls[closed] + self.rolls[heir]
        return Amend((CloseUnit(unit=f"u{closed}"), ReregisterUnit(unit=f"u{heir}", registered=both)))


def counted(night: Night, area: str) -> int:
    """Ballots in the totals of the area."""
    contest = night.plan.contests["list"]
    row = widened(night.cells().get(("list", area), ()), contest.width)
    return row[contest.column("cast")]


def levels(night: Night, area: str) -> int | None:
    """The bound by register."""
    contest = night.plan.contests["list"]
    totals = {place: widened(row, contest.width) for place, row in night.cells().items()}
    pools = PoolsOf(night.plan, contest, expectations(night.plan, contest))
    return pools.levels(area, Facts(totals=totals), {}).bound.register


def check(chance: random.Random) -> tuple[int, int]:
    """One night; how often something was stated while a unit without a roll was still out, and how often nothing was."""
    world = World.drawn(chance)
    night, items = Night(world.definition()), world.items()
    stops: list[tuple[dict[str, int], dict[str, int | None]]] = []
    stated = silent = 0
    for item in (None, *items):
        outcome = night.feed(item) if item is not None else None
        assert not isinstance(outcome, tuple), (item, outcome)
        stops.append(({area: counted(night, area) for area in AREAS}, {area: levels(night, area) for area in AREAS}))
        out = not all(world.known)
        stated += out and stops[-1][1]["R"] is not None
        silent += out and stops[-1][1]["R"] is None
    end = stops[-1][0]
    moved = next((number for number, item in enumerate(items, 1) if isinstance(item, Amend)), 0)
    for number, (now, bounds) in enumerate(stops):
        for area, bound in bounds.items():
            if number < moved and area != "R":
                continue  # an amendment may bring voters from another area; the whole has the same before and after
            assert bound is None or end[area] - now[area] <= bound, (world, items, number, area, now, end, bound)
    assert stops[-1][1] == dict.fromkeys(AREAS, 0), "with the last unit nothing is out"
    return stated, silent


@pytest.mark.parametrize(("seed", "cases"), [(1, 400), pytest.param(2023, 6_000, marks=pytest.mark.slow)])
def test_no_more_ballots_come_than_was_stated_where_units_have_no_roll(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    found = [check(chance) for _ in range(cases)]
    assert sum(stated for stated, _ in found) > cases, "and something was stated"
    assert sum(silent for _, silent in found) > cases // 4, "and where nobody can know, nothing"


def pooled(registered: int | None, *rolls: int | None) -> Night:
    """Units u0, u1 ... in area A, with these rolls; one voter may be added, two ballots may turn up elsewhere."""
    units = tuple(ReportingUnit(id=f"u{unit}", registered=roll, pool="p") for unit, roll in enumerate(rolls))
    contest = list_contest(AREAS, {unit.id: "A" for unit in units})
    pool = VoterPool(id="p", registered=registered, may_be_added=1, may_vote_away=2)
    return Night(replace(election(2), units=units, pools=(pool,), contests=(contest,)))


def report(unit: str, ballots: int, version: int = 1, parts: tuple[int, int] | None = None) -> Sent:
    """So many ballots."""
    return Sent("list", unit, version, (ballots, 0, 0, 0), parts=parts)


def test_units_without_a_roll_have_the_voters_that_no_roll_names() -> None:
    """u2 may have the five of 35 that are on no roll, and whoever is added or votes elsewhere."""
    night = pooled(35, 10, 20, None)
    assert levels(night, "R") == 35 + 1, "by the pool's register: 30 + 5 + 3 are more"
    night.feed(report("u0", 4))
    assert levels(night, "R") == 20 + 5 + 3
    night.feed(replace(report("u2", 1, parts=(1, 2)), registered=1))
    assert levels(night, "R") == 20 + 5 + 3, "a first part bounds nothing, whatever register it names"
    night.feed(report("u2", 6, version=2))
    assert levels(night, "R") == 20 + 3, "it is settled"
    assert levels(night, "B") == 0


def test_where_nobody_knows_the_pools_register_the_room_waits_for_units_without_a_roll() -> None:
    night = pooled(None, 10, 20, None)
    night.feed(report("u0", 4))
    assert levels(night, "R") is None
    night.feed(replace(report("u2", 0), disposition="not_opened"))
    assert levels(night, "R") == 20 + 3


def test_rolls_that_hold_more_than_the_pool_say_nothing_of_units_without_one() -> None:
    night = pooled(29, 10, 20, None)
    night.feed(report("u0", 4))
    assert levels(night, "R") == 29 + 1 - 4, "the pool's register alone"
    night.feed(report("u2", 1))
    assert levels(night, "R") == 20 + 3, "with every open unit on a roll, the rolls say how many may come"


def test_voters_of_a_closed_unit_are_not_taken_for_two() -> None:
    """Six of u0 stand on the roll of u1 after it was closed. Ten of 60 are on none: they may all come to u3."""
    night = pooled(60, 10, 20, 20, None)
    night.feed(report("u0", 4))
    night.feed(report("u2", 5))
    assert levels(night, "R") == 20 + 10 + 3
    night.feed(Amend((CloseUnit(unit="u0"), ReregisterUnit(unit="u1", registered=26))))
    bound = levels(night, "R")
    assert bound is not None
    assert bound >= 26 + 10 + 3
    assert bound == 26 + (60 - 26 - 20) + 3, "the closed unit's ten count as on no roll: too many, never too few"
