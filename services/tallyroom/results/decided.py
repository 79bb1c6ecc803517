"""When each question of a contest closed, and which corrections opened it again: the record that a night leaves.

A question is decided where no outstanding ballot can change its answer (docs/bounds.md); nothing else enters the record, no
estimate and no projection. The record follows from the log read in order and from when the publisher looked: the next one is
made of the last one and of today's documents. So a publisher that starts anew goes on with the one in the last revision, and a
replay of the log makes it again. It is no function of the totals alone, and therefore a document of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

MOST_UNDONE: Final = 20
"""Undone decisions kept of one question, the newest ones: a broken source that sends back and forth must not fill documents."""
_SIDES: Final = {"decided-above": "above", "decided-below": "below"}

Entry = Mapping[str, Any]
"""A question as the snapshot shows it; docs/http.md explains the members."""


class Question(NamedTuple):
    """``winner``, ``threshold`` or ``seats`` of a selection, ``entering`` (how many pass the threshold), ``accepted``."""

    kind: str
    selection: str | None = None


class Answer(NamedTuple):
    """What is decided, and the level of the bound that decides it: ``register`` or ``issued``."""

    value: str | int | bool
    by: str


class Seen(NamedTuple):
    """A contest in a revision: its document, and units in and expected."""

    document: Mapping[str, Any]
    units_reported: int
    units_expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A revision: its number and its election time (None: not known)."""

    revision: int
    at: datetime | None


def answers(contest: Mapping[str, Any]) -> dict[Question, Answer]:
    """Everything that is decided by a contest's document (`tallyroom.results.outcome`)."""
    return dict(_answers(contest))


def follow(
    record: Mapping[str, Sequence[Entry]], contests: Mapping[str, Seen], moment: Moment
) -> dict[str, list[Entry]]:
    """The record after a revision. ``contests``: those that changed; one under embargo leaves its questions as they are."""
    made = {contest: list(entries) for contest, entries in record.items()}
    for name, seen in contests.items():
        if "winner" not in seen.document:
            continue
        entries = _follow(made.get(name, []), seen, moment)
        if entries:
            made[name] = entries
    return made


def _answers(contest: Mapping[str, Any]) -> Iterator[tuple[Question, Answer]]:
    winner, rule = contest.get("winner"), contest.get("apportionment") or {}
    if winner is not None and winner["state"] == "decided":
        yield Question("winner"), Answer(winner["selection"], winner["decided_by"])
    by = rule.get("bounded_by")
    threshold = rule.get("threshold")
    if threshold is not None:
        for name, standing in threshold["selections"].items():
            if standing["state"] in _SIDES:
                yield Question("threshold", name), Answer(_SIDES[standing["state"]], standing["decided_by"])
        between = threshold["entering"]
        if by is not None and between is not None and between["minimum"] == between["maximum"]:
            yield Question("entering"), Answer(between["minimum"], by)
    if by is None:
        return
    for name, seats in rule.get("seats", {}).items():
        if seats["certain_min"] == seats["certain_max"]:
            yield Question("seats", name), Answer(seats["now"], by)
    if rule.get("accepted") is not None and rule.get("state") == "decided":
        yield Question("accepted"), Answer(rule["accepted"], by)


def _follow(entries: Sequence[Entry], seen: Seen, moment: Moment) -> list[Entry]:
    found = {Question(entry["question"], entry["selection"]): entry for entry in entries}
    now = answers(seen.document)
    counted = {"units_reported": seen.units_reported, "units_expected": seen.units_expected}
    return [
        _next(question, found.get(question), now.get(question), moment, counted)
        for question in [*found, *(question for question in now if question not in found)]
    ]


def _next(
    question: Question, entry: Entry | None, answer: Answer | None, moment: Moment, counted: Mapping[str, int]
) -> Entry:
    """The entry as it was, as long as the answer is: at which level it is decided may change. Else what was is undone."""
    if entry is not None and entry["answer"] == (None if answer is None else answer.value):
        return entry
    undone: list[Any] = [] if entry is None else list(entry["undone"])
    if entry is not None and entry["answer"] is not None:
        kept = {name: entry[name] for name in ("answer", "by", "since", "revision")}
        undone = [*undone, {**kept, "until": _text(moment.at), "until_revision": moment.revision}][-MOST_UNDONE:]
    decided = answer is not None
    return {
        "question": question.kind,
        "selection": question.selection,
        "answer": None if answer is None else answer.value,
        "by": None if answer is None else answer.by,
        "since": _text(moment.at) if decided else None,
        "revision": moment.revision if decided else None,
        **(counted if decided else dict.fromkeys(counted)),
        "undone": undone,
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
