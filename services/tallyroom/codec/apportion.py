"""The calculator's JSON: `tallyroom apportion` reads a problem and writes an outcome. Strict: unknown fields are refused.

docs/apportionment.md explains every field. Shares are exact whether written ``"1/20"``, ``"0.05"`` or ``0.05``.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Annotated, Any, Literal

import msgspec

from tallyroom.apportionment.model import (
    Apportionment,
    Area,
    Averages,
    Bar,
    Figures,
    LotsRequired,
    Mixed,
    Outcome,
    Problem,
    Quota,
    RuleError,
    Runoff,
)
from tallyroom.domain.checks import SELECTIONS
from tallyroom.domain.election import Condition, Join, Overhang, Threshold
from tallyroom.results.areas import share

Number = msgspec.Raw
"""An exact number: a JSON string or number, read as it is written and never as a binary float."""
Natural = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Seats = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
"""Sharing out takes time in proportion to the seats: more than any house has is a slip."""
Votes = dict[str, Natural]
Base = Natural | str | list[str]
ABSENT = msgspec.Raw(b"null")
STATED = "stated base"
"""The measure that a base given as a bare number becomes."""
DIGITS = 6
_NUMBER = re.compile(r"\d{1,18}(/\d{1,18}|(\.\d{1,18})?([eE]-?\d{1,2})?)")


class ThresholdWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A minimum share. ``base``: a number of votes or ballots, a name, or several names that are added."""

    share: Number
    base: Base = SELECTIONS
    area: str | None = None
    level: str | None = None
    strict: bool = False
    exempt: list[str] = []
    minimum_parties: Natural = 0
    district_wins: Natural | None = None
    alternatives: "list[ThresholdWire]" = []


class ConditionWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A condition of a majority or quorum."""

    share: Number = ABSENT
    of: str | None = None
    base: Base = SELECTIONS
    lead: Number = ABSENT
    strict: bool = True
    level: str | None = None
    areas_needed: Natural | None = None


class RunoffWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Who goes on to a second round."""

    places: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 2
    share: Number = ABSENT
    base: Base = SELECTIONS


class AreaWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An area with its own votes and, where seats are given out in it, seats."""

    votes: Votes
    seats: Seats = 0
    measures: Votes = {}
    caps: Votes = {}
    level: str = "area"
    weight: Number = msgspec.Raw(b"1")


class MixedWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How districts and lists go together."""

    system: Literal["parallel", "compensatory"]
    overhang: Overhang = Overhang.KEPT
    tolerated: Natural = 0
    largest: Seats = 10_000


class ProblemWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One problem for the calculator."""

    method: str
    votes: Votes | None = None
    seats: Seats | None = None
    note: str | None = None
    threshold: ThresholdWire | None = None
    thresholds: list[ThresholdWire] = []
    measures: Votes = {}
    no_seats: list[str] = []
    caps: Votes = {}
    first_divisor: Number = ABSENT
    areas: dict[str, AreaWire] = {}
    conditions: list[ConditionWire] = []
    join: Join = Join.ALL
    runoff: RunoffWire | None = None
    mixed: MixedWire | None = None
    districts: dict[str, Votes] = {}
    parties: dict[str, str] = {}
    district_wins: Votes = {}


def decode_problem(data: bytes, where: str) -> Problem:
    """The problem in ``data``; ``where`` names its origin in errors. Raises RuleError."""
    try:
        wire = msgspec.json.decode(data, type=ProblemWire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RuleError(f"{where} is not a problem: {error}.", "compare it with docs/apportionment.md") from error
    return _Reader(wire).problem()


class _Reader:
    """Turns the wire into a problem; collects the bases that are given as bare numbers."""

    def __init__(self, wire: ProblemWire) -> None:
        self._wire = wire
        self._stated: dict[str, int] = {}

    def problem(self) -> Problem:
        wire = self._wire
        single = [wire.threshold] if wire.threshold is not None else []
        areas = {name: self._area(area) for name, area in wire.areas.items()}
        if wire.votes is None and not areas:
            raise RuleError("The problem has no votes.", "add `votes`, or `areas` with theirs")
        built = Problem(
            method=wire.method,
            seats=self._seats(areas),
            figures=Figures(votes=wire.votes if wire.votes is not None else _summed(areas)),
            thresholds=tuple(self._threshold(item) for item in [*single, *wire.thresholds]),
            no_seats=frozenset(wire.no_seats),
            caps=wire.caps,
            first_divisor=self._divisor(),
            areas=areas,
            conditions=tuple(self._condition(item) for item in wire.conditions),
            join=wire.join,
            runoff=self._runoff(),
            mixed=self._mixed(),
            districts=wire.districts,
            parties=wire.parties,
            district_wins=wire.district_wins,
        )
        measures = {**_measures(built.figures.votes, wire.measures), **self._stated}
        return replace(built, figures=replace(built.figures, measures=measures))

    def _seats(self, areas: Mapping[str, Area]) -> int:
        if self._wire.seats is not None:
            return self._wire.seats
        if self._wire.method in ("majority", "referendum"):
            return int(self._wire.method == "majority")
        if areas:
            return sum(area.seats for area in areas.values())
        raise RuleError("The problem does not say how many seats there are.", "add `seats`")

    def _divisor(self) -> Fraction:
        divisor = _number(self._wire.first_divisor, "first_divisor")
        if divisor is None:
            return Fraction(7, 5)
        if self._wire.method != "modified-sainte-lague":
            raise RuleError(f"Method {self._wire.method!r} has no `first_divisor`.", "leave it out")
        return divisor

    def _base(self, given: int | str | list[str]) -> tuple[str, ...]:
        if isinstance(given, int):
            name = f"{STATED} {given:,}"
            self._stated[name] = given
            return (name,)
        return (given,) if isinstance(given, str) else tuple(given)

    def _threshold(self, wire: ThresholdWire) -> Threshold:
        return Threshold(
            share=str(_exact(wire.share, "share")),
            base=self._base(wire.base),
            area=wire.area,
            level=wire.level,
            strict=wire.strict,
            exempt=tuple(wire.exempt),
            minimum_parties=wire.minimum_parties,
            district_wins=wire.district_wins,
            alternatives=tuple(self._threshold(item) for item in wire.alternatives),
        )

    def _condition(self, wire: ConditionWire) -> Condition:
        return Condition(
            share=_text(wire.share, "share"),
            of=wire.of,
            base=self._base(wire.base),
            lead=_text(wire.lead, "lead"),
            strict=wire.strict,
            level=wire.level,
            areas_needed=wire.areas_needed,
        )

    def _runoff(self) -> Runoff | None:
        wire = self._wire.runoff
        if wire is None:
            return None
        return Runoff(places=wire.places, share=_number(wire.share, "share"), base=self._base(wire.base))

    def _mixed(self) -> Mixed | None:
        wire = self._wire.mixed
        if wire is None:
            return None
        compensatory = wire.system == "compensatory"
        if not compensatory and (wire.overhang is not Overhang.KEPT or wire.tolerated):
            raise RuleError("A parallel house has no overhang.", "leave `overhang` and `tolerated` out")
        if wire.tolerated and wire.overhang is not Overhang.LEVELLED:
            raise RuleError(f"Overhang that is {wire.overhang} tolerates no number.", "leave `tolerated` out")
        return Mixed(compensatory=compensatory, overhang=wire.overhang, tolerated=wire.tolerated, largest=wire.largest)

    def _area(self, wire: AreaWire) -> Area:
        figures = Figures(votes=wire.votes, measures=_measures(wire.votes, wire.measures))
        weight = _exact(wire.weight, "weight")
        return Area(figures=figures, seats=wire.seats, caps=wire.caps, level=wire.level, weight=weight)


def _summed(areas: Mapping[str, Area]) -> Votes:
    """The votes of the whole, where only those of its areas are given."""
    total: Votes = {}
    for area in areas.values():
        for name, count in area.figures.votes.items():
            total[name] = total.get(name, 0) + count
    return total


def _measures(votes: Mapping[str, int], given: Mapping[str, int]) -> Votes:
    """The measures given, and ``valid`` and ``votes``: all votes, unless given as something else."""
    total = sum(votes.values())
    return {"valid": total, "votes": total, **given}


def _exact(raw: msgspec.Raw, what: str) -> Fraction:
    """The number exactly as it is written. Raises RuleError."""
    text = bytes(raw).decode(errors="replace").strip('"')  # nobody has looked at these bytes before
    if _NUMBER.fullmatch(text):
        with suppress(ZeroDivisionError):
            return Fraction(text)
    raise RuleError(f"{what} {text} is not a number.", 'write it exactly, such as "1/20" or 0.05')


def _number(raw: msgspec.Raw, what: str) -> Fraction | None:
    """The number, or None where it was left out. Raises RuleError."""
    return None if bytes(raw) == bytes(ABSENT) else _exact(raw, what)


def _text(raw: msgspec.Raw, what: str) -> str | None:
    value = _number(raw, what)
    return str(value) if value is not None else None


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain JSON values. ``lots_required`` is null where nothing hangs on a lot; fractions are exact strings."""
    lots = outcome if isinstance(outcome, LotsRequired) else None
    result = outcome.sure if isinstance(outcome, LotsRequired) else outcome
    lines = [bar.share for bar in result.bars]
    document: dict[str, Any] = {
        "method": result.method,
        "seats": dict(result.seats),
        "seats_total": result.total,
        "unfilled": result.unfilled,
        "lots_required": _lots(lots) if lots is not None else None,
        "passed": [name for name, held in result.standings.items() if held.passed],
        "selections": {
            name: {"passed": held.passed, "why": held.why, "share": _decimal(held.share, lines)}
            for name, held in result.standings.items()
        },
        "thresholds": [_bar(bar) for bar in result.bars],
    }
    return {**document, **_working(result), **_rest(result)}


def _lots(lots: LotsRequired) -> dict[str, Any]:
    ties = [{"selections": list(tie.selections), "seats": tie.seats, "at": tie.at} for tie in lots.ties]
    return {"selections": list(lots.selections), "seats": lots.seats, "at": lots.at, "ties": ties}


def _bar(bar: Bar) -> dict[str, Any]:
    return {
        "share": str(bar.share),
        "strict": bar.strict,
        "base": list(bar.base),
        "base_votes": bar.of,
        "votes_needed": bar.needed,
        "area": bar.area,
    }


def _working(result: Apportionment) -> dict[str, Any]:
    """Quota, quotients and remainders, as far as the method has them."""
    shared = result.shared
    if shared is None:
        return {}
    capped = {"capped": list(shared.capped)} if shared.capped else {}
    if shared.quota is not None:
        return {**capped, **_quota(shared.quota)}
    return {**capped, **(_averages(shared.averages) if shared.averages is not None else {})}


def _quota(quota: Quota) -> dict[str, Any]:
    return {
        "quota": _decimal(quota.value),
        "quota_exact": str(quota.value),
        "quotients": {name: _decimal(value) for name, value in quota.quotients.items()},
        "whole_quotas": dict(quota.whole),
        "remainders": {name: _decimal(value) for name, value in quota.remainders.items()},
        "remainders_exact": {name: str(value) for name, value in quota.remainders.items()},
        "remainder_seats": list(quota.remainder_seats),
    }


def _averages(averages: Averages) -> dict[str, Any]:
    return {
        "last_quotients": {name: _decimal(value) for name, value in averages.last.items()},
        "next_quotients": {name: _decimal(value) for name, value in averages.following.items()},
        "next_quotients_exact": {name: str(value) for name, value in averages.following.items()},
    }


def _rest(result: Apportionment) -> dict[str, Any]:
    """What only some methods have."""
    conditions = [
        {"condition": held.text, "holds": held.holds, "part": held.part, "of": held.of} for held in result.conditions
    ]
    parts: dict[str, Any] = {
        "conditions": conditions,
        "runoff": list(result.runoff),
        "lists": dict(result.lists),
        "districts": dict(result.district_seats),
        "unseated": dict(result.unseated),
        "areas": {name: outcome_document(found) for name, found in result.areas.items()},
    }
    verdict = {"accepted": result.accepted} if result.accepted is not None else {}
    return {**{name: value for name, value in parts.items() if value}, **verdict}


def _decimal(value: Fraction | None, lines: Sequence[Fraction] = ()) -> str | None:
    """Six digits, rounded, but never up across a whole number or one of ``lines``: 4.9999999 % must not read as 5 %.

    Where it decides, the exact value stands beside it.
    """
    if value is None:
        return None
    return share(value.numerator, value.denominator, (*lines, Fraction(floor(value) + 1)), DIGITS)
