"""Totals of the small elections by other ways than the running sums: recounted, and by plain loops over the reports."""

from collections.abc import Mapping

from tallyroom.domain.election import Definition
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import COUNTERS, widened
from tallyroom.tabulation.supersede import State
from tallyroom.tabulation.tabulate import tabulate
from tests.support.elections import Cells, Item, Night, Sent, stripped


def recomputed(plan: Plan, units: Mapping[str, State]) -> Cells:
    """All cells from nothing."""
    return stripped(tabulate(plan, units))


def fed(definition: Definition, history: list[Item], partitions: int = 1) -> Night:
    """A night that was fed all of it."""
    night = Night(definition, partitions)
    for item in history:
        night.feed(item)
    return night


def oracle(definition: Definition, reports: list[Sent]) -> dict[tuple[str, str], dict[str, int]]:
    """Votes by contest and area from the newest version of every leaf, without any of the code under test."""
    newest: dict[str, Sent] = {}
    for item in reports:
        if item.leaf not in newest or newest[item.leaf].version < item.version:
            newest[item.leaf] = item
    made: dict[tuple[str, str], dict[str, int]] = {}
    for item in newest.values():
        contest = next(c for c in definition.contests if c.id == item.contest)
        if item.disposition != "counted" or item.kind == "retraction":
            continue
        area: str | None = contest.units[item.unit]
        while area is not None:
            votes = made.setdefault((contest.id, area), {})
            for name, number in item.counts(contest).items():
                votes[name] = votes.get(name, 0) + number
            area = contest.areas[area]
    return {place: {name: n for name, n in votes.items() if n} for place, votes in made.items() if any(votes.values())}


def votes_of(night: Night) -> dict[tuple[str, str], dict[str, int]]:
    """The night's votes by contest and area, as the oracle writes them."""
    made: dict[tuple[str, str], dict[str, int]] = {}
    for place, row in night.cells().items():
        plan = night.plan.contests[place[0]]
        votes = widened(row, plan.width)[COUNTERS + len(plan.measures) :]
        shown = {name: n for name, n in zip(plan.selections, votes, strict=True) if n}
        if shown:
            made[place] = shown
    return made
