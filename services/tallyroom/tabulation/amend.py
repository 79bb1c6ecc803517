"""Amendments: the definition with a change made to it. Pure; a change that cannot be made raises AmendmentError."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, singledispatch

from tallyroom.domain.checks import problems
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Closure, Contest, Definition, ReportingUnit, SourceKey
from tallyroom.domain.events import (
    AddKey,
    AddOperator,
    AddSelection,
    AddUnit,
    Amendment,
    Change,
    CloseUnit,
    MergeUnits,
    MoveUnit,
    ReopenUnit,
    ReregisterUnit,
    RevokeKey,
    RevokeOperator,
    WithdrawSelection,
)


class AmendmentError(ValueError):
    """The change names something that the definition does not have, or has already."""


def amend(definition: Definition, amendment: Amendment) -> Definition:
    """The definition after all changes of the amendment, or none of them (AmendmentError)."""
    for change in amendment.changes:
        definition = _apply(change, definition)
    for problem in problems(definition):
        raise AmendmentError(problem)
    return definition


@singledispatch
def _apply(change: Change, definition: Definition) -> Definition:
    raise AmendmentError(f"{type(change).__name__} is not a known change")


@_apply.register
def _(change: AddUnit, definition: Definition) -> Definition:
    if any(unit.id == change.unit.id for unit in definition.units):
        raise AmendmentError(f"unit {change.unit.id} is defined already")
    for contest, area in change.contests.items():
        definition = _contest(definition, contest, partial(_placed, unit=change.unit.id, area=area))
    return replace(definition, units=(*definition.units, change.unit))


@_apply.register
def _(change: CloseUnit, definition: Definition) -> Definition:
    return _close(definition, change.unit, change.contest, Closure.CLOSED)


@_apply.register
def _(change: ReopenUnit, definition: Definition) -> Definition:
    places = [c.id for c in definition.contests if change.unit in c.closed_units and change.contest in (None, c.id)]
    if not places:
        raise AmendmentError(f"unit {change.unit} is not closed in {change.contest or 'any contest'}")

    def reopened(item: Contest) -> Contest:
        if item.closed_units[change.unit] is Closure.MERGED:
            raise AmendmentError(f"unit {change.unit} was merged: its register is another unit's now")
        return replace(item, closed_units={u: c for u, c in item.closed_units.items() if u != change.unit})

    for place in places:
        definition = _contest(definition, place, reopened)
    return definition


@_apply.register
def _(change: MergeUnits, definition: Definition) -> Definition:
    heir = _unit(definition, change.into)
    if change.into in change.units or len(set(change.units)) < len(change.units):
        raise AmendmentError(f"{', '.join(change.units)} cannot be merged into {change.into}: a unit is named twice")
    for contest in definition.contests:
        if not contest.units.keys().isdisjoint(change.units) and change.into not in contest.units:
            raise AmendmentError(f"contest {contest.id} does not expect unit {change.into}")
        if change.into in contest.closed_units:
            raise AmendmentError(f"unit {change.into} is closed in contest {contest.id}")
    registered = heir.registered
    for identifier in change.units:
        unit = _unit(definition, identifier)
        registered = None if registered is None or unit.registered is None else registered + unit.registered
        definition = _close(definition, identifier, None, Closure.MERGED)
    merged = [_with_register(unit, 0) if unit.id in change.units else unit for unit in definition.units]
    units = tuple(_with_register(unit, registered) if unit.id == heir.id else unit for unit in merged)
    return replace(definition, units=units)


@_apply.register
def _(change: MoveUnit, definition: Definition) -> Definition:
    _unit(definition, change.unit)
    return _contest(definition, change.contest, lambda contest: _placed(contest, change.unit, change.area, known=True))


@_apply.register
def _(change: ReregisterUnit, definition: Definition) -> Definition:
    _unit(definition, change.unit)
    units = tuple(
        _with_register(unit, change.registered) if unit.id == change.unit else unit for unit in definition.units
    )
    return replace(definition, units=units)


@_apply.register
def _(change: AddSelection, definition: Definition) -> Definition:
    def added(contest: Contest) -> Contest:
        if any(selection.id == change.selection.id for selection in contest.selections):
            raise AmendmentError(f"selection {change.selection.id} is defined already in contest {contest.id}")
        return replace(contest, selections=(*contest.selections, change.selection))

    return _contest(definition, change.contest, added)


@_apply.register
def _(change: WithdrawSelection, definition: Definition) -> Definition:
    def withdrawn(contest: Contest) -> Contest:
        ids = [selection.id for selection in contest.selections]
        if change.selection not in ids:
            raise AmendmentError(f"contest {contest.id} has no selection {change.selection}")
        if change.counts_as == change.selection or change.counts_as not in (None, "invalid", *ids):
            raise AmendmentError(f"votes of {change.selection} cannot count as {change.counts_as}")
        selections = tuple(
            replace(item, status=change.status, counts_as=change.counts_as) if item.id == change.selection else item
            for item in contest.selections
        )
        return replace(contest, selections=selections)

    return _contest(definition, change.contest, withdrawn)


@_apply.register
def _(change: AddKey, definition: Definition) -> Definition:
    return _keyed(definition, change.source, lambda keys: (*keys, change.key))


@_apply.register
def _(change: RevokeKey, definition: Definition) -> Definition:
    def revoked(keys: tuple[SourceKey, ...]) -> tuple[SourceKey, ...]:
        if all(key.id != change.key or key.revoked_at is not None for key in keys):
            raise AmendmentError(f"source {change.source} has no key {change.key} that is not revoked")
        return tuple(replace(key, revoked_at=change.revoked_at) if key.id == change.key else key for key in keys)

    return _keyed(definition, change.source, revoked)


@_apply.register
def _(change: AddOperator, definition: Definition) -> Definition:
    return _with_operators(definition, (*definition.operators, change.operator))


@_apply.register
def _(change: RevokeOperator, definition: Definition) -> Definition:
    if all(operator.id != change.operator or operator.revoked_at is not None for operator in definition.operators):
        raise AmendmentError(f"the desk has no operator {change.operator} whose key is not revoked")
    return _with_operators(
        definition,
        tuple(
            replace(operator, revoked_at=change.revoked_at) if operator.id == change.operator else operator
            for operator in definition.operators
        ),
    )


def _with_operators(definition: Definition, operators: tuple[Operator, ...]) -> Definition:
    if not definition.operators:
        raise AmendmentError("the definition names no desk.operators, so nobody could vouch for the first ones")
    return replace(definition, desk=replace(definition.desk or DeskRules(), operators=operators))


def _keyed(
    definition: Definition, identifier: str, change: Callable[[tuple[SourceKey, ...]], tuple[SourceKey, ...]]
) -> Definition:
    if all(source.id != identifier for source in definition.sources):
        raise AmendmentError(f"source {identifier} is not defined")
    sources = tuple(
        replace(source, keys=change(source.keys)) if source.id == identifier else source
        for source in definition.sources
    )
    return replace(definition, sources=sources)


def _contest(definition: Definition, identifier: str, change: Callable[[Contest], Contest]) -> Definition:
    if all(contest.id != identifier for contest in definition.contests):
        raise AmendmentError(f"contest {identifier} is not defined")
    contests = tuple(change(contest) if contest.id == identifier else contest for contest in definition.contests)
    return replace(definition, contests=contests)


def _unit(definition: Definition, identifier: str) -> ReportingUnit:
    for unit in definition.units:
        if unit.id == identifier:
            return unit
    raise AmendmentError(f"unit {identifier} is not defined")


def _with_register(unit: ReportingUnit, registered: int | None) -> ReportingUnit:
    return replace(unit, registered=registered)


def _placed(contest: Contest, unit: str, area: str, *, known: bool = False) -> Contest:
    if area not in contest.areas:
        raise AmendmentError(f"contest {contest.id} has no area {area}")
    if (unit in contest.units) is not known:
        raise AmendmentError(f"unit {unit} is {'not ' if known else ''}in contest {contest.id}")
    return replace(contest, units={**contest.units, unit: area})


def _close(definition: Definition, unit: str, contest: str | None, closure: Closure) -> Definition:
    places = [c.id for c in definition.contests if unit in c.units and contest in (None, c.id)]
    if not places:
        raise AmendmentError(f"unit {unit} is not expected in {contest or 'any contest'}")

    def closed(item: Contest) -> Contest:
        if item.closed_units.get(unit) is Closure.MERGED:
            raise AmendmentError(f"unit {unit} was merged with another one: its counts are that one's")
        return replace(item, closed_units={**item.closed_units, unit: closure})

    for place in places:
        definition = _contest(definition, place, closed)
    return definition
