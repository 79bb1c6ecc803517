"""A reporting unit's own page: what the definition says of it, and its newest accepted report in each of its contests.

Read from the store when somebody asks, once per published state. What may not be public stays out by what *is* public: an area that
the revision does not show, or shows frozen, gives none of its units' figures.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from tallyroom.codec import packed
from tallyroom.codec.definition import decode_definition
from tallyroom.codec.layout import guarded, unguarded
from tallyroom.domain.errors import OtherLayout, StoreUnavailable
from tallyroom.domain.events import Disposition, Kind
from tallyroom.domain.partition import partition_of
from tallyroom.gateway.edition import Edition
from tallyroom.gateway.encoding import Resource
from tallyroom.gateway.problem import Problem
from tallyroom.gateway.representation import JSON, State
from tallyroom.store.base import StoreMeta
from tallyroom.tabulation.plan import Leaf, Plan
from tallyroom.tabulation.supersede import AT, FIGURES, REGISTERED, VERSION, disposition_of, kind_of

_PARTS: Final = slice(3, 5)
_ANSWER_S: Final = 2.0


class UnitStore(Protocol):
    """What a gateway needs of the totals (a part of TotalsStore)."""

    async def units(self, partition: int, names: Sequence[bytes]) -> list[bytes | None]:
        """Read single fields. Raises StoreUnavailable."""

    async def meta(self) -> StoreMeta | None:
        """Identity of the store. Raises StoreUnavailable."""


class _Shown(msgspec.Struct, frozen=True):
    area: str
    frozen: msgspec.Raw | None = None


class Units:
    """Answers for single units. Keeps the plan of the definition that is shown."""

    def __init__(self, store: UnitStore) -> None:
        self._store = store
        self._plan: tuple[str, asyncio.Task[Plan]] | None = None

    async def find(self, state: State, unit: str) -> Resource:
        """The unit's page. Raises Problem 404 for a unit that the definition does not know, 503 while it cannot be vouched for."""
        if state.stale_since is not None:
            raise _not_now("The figures may be out of date; a single unit is shown again when they are current.")
        edition = state.edition
        plan = await self._current(edition)
        if unit not in plan.units:
            raise Problem(404, "unknown-unit", "Unknown unit", f"There is no unit {unit!r}.", {"value": unit})
        leaves = list(_leaves(plan, unit))
        try:
            async with asyncio.timeout(_ANSWER_S):
                states = await self._states(leaves)
        except (StoreUnavailable, TimeoutError) as error:
            raise _not_now("The store does not answer.") from error
        except OtherLayout as error:
            raise _not_now("The totals are packed as another release does it; an upgrade is under way.") from error
        body = {
            "election": edition.head.election,
            "environment": edition.head.environment,
            "revision": edition.number,
            "unit": _defined(plan, unit),
            "contests": [_returned(edition, leaf, found) for leaf, found in zip(leaves, states, strict=True)],
        }
        return Resource(msgspec.json.encode(body), JSON)

    async def _current(self, edition: Edition) -> Plan:
        """The plan of the published definition; requests at the same time share the work, which may take a second."""
        if self._plan is None or self._plan[0] != edition.head.definition:
            making = asyncio.create_task(asyncio.to_thread(_compiled, edition), name="plan")
            self._plan = (edition.head.definition, making)
        return await asyncio.shield(self._plan[1])

    async def _states(self, leaves: Sequence[Leaf]) -> list[tuple[int, ...] | None]:
        meta = await self._store.meta()
        if meta is None:
            raise StoreUnavailable("it is empty.", "start a tabulator")
        asked: dict[int, list[int]] = {}
        for index, leaf in enumerate(leaves):
            key = f"{leaf.plan.id}|{leaf.unit}".encode()
            asked.setdefault(partition_of(key, meta.partitions), []).append(index)
        found: list[tuple[int, ...] | None] = [None] * len(leaves)
        for partition, indexes in asked.items():
            names = [packed.unit_name(leaves[index].name) for index in indexes]
            values = unguarded(await self._store.units(partition, guarded(names)), partition)
            for index, data in zip(indexes, values, strict=True):
                found[index] = None if data is None else packed.unpack(data)
        return found


def _compiled(edition: Edition) -> Plan:
    return Plan(decode_definition(edition.definition.data, "the published definition"), edition.head.definition)


def _leaves(plan: Plan, unit: str) -> Iterator[Leaf]:
    for contest in plan.contests.values():
        for group in contest.contest.count_groups or (None,):
            leaf = plan.leaf(contest, unit, group)
            if leaf is not None:
                yield leaf


def _defined(plan: Plan, unit: str) -> dict[str, Any]:
    found = plan.units[unit]
    return {"id": unit, "names": found.names, "kind": found.kind, "voters_registered": found.registered}


def _returned(edition: Edition, leaf: Leaf, state: tuple[int, ...] | None) -> dict[str, Any]:
    """What the unit said in one contest, as far as it may be known."""
    shown = _area(edition, leaf.plan.id, leaf.area)
    made: dict[str, Any] = {"contest": leaf.plan.id, "area": leaf.area, "count_group": leaf.group}
    if shown is None:
        return {**made, "state": "embargoed"}
    if shown.frozen is not None:
        return {**made, "state": "frozen"}
    if state is None:
        return {**made, "state": "closed" if leaf.closure is not None else "expected"}
    counted = disposition_of(state) is Disposition.COUNTED and kind_of(state) is not Kind.RETRACTION
    parts = state[_PARTS]
    return {
        **made,
        "state": _standing(state, parts),
        "version": state[VERSION],
        "kind": str(kind_of(state)),
        "reported_at": datetime.fromtimestamp(state[AT] / 1000, UTC),
        "parts": {"reported": parts[0], "expected": parts[1]},
        "voters_registered": leaf.registered if state[REGISTERED] < 0 else state[REGISTERED],
        **(_figures(leaf, state[FIGURES:]) if counted else {}),
    }


def _standing(state: tuple[int, ...], parts: tuple[int, ...]) -> str:
    if kind_of(state) is Kind.RETRACTION:
        return "retracted"
    disposition = disposition_of(state)
    return "partial" if disposition is Disposition.COUNTED and parts[0] < parts[1] else str(disposition)


def _figures(leaf: Leaf, figures: Sequence[int]) -> Mapping[str, Any]:
    """Figures that are in the totals; those of a sheet that is in none are not to be believed."""
    named = dict(zip(leaf.plan.figures, figures, strict=True))
    return {
        "ballots": {name: named[name] for name in leaf.plan.measures},
        "counts": {name: named[name] for name in leaf.plan.selections},
    }


def _area(edition: Edition, contest: str, area: str) -> _Shown | None:
    """The area as the revision shows it, None if it does not."""
    for document in edition.area_documents(contest):
        for found in document.areas:
            if found.id == area:
                return msgspec.json.decode(found.data, type=_Shown)
    return None


def _not_now(detail: str) -> Problem:
    return Problem(503, "not-current", "Not now", detail, headers={"Retry-After": "5"})
