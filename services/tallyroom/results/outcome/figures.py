"""A row of totals as the figures that a rule is about: votes of selections that compete with each other, measures, register."""

from tallyroom.apportionment.model import Figures
from tallyroom.domain.checks import REGISTERED
from tallyroom.results.register import Expectation
from tallyroom.tabulation.plan import ContestPlan
from tallyroom.tabulation.rows import Column, Row


def figures_of(contest: ContestPlan, row: Row, expected: Expectation) -> Figures:
    """Votes of lists (not of the candidates inside them), every measure, and ``registered`` where the register is known."""
    measures = {name: row[contest.column(name)] for name in contest.measures}
    if not expected.without_register:
        measures[REGISTERED] = expected.registered + row[Column.REGISTERED_CHANGE]
    return Figures(votes={name: row[contest.column(name)] for name in contest.summed}, measures=measures)


def ballots_in(contest: ContestPlan, row: Row) -> int:
    """Ballots in the totals. A lower bound where the contest has no figure for ballots cast: then every O is only larger."""
    if contest.cast_at is not None:
        return row[contest.column(contest.measures[contest.cast_at])]
    votes = sum(row[contest.column(name)] for name in contest.summed)
    return votes // contest.contest.accounting.marks_per_ballot
