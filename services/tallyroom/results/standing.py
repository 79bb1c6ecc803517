"""Where a contest and each of its areas stand on the ladder of official acts: the counts climb to complete, declarations go on.

    pre-election -> unofficial-partial -> unofficial-complete -> certified
                                                ^                    |
                                                +-- correction, recount
    suspended, postponed, annulled, uncontested: by declaration, from wherever the table below allows

Legal transitions are a table; an act that it does not have changes nothing and is said to be impossible beside the declaration.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from tallyroom.results.areas import Status
from tallyroom.tabulation.plan import ContestPlan


class Act(StrEnum):
    """What moves a standing: acts of the authority, and figures that change after they were certified."""

    CERTIFY = "certify"
    CORRECT = "correct"
    RECOUNT = "recount"
    SUSPEND = "suspend"
    RESUME = "resume"  # it is counted (again): a status among those that counts reach by themselves
    ANNUL = "annul"
    UNCONTEST = "uncontest"
    POSTPONE = "postpone"
    CHANGE = "change"  # figures of a unit were corrected, or the authority corrects a part of the area
    CHANGE_BY_RECOUNT = "change-by-recount"


class Standing(StrEnum):
    """What acts have made of an area. OPEN: nothing but its counts says where it stands."""

    OPEN = "open"
    CERTIFIED = "certified"
    CORRECTION = "correction"
    RECOUNT = "recount"
    SUSPENDED = "suspended"
    ANNULLED = "annulled"
    UNCONTESTED = "uncontested"
    POSTPONED = "postponed"


_S = Standing
TRANSITIONS: Final[Mapping[Standing, Mapping[Act, Standing]]] = {
    _S.OPEN: {
        Act.CERTIFY: _S.CERTIFIED, Act.CORRECT: _S.CORRECTION, Act.RECOUNT: _S.RECOUNT, Act.SUSPEND: _S.SUSPENDED,
        Act.RESUME: _S.OPEN, Act.ANNUL: _S.ANNULLED, Act.UNCONTEST: _S.UNCONTESTED, Act.POSTPONE: _S.POSTPONED,
    },
    _S.CERTIFIED: {
        Act.CERTIFY: _S.CERTIFIED, Act.CORRECT: _S.CORRECTION, Act.RECOUNT: _S.RECOUNT, Act.SUSPEND: _S.SUSPENDED,
        Act.RESUME: _S.OPEN, Act.ANNUL: _S.ANNULLED,
        Act.CHANGE: _S.CORRECTION, Act.CHANGE_BY_RECOUNT: _S.RECOUNT,
    },
    _S.CORRECTION: {
        Act.CERTIFY: _S.CERTIFIED, Act.CORRECT: _S.CORRECTION, Act.RECOUNT: _S.RECOUNT, Act.SUSPEND: _S.SUSPENDED,
        Act.RESUME: _S.OPEN, Act.ANNUL: _S.ANNULLED,
    },
    _S.RECOUNT: {
        Act.CERTIFY: _S.CERTIFIED, Act.CORRECT: _S.CORRECTION, Act.RECOUNT: _S.RECOUNT, Act.SUSPEND: _S.SUSPENDED,
        Act.RESUME: _S.OPEN, Act.ANNUL: _S.ANNULLED,
    },
    _S.SUSPENDED: {  # it has to go on before it can be certified
        Act.SUSPEND: _S.SUSPENDED, Act.RESUME: _S.OPEN, Act.CORRECT: _S.CORRECTION, Act.RECOUNT: _S.RECOUNT,
        Act.ANNUL: _S.ANNULLED, Act.POSTPONE: _S.POSTPONED,
    },
    _S.ANNULLED: {Act.ANNUL: _S.ANNULLED, Act.RESUME: _S.OPEN, Act.POSTPONE: _S.POSTPONED},  # a court may set it aside
    _S.UNCONTESTED: {
        Act.UNCONTEST: _S.UNCONTESTED, Act.CERTIFY: _S.CERTIFIED, Act.RESUME: _S.OPEN, Act.ANNUL: _S.ANNULLED,
        Act.SUSPEND: _S.SUSPENDED, Act.POSTPONE: _S.POSTPONED,
    },
    _S.POSTPONED: {
        Act.POSTPONE: _S.POSTPONED, Act.RESUME: _S.OPEN, Act.SUSPEND: _S.SUSPENDED, Act.UNCONTEST: _S.UNCONTESTED,
        Act.ANNUL: _S.ANNULLED,
    },
}  # fmt: skip

_ACTS: Final = {
    "certification": Act.CERTIFY, "suspension": Act.SUSPEND, "annulment": Act.ANNUL, "postponement": Act.POSTPONE,
    "uncontested": Act.UNCONTEST, "recount": Act.RECOUNT,
}  # fmt: skip
_STATUSES: Final = {
    "certified": Act.CERTIFY, "correction": Act.CORRECT, "recount": Act.RECOUNT, "suspended": Act.SUSPEND,
    "annulled": Act.ANNUL, "uncontested": Act.UNCONTEST, "postponed": Act.POSTPONE, "pre-election": Act.RESUME,
    "unofficial-partial": Act.RESUME, "unofficial-complete": Act.RESUME,
}  # fmt: skip
_FROM_BELOW: Final = {
    Act.CORRECT: Act.CHANGE, Act.CHANGE: Act.CHANGE,
    Act.RECOUNT: Act.CHANGE_BY_RECOUNT, Act.CHANGE_BY_RECOUNT: Act.CHANGE_BY_RECOUNT,
}  # fmt: skip
"""What an act about a part means for what it is a part of: certified figures are being changed."""
_SILENT: Final = frozenset({Act.CHANGE, Act.CHANGE_BY_RECOUNT})
_UNFINISHED: Final = frozenset({Standing.CORRECTION, Standing.RECOUNT, Standing.SUSPENDED, Standing.POSTPONED})


@dataclass(frozen=True, slots=True)
class _Step:
    """An act on an area (None: the whole contest) in the order of its time; ``id`` None: figures that changed."""

    at: datetime
    id: str | None
    act: Act
    area: str | None


@dataclass(frozen=True, slots=True)
class Standings:
    """By area; ``impossible``: declaration id -> where the contest stood when it could not be made."""

    by_area: Mapping[str, Standing] = field(default_factory=dict)
    impossible: Mapping[str, Standing] = field(default_factory=dict)

    def status(self, contest: ContestPlan, area: str, counted: Status) -> Status:
        """What is shown: what was declared, else what the counts say; never complete while a part is not finished."""
        standing = self.by_area.get(area, Standing.OPEN)
        if standing is not Standing.OPEN:
            return Status(standing)
        if counted is Status.UNOFFICIAL_COMPLETE and self._unfinished(contest, area):
            return Status.UNOFFICIAL_PARTIAL
        return counted

    def _unfinished(self, contest: ContestPlan, area: str) -> bool:
        return any(
            self.by_area.get(child) in _UNFINISHED or self._unfinished(contest, child)
            for child in contest.children.get(area, ())
        )


def standings(
    contest: ContestPlan, asides: Iterable[Mapping[str, Any]], corrections: Sequence[Mapping[str, Any]]
) -> Standings:
    """Standings of a contest under these declarations (decoded events) and corrections (`results.facts.Facts.corrections`).

    Declarations take effect in the order of ``reported_at``; at one instant corrections come before declarations, which may
    already speak of them.
    """
    declared = list(_declared(contest, asides))
    if not declared:
        return Standings()
    steps = sorted([*declared, *_changes(corrections)], key=lambda step: (step.at, step.id or ""))
    now = dict.fromkeys(contest.contest.areas, Standing.OPEN)
    impossible: dict[str, Standing] = {}
    for step in steps:
        _apply(contest, step, now, impossible)
    return Standings({area: standing for area, standing in now.items() if standing is not Standing.OPEN}, impossible)


def after(standing: Standing, act: Act) -> Standing | None:
    """The standing after an act, None if the act is not possible there. Figures may change anywhere."""
    found = TRANSITIONS[standing].get(act)
    return standing if found is None and act in _SILENT else found


def _apply(contest: ContestPlan, step: _Step, now: dict[str, Standing], impossible: dict[str, Standing]) -> None:
    root = contest.root
    about = step.area or root
    for area in contest.within(about):
        moved = after(now[area], step.act)
        if moved is not None:
            now[area] = moved
        elif step.id is not None and area == about:
            impossible[step.id] = now[area]
    upward = _FROM_BELOW.get(step.act)
    if upward is not None and step.id not in impossible:
        for area in contest.ancestry(about):
            if area != about:
                now[area] = after(now[area], upward) or now[area]


def _declared(contest: ContestPlan, asides: Iterable[Mapping[str, Any]]) -> Iterator[_Step]:
    for event in asides:
        if event["type"] != "declaration" or not _is_about(event, contest):
            continue
        act = _STATUSES.get(event.get("status", "")) if event["act"] == "status" else _ACTS.get(event["act"])
        if act is not None:
            yield _Step(datetime.fromisoformat(event["reported_at"]), event["id"], act, event.get("area"))


def _is_about(event: Mapping[str, Any], contest: ContestPlan) -> bool:
    """Whether a declaration is about the contest: by name, or about all of them (not about a house)."""
    named, area = event.get("contest"), event.get("area")
    if named is None:
        return event.get("body") is None and (area is None or area in contest.contest.areas)
    return bool(named == contest.id) and (area is None or area in contest.contest.areas)


def _changes(corrections: Sequence[Mapping[str, Any]]) -> Iterator[_Step]:
    for correction in corrections:
        recounted = correction["kind"] == "recount"
        act = Act.CHANGE_BY_RECOUNT if recounted else Act.CHANGE
        yield _Step(datetime.fromtimestamp(correction["at"] / 1000, UTC), None, act, correction["area"])
