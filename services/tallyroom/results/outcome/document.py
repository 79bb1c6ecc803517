"""A contest's outcome: what its rule makes of the totals, and what outstanding ballots and corrections can still change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import Area, LotsRequired, Outcome, Problem, RuleError, certain
from tallyroom.apportionment.rules import problem_of
from tallyroom.domain.election import Rule, Scope
from tallyroom.results.facts import Facts
from tallyroom.results.outcome.conditions import Ballot, Out, condition_documents, joined, prospect
from tallyroom.results.outcome.figures import figures_of
from tallyroom.results.outcome.majority import majority_seats, majority_winner, runoff_document, with_half
from tallyroom.results.outcome.outstanding import Issued, Levels, PoolsOf
from tallyroom.results.outcome.seats import Seat, seats_of, unfilled
from tallyroom.results.outcome.thresholds import threshold_document
from tallyroom.results.outcome.winner import winner_document
from tallyroom.results.register import Expectation
from tallyroom.tabulation.plan import ContestPlan, Plan

DISTRICT: Final = frozenset({"plurality", "majority"})
"""Methods with a single winner where there is one seat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestOutcome:
    """What a contest's document and the bodies that it belongs to show. ``seats``: by selection, empty without a rule."""

    outstanding: Levels
    seats: Mapping[str, Seat] = field(default_factory=dict)
    lots: LotsRequired | None = None
    problem: Problem | None = None
    made: Outcome | None = None  # the rule with its figures, for bodies in which lists make up for districts
    apportionment: Mapping[str, Any] | None = None
    winner: Mapping[str, Any] | None = None

    def members(self) -> dict[str, Any]:
        """Members of the contest's document."""
        bound = self.outstanding.bound
        return {
            "outstanding": {
                "register": bound.register,
                "issued": bound.issued if self.outstanding.declared else None,
                "expected": self.outstanding.expected,
                "contradicted": list(bound.contradicted),
            },
            "apportionment": self.apportionment,
            "winner": self.winner,
        }


class Outcomes:
    """Makes the outcome of one contest; keeps what its definition says once and for all."""

    def __init__(self, plan: Plan, contest: ContestPlan, expected: Mapping[str, Expectation]) -> None:
        self._plan = plan
        self._contest = contest
        self._expected = expected
        self._pools = PoolsOf(plan, contest, expected)
        self._whole = plan.definition.scope is Scope.WHOLE
        added = [pool.may_be_added for pool in plan.definition.pools]
        known = [voters for voters in added if voters is not None]
        self._ballot = Ballot(
            marks=contest.contest.accounting.marks_per_ballot,
            may_be_added=sum(known) if known and len(known) == len(added) else None,
        )

    def outcome(self, facts: Facts, issued: Issued) -> ContestOutcome:
        """The outcome as the facts stand, with the bulletins of them (`issued_by_area`).

        A rule that cannot be computed is shown as such: it must not stop the counts.
        """
        found: dict[str | None, Levels] = {None: self._pools.levels(self._contest.root, facts, issued)}

        def out(area: str | None) -> int | None:
            if area not in found:
                found[area] = self._pools.levels(area or self._contest.root, facts, issued)
            return found[area].best

        rule = self._contest.contest.rule
        if rule is None:
            return ContestOutcome(outstanding=found[None])
        try:
            problem = self._problem(rule, facts)
            if problem is None:
                return ContestOutcome(outstanding=found[None], apportionment={"rule": _rule(rule)})
            return self._by_rule(rule, problem, found[None], out)
        except RuleError as error:
            shown = {"rule": _rule(rule), "error": error.what}
            return ContestOutcome(outstanding=found[None], apportionment=shown)

    def _by_rule(self, rule: Rule, problem: Problem, levels: Levels, out: Out) -> ContestOutcome:
        race = self._winner(problem, levels, out) if rule.method in DISTRICT and problem.seats == 1 else None
        if not self._whole:
            return ContestOutcome(outstanding=levels, winner=race)
        made = apportion(problem)
        lots = made if isinstance(made, LotsRequired) else None
        seats = {} if rule.method == "referendum" else self._seats(rule, problem, made, out)
        shown = {
            "rule": _rule(rule),
            "bounded_by": levels.by,
            "seats": {name: _seat(seat) for name, seat in seats.items()},
            "unfilled": unfilled(made),
            "lots_required": None if lots is None else _lots(lots),
            **self._thresholds(problem, levels),
            **self._conditions(problem, made, out),
            **_areas(made),
        }
        return ContestOutcome(
            outstanding=levels, seats=seats, lots=lots, problem=problem, made=made, apportionment=shown, winner=race
        )

    def _problem(self, rule: Rule, facts: Facts) -> Problem | None:
        """The rule with the figures of the whole and of every area that it or its conditions name."""
        contest = self._contest
        root = figures_of(contest, self._row(contest.root, facts), self._expected[contest.root])
        levels = {condition.level for condition in rule.conditions if condition.level is not None}
        named = {allocation.area for allocation in rule.allocations} | {
            area for area in contest.contest.areas if self._plan.areas[area].level in levels
        }
        areas = {
            area: Area(
                figures=figures_of(contest, self._row(area, facts), self._expected[area]),
                level=self._plan.areas[area].level,
                weight=Fraction(self._plan.areas[area].weight),
            )
            for area in named - {contest.root}
        }
        return problem_of(contest.contest, root, areas)

    def _row(self, area: str, facts: Facts) -> tuple[int, ...]:
        return facts.totals.get((self._contest.id, area), (0,) * self._contest.width)

    def _seats(self, rule: Rule, problem: Problem, made: Outcome, out: Out) -> dict[str, Seat]:
        if rule.method == "majority":
            sure = certain(made)
            return majority_seats(with_half(problem), _able(problem), sure.seats, out, self._ballot)
        return seats_of(problem, made, out, self._ballot.marks)

    def _thresholds(self, problem: Problem, levels: Levels) -> dict[str, Any]:
        """Thresholds of the whole; those of areas stand with their areas."""
        able = _able(problem)
        whole = [item for item in problem.thresholds if item.level is None and item.area is None]
        shown = [threshold_document(item, problem.figures, able, levels, self._ballot.marks) for item in whole]
        return {"threshold": shown[0] if shown else None, **({"thresholds": shown} if len(shown) > 1 else {})}

    def _conditions(self, problem: Problem, made: Outcome, out: Out) -> dict[str, Any]:
        if problem.method not in ("majority", "referendum"):
            return {}
        sure = certain(made)
        able = _able(problem)
        leader = max(able, key=lambda name: able[name]) if any(able.values()) else None
        shown: dict[str, Any] = {"conditions": condition_documents(with_half(problem), leader, out, self._ballot)}
        if problem.method == "referendum":
            each = [prospect(item, problem, item.of or "", out, self._ballot) for item in problem.conditions]
            return {**shown, "accepted": sure.accepted, "state": joined(each, problem.join).state}
        return {**shown, "runoff": runoff_document(with_half(problem), able, sure, out, self._ballot)}

    def _winner(self, problem: Problem, levels: Levels, out: Out) -> dict[str, Any]:
        able = _able(problem)
        if problem.method == "plurality":
            return winner_document(able, levels)
        return majority_winner(with_half(problem), able, levels, out, self._ballot)


def _areas(made: Outcome) -> dict[str, Any]:
    """Seats by allocating area, where there are several."""
    sure = certain(made)
    if not sure.areas:
        return {}
    found = {area: certain(one) for area, one in sure.areas.items()}
    return {"areas": {area: {name: seats for name, seats in one.seats.items() if seats} for area, one in found.items()}}


def _able(problem: Problem) -> dict[str, int]:
    """Votes of selections that can win or take seats."""
    return {name: count for name, count in problem.figures.votes.items() if name not in problem.no_seats}


def _rule(rule: Rule) -> dict[str, Any]:
    certainty = {} if rule.certainty is None else {"certainty": rule.certainty}
    return {"method": rule.method, "seats": rule.seats, "law": rule.law, **certainty}


def _seat(seat: Seat) -> dict[str, int]:
    return {"now": seat.now, "certain_min": seat.certain_min, "certain_max": seat.certain_max}


def _lots(lots: LotsRequired) -> dict[str, Any]:
    ties = [{"selections": list(tie.selections), "seats": tie.seats, "at": tie.at} for tie in lots.ties]
    return {"selections": list(lots.selections), "seats": lots.seats, "ties": ties}
