"""What a definition says of each area before anything is reported: units expected and the register behind them."""

from collections import defaultdict
from dataclasses import dataclass

from tallyroom.domain.election import Closure
from tallyroom.tabulation.plan import ContestPlan, Plan


@dataclass(frozen=True, slots=True)
class Expectation:
    """Per area: units that are expected to report (closed ones are not), their register, and units without one."""

    units: int = 0
    registered: int = 0
    without_register: int = 0


def expectations(plan: Plan, contest: ContestPlan) -> dict[str, Expectation]:
    """Expectation of every area of the contest. A contest that counts by group expects one return per unit and group."""
    units: dict[str, int] = defaultdict(int)
    registered: dict[str, int] = defaultdict(int)
    without: dict[str, int] = defaultdict(int)
    groups = max(1, len(contest.contest.count_groups))
    for unit, area in contest.contest.units.items():
        closure = contest.contest.closed_units.get(unit)
        register = plan.units[unit].registered
        units[area] += 0 if closure else groups
        registered[area] += (register or 0) if closure is not Closure.MERGED else 0
        without[area] += 1 if register is None and closure is None else 0
    return {
        area: Expectation(
            units=_below(contest, area, units),
            registered=_below(contest, area, registered),
            without_register=_below(contest, area, without),
        )
        for area in contest.contest.areas
    }


def _below(contest: ContestPlan, area: str, values: dict[str, int]) -> int:
    """Sum over the area and everything under it."""
    return values.get(area, 0) + sum(_below(contest, child, values) for child in contest.children.get(area, ()))
