"""Totals recomputed from nothing: from the newest state of every unit, without any of the incremental sums."""

from collections.abc import Mapping

from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Row
from tallyroom.tabulation.supersede import State, contribution


def tabulate(plan: Plan, units: Mapping[str, State]) -> dict[tuple[str, str], Row]:
    """Cells by (contest, area) for these unit states by leaf name. Areas in which nothing was reported have no cell."""
    sums: dict[tuple[str, str], list[int]] = {}
    for name, state in units.items():
        leaf = plan.leaf_named(name)
        contest = leaf.plan
        row = contribution(leaf, state)
        for area in contest.ancestry(leaf.area):
            cell = sums.setdefault((contest.id, area), [0] * contest.width)
            for column, value in enumerate(row):
                cell[column] += value
    return {place: tuple(cell) for place, cell in sums.items()}
