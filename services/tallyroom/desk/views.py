"""Refused records as JSON objects: a line each for a list, and everything about one, with what its release would do."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tallyroom.desk.book import Book, Case, CaseState
from tallyroom.results.documents import Deriver
from tallyroom.results.facts import Facts
from tallyroom.results.whatif import Effect, effect
from tallyroom.tabulation.plan import Leaf, Plan
from tallyroom.tabulation.supersede import FIGURES, Refused, State, Verdict, compare, disposition_of, kind_of, state_of

WEIGHED: Final = 500
"""Cases of which a look at the whole quarantine computes what they would change: each takes about a hundredth of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which cases a list shows; None: all."""

    state: CaseState | None = None
    code: str | None = None
    contest: str | None = None
    source: str | None = None

    def takes(self, case: Case, state: CaseState) -> bool:
        """Whether the case is shown."""
        event = case.event
        return (
            self.state in (None, state)
            and self.code in (None, str(case.code))
            and (self.contest is None or getattr(event, "contest", None) == self.contest)
            and (self.source is None or (event is not None and event.source == self.source))
        )


class Scales:
    """Weighs what a release would change, against the totals as the book has them."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._deriver: tuple[str, Deriver] | None = None
        self._facts: tuple[Mapping[int, int], Facts] | None = None

    def verdict(self, case: Case) -> tuple[Leaf, State | None, State, Verdict] | str:
        """What a release would be now: leaf, state before, state after and verdict; or why nothing would come of it."""
        report = case.report
        leaf = None if report is None else self._book.leaf(report)
        if report is None or leaf is None or not case.releasable:
            return f"{case.code} cannot be released"
        if leaf.closure is not None:
            return f"the unit is {leaf.closure}"
        state = state_of(report, leaf, [])
        if isinstance(state, Refused):
            return state.detail
        previous, _ = self._book.unit(leaf)
        verdict = compare(previous, state, leaf)
        if isinstance(verdict, Refused):
            verdict = Verdict.SUPERSEDES  # two contents of one version: a release decides for this one
        if verdict in (Verdict.LATE, Verdict.DUPLICATE):
            return f"it would be {verdict.value}: the unit has said something newer, or the same"
        return leaf, previous, state, verdict

    def weigh(self, case: Case) -> Effect | None:
        """The effect of a release; None if nothing would come of it."""
        found = self.verdict(case)
        if isinstance(found, str):
            return None
        leaf, before, after, _ = found
        return effect(self._make_deriver(), self._read_facts(), leaf, (before, after))

    def _make_deriver(self) -> Deriver:
        plan = self._book.plan
        if self._deriver is None or self._deriver[0] != plan.chain:
            self._deriver = (plan.chain, Deriver(plan))
        return self._deriver[1]

    def _read_facts(self) -> Facts:
        offsets = self._book.offsets
        if self._facts is None or self._facts[0] != offsets:
            self._facts = (offsets, self._book.facts())
        return self._facts[1]


def listed(book: Book, wanted: Filter, scales: Scales | None = None) -> list[dict[str, Any]]:
    """The cases that the filter takes, oldest first. With ``scales``: whether a release could change an outcome."""
    found: list[dict[str, Any]] = []
    for case in sorted(book.cases.values(), key=lambda case: (case.appended_at, case.at)):
        state = book.state(case)
        if not wanted.takes(case, state):
            continue
        line = line_of(book, case, state)
        if scales is not None and state is CaseState.WAITING and len(found) < WEIGHED:
            weighed = scales.weigh(case)
            line["could_change_outcome"] = weighed is not None and weighed.could_change_outcome
        found.append(line)
    return found


def line_of(book: Book, case: Case, state: CaseState) -> dict[str, Any]:
    """A case as one line of a list."""
    event = case.event
    made: dict[str, Any] = {"at": str(case.at), "state": str(state), "reason": str(case.code), "detail": case.detail}
    made["appended_at"] = _instant(case.appended_at)
    made["type"] = None if event is None else str(event.__struct_config__.tag)
    for name in ("id", "source", "contest", "unit", "count_group", "version"):
        made[name] = getattr(event, name, None)
    made["releasable"] = case.releasable
    decision = book.decision(case)
    if decision is not None:
        made["decision"] = {
            "at": str(decision.at),
            "operators": list(decision.operators),
            "reason": decision.reason,
            "appended_at": _instant(decision.appended_at),
        }
    return made


async def shown(book: Book, case: Case, scales: Scales) -> dict[str, Any]:
    """Everything about a case. Raises LogError."""
    made = line_of(book, case, book.state(case))
    made |= bytes_document((await book.record(case.at)).value)
    report = case.report
    leaf = None if report is None else book.leaf(report)
    if leaf is not None:
        made["previous"] = await _previous(book, leaf)
    found = scales.verdict(case)
    weighed = scales.weigh(case)
    if isinstance(found, str) or weighed is None:
        return {**made, "if_released": None, "because": found if isinstance(found, str) else None}
    made["if_released"] = {"verdict": found[3].value, **effect_document(weighed)}
    return made


def bytes_document(value: bytes | None) -> dict[str, Any]:
    """The bytes as they came: as text where they are UTF-8, else as base64."""
    data = bytes(value or b"")
    try:
        return {"original": data.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        return {"original": b64encode(data).decode(), "encoding": "base64"}


async def _previous(book: Book, leaf: Leaf) -> dict[str, Any] | None:
    state, at = book.unit(leaf)
    if state is None or at is None:
        return None
    record = await book.record(at)
    return {"at": str(at), **state_document(leaf, state), **bytes_document(record.value)}


def state_document(leaf: Leaf, state: State) -> dict[str, Any]:
    """A unit's state by name."""
    return {
        "version": state[0],
        "reported_at": _instant(state[1]),
        "kind": str(kind_of(state)),
        "disposition": str(disposition_of(state)),
        "figures": dict(zip(leaf.plan.figures, state[FIGURES:], strict=False)),
    }


def effect_document(found: Effect) -> dict[str, Any]:
    """An effect as JSON."""
    return {
        "could_change_outcome": found.could_change_outcome,
        "figures": {
            name: {"before": before, "after": after, "share_before": share_before, "share_after": share_after}
            for name, (before, after, share_before, share_after) in found.figures.items()
        },
        "turns": [msgspec.to_builtins(turn) for turn in found.turns],
    }


def counted(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Numbers of cases by state and by reason."""
    found = list(lines)
    return {name: dict(sorted(Counter(str(line[name]) for line in found).items())) for name in ("state", "reason")}


def unit_document(book: Book, plan: Plan, contest: str, unit: str) -> list[dict[str, Any]]:
    """State of a unit in a contest, for each of its count groups."""
    compiled = plan.contests[contest]
    made = []
    for group in compiled.contest.count_groups or (None,):
        leaf = plan.leaf(compiled, unit, group)
        if leaf is None:
            continue
        state, at = book.unit(leaf)
        document: dict[str, Any] = {"leaf": leaf.name, "area": leaf.area, "source": leaf.source}
        if state is not None:
            document |= {"at": str(at), **state_document(leaf, state)}
        made.append(document)
    return made


def refused_of(book: Book, contest: str, unit: str) -> list[dict[str, Any]]:
    """Everything that was refused of a unit."""
    lines = listed(book, Filter(contest=contest))
    return [line for line in lines if line["unit"] == unit]


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
