"""How many planted faults the plausibility rules find: ``python -m tests.bench.planted RECORDING ...`` (docs/plausibility.md).

In every unit of a recorded night one fault at a time is planted as the unit's next version, every figure adding up: all of it
loaded twice, a digit too many in the largest figure, as many votes again for one selection, everything 0.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tallyroom.cli.board import Board
from tallyroom.cli.common import load_election
from tallyroom.recordings.format import open_recording
from tallyroom.tabulation.doubts import doubts
from tallyroom.tabulation.plan import ContestPlan, Figures, Leaf
from tallyroom.tabulation.supersede import CONTENT, FIGURES, State, is_ordinary, split

Fault = Callable[[ContestPlan, Figures, random.Random], Figures]


def twice(_: ContestPlan, figures: Figures, __: random.Random) -> Figures:
    """The same sheets loaded again."""
    return tuple(2 * figure for figure in figures)


def digit(contest: ContestPlan, figures: Figures, chance: random.Random) -> Figures:
    """The largest figure with a digit too many at its end."""
    votes = {name: figures[contest.figures.index(name)] for name in contest.summed}
    name = max(votes, key=lambda item: votes[item])
    return raised(contest, figures, name, 9 * votes[name] + chance.randrange(10))


def stuffed(contest: ContestPlan, figures: Figures, chance: random.Random) -> Figures:
    """Half as many votes as there were in all, for one selection more."""
    total = sum(figures[contest.figures.index(name)] for name in contest.summed)
    return raised(contest, figures, chance.choice(contest.summed), total // 2)


def emptied(_: ContestPlan, figures: Figures, __: random.Random) -> Figures:
    """Nothing any more."""
    return (0,) * len(figures)


FAULTS: Final[Mapping[str, Fault]] = {
    "twice": twice, "a digit too many": digit, "half as much for one": stuffed, "nothing": emptied,
}  # fmt: skip


def raised(contest: ContestPlan, figures: Figures, selection: str, by: int) -> Figures:
    """So many votes more for a selection, and for one of the candidates inside it, with every sum that holds them."""
    more = list(figures)
    child = next((item.id for item in contest.contest.selections if item.parent == selection), None)
    for name in (selection, child, "valid", "cast"):
        if name in contest.figures:
            more[contest.figures.index(name)] += by
    return tuple(more)


def found(leaf: Leaf, state: State, fault: Fault, chance: random.Random) -> bool:
    """Whether the fault, as the unit's next version, would be flagged for something that the real figures are not."""
    contest, (_, before) = leaf.plan, split(leaf, state)
    now = fault(contest, before, chance)
    planted = (state[0] + 1, *state[1:FIGURES], *now)
    known = {flagged.code for flagged in doubts(leaf, (None, before), state, None, False)}
    return any(flagged.code not in known for flagged in doubts(leaf, (before, now), planted, None, False))


async def states(recording: str) -> list[tuple[Leaf, State]]:
    """Units of the night that are counted and have at least a hundred votes, with their leaves."""
    board = await Board.open(*load_election(recording))
    await board.feed(open_recording(recording).events())
    plan = board.fold.plan
    units = [(plan.leaf_named(name), state) for name, state in board.fold.units().items()]
    return [
        (leaf, state)
        for leaf, state in units
        if is_ordinary(state[CONTENT]) and votes(leaf, state) >= leaf.plan.rules.settings.minimum
    ]


def votes(leaf: Leaf, state: State) -> int:
    """Votes of the unit."""
    figures = split(leaf, state)[1]
    return sum(figures[leaf.plan.figures.index(name)] for name in leaf.plan.summed)


def shares(recording: str, seed: int = 1) -> Iterator[tuple[str, int, int]]:
    """Fault, how many of them are flagged, in how many units."""
    chance, units, hits = random.Random(seed), asyncio.run(states(recording)), Counter[str]()
    for leaf, state in units:
        for name, fault in FAULTS.items():
            hits[name] += found(leaf, state, fault, chance)
    for name in FAULTS:
        yield name, hits[name], len(units)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        for what, number, of in shares(argument):
            print(f"{argument}  {what}: {number:,} of {of:,} found")
