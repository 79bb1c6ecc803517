"""The record of decided questions that a recorded night leaves, event by event, and whether its end contradicts it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from tallyroom.recordings.backtest.timeline import Step, Timeline
from tallyroom.recordings.format import Recording
from tallyroom.results.decided import Answer, Question, answers
from tallyroom.results.facts import Facts
from tallyroom.results.outcome.document import Outcomes
from tallyroom.results.outcome.figures import ballots_in
from tallyroom.results.outcome.outstanding import Issued, issued_by_area
from tallyroom.results.register import expectations
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Column

Value = str | int | bool
_SIDES: Final = {"above": "above", "decided-above": "above", "below": "below", "decided-below": "below"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A question that was decided at a time. ``ballots``: in the totals then. ``until``: when it no longer was (None: it held).

    ``corrected``: whether a report that calls itself a correction came with what undid it. If none did, the bound was wrong.
    """

    contest: str
    question: Question
    answer: Value
    at: datetime
    by: str
    units: int
    ballots: int
    until: datetime | None = None
    corrected: bool = False


@dataclass(slots=True)
class Night:
    """What a night stated. ``ends``: how every question stands at the end, decided or not; ``units``, ``ballots``: of each contest
    at the end; ``by_register``: first times at the level ``register`` alone.
    """

    decisions: list[Decision] = field(default_factory=list)
    by_register: dict[tuple[str, Question], datetime] = field(default_factory=dict)
    ends: dict[tuple[str, Question], Value | None] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    ballots: dict[str, int] = field(default_factory=dict)

    @property
    def standing(self) -> list[Decision]:
        """Decisions that held to the end."""
        return [decision for decision in self.decisions if decision.until is None]

    @property
    def undone(self) -> list[Decision]:
        """Decisions that a correction undid."""
        return [decision for decision in self.decisions if decision.until is not None and decision.corrected]

    @property
    def wrong(self) -> list[Decision]:
        """Decisions that what was still outstanding contradicted: there must be none."""
        return [
            decision
            for decision in self.decisions
            if (decision.until is not None and not decision.corrected)
            or (decision.until is None and decision.answer != self.ends[decision.contest, decision.question])
        ]


class Judge:
    """The outcomes of every contest of a definition as plain documents."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.expected = {name: expectations(plan, contest) for name, contest in plan.contests.items()}
        self._rules = {
            name: Outcomes(plan, contest, self.expected[name])
            for name, contest in plan.contests.items()
            if contest.contest.rule is not None
        }

    @property
    def contests(self) -> Iterable[str]:
        """Contests with a rule: the others have nothing to decide."""
        return self._rules

    def document(self, contest: str, facts: Facts, issued: Issued) -> dict[str, Any]:
        """Winner and apportionment of a contest."""
        return self._rules[contest].outcome(facts, issued).members()


def stands(document: Mapping[str, Any]) -> dict[Question, Value | None]:
    """How every question of a contest stands at the moment, whether it is decided or not."""
    return dict(_stands(document))


def _stands(document: Mapping[str, Any]) -> Iterator[tuple[Question, Value | None]]:
    winner, rule = document.get("winner"), document.get("apportionment") or {}
    if winner is not None:
        yield Question("winner"), winner["selection"]
    threshold = rule.get("threshold")
    if threshold is not None:
        sides = {name: _SIDES.get(standing["state"]) for name, standing in threshold["selections"].items()}
        yield from ((Question("threshold", name), side) for name, side in sides.items())
        yield Question("entering"), None if None in sides.values() else sum(side == "above" for side in sides.values())
    for name, seats in rule.get("seats", {}).items():
        yield Question("seats", name), seats["now"]
    if rule.get("accepted") is not None:
        yield Question("accepted"), rule["accepted"]


def decisions(recording: Recording) -> Night:
    """Play the night and keep what it decided. Raises RecordingError if the recording cannot be read."""
    timeline = Timeline(recording)
    night, judge = Night(), Judge(timeline.fold.plan)
    running: dict[tuple[str, Question], Decision] = {}
    documents: dict[str, dict[str, Any]] = {}
    for step in timeline.steps():
        if step.amended:
            judge = Judge(step.plan)
        issued = issued_by_area(step.facts.asides)
        for contest in step.changed & set(judge.contests):
            documents[contest] = judge.document(contest, step.facts, issued)
            _follow(contest, answers(documents[contest]), step, running, night)
            by_roll = judge.document(contest, step.facts, {}) if issued else documents[contest]
            for question in answers(by_roll):
                night.by_register.setdefault((contest, question), step.at)
    for contest, document in documents.items():
        night.ends |= {(contest, question): value for question, value in stands(document).items()}
        night.units[contest] = judge.expected[contest][judge.plan.contests[contest].root].units
        night.ballots[contest] = _in(judge.plan, contest, timeline.facts())[1]
    night.decisions += running.values()
    night.decisions.sort(key=lambda decision: decision.at)
    return night


def _follow(
    contest: str,
    now: Mapping[Question, Answer],
    step: Step,
    running: dict[tuple[str, Question], Decision],
    night: Night,
) -> None:
    """Close what no longer stands, open what is new."""
    units, ballots = _in(step.plan, contest, step.facts)
    for key in [key for key in running if key[0] == contest]:
        answer = now.get(key[1])
        if answer is None or answer.value != running[key].answer:
            ended = running.pop(key)
            night.decisions.append(replace(ended, until=step.at, corrected=contest in step.corrected))
    for question, answer in now.items():
        if (contest, question) not in running:
            running[contest, question] = Decision(
                contest=contest,
                question=question,
                answer=answer.value,
                at=step.at,
                by=answer.by,
                units=units,
                ballots=ballots,
            )


def _in(plan: Plan, contest: str, facts: Facts) -> tuple[int, int]:
    """Units completely in, and ballots in the totals."""
    planned = plan.contests[contest]
    row = facts.totals.get((contest, planned.root), (0,) * planned.width)
    return row[Column.COMPLETE], ballots_in(planned, row)
