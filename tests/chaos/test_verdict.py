"""The checker is checked: a sound night is clean, and every planted fault turns the verdict of a chaos round red."""

import copy
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tallyroom.log.base import LogRecord
from tallyroom.store import MemoryStore
from tallyroom.store.base import Answer
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Owned
from tests.chaos.audience import Audience, Shown
from tests.chaos.material import made
from tests.chaos.oracle import Oracle, Read, home
from tests.chaos.verdict import COUNTERS, Seen, Verdict, cells, unpacked, verdict_on

PARTITIONS = 3
MATERIAL = made(5, 1500, PARTITIONS, "chaos-check")
DEFINITION = MATERIAL.encoded()


async def tabulated() -> Seen:
    """What the tabulator makes of the material: as the store holds it, and as a snapshot of the same figures."""
    log: dict[int, list[Read]] = {number: [] for number in range(PARTITIONS)}
    for key, value, partition in MATERIAL.records:
        number = home(key or b"", PARTITIONS) if partition is None else partition
        log[number].append(Read(number, len(log[number]), key, value))
    store, hashes, refused = MemoryStore(), {}, []
    plan = Plan(MATERIAL.definition, MATERIAL.chain)
    for number, records in log.items():
        owned = Owned(await store.claim(number), plan, PARTITIONS)
        for step in owned.prepare([LogRecord(number, r.offset, 1, r.key, r.value) for r in records]):  # type: ignore[arg-type]
            assert await store.apply([step.step]) == [Answer.OK]
            refused += [(number, item.record.offset) for item in step.refused]
        held = store.snapshot().state.partitions[number]
        hashes[number] = {b"off": b"%d" % held.offset, **held.fields}
    oracle = Oracle(DEFINITION, PARTITIONS)
    return Seen(log, hashes, refused, snapshot_of(cells(oracle, hashes)))


def snapshot_of(places: dict[tuple[str, str], dict[str, int]]) -> dict[str, Any]:
    """The figures as a gateway would serve them."""
    contests: dict[str, list[dict[str, Any]]] = {}
    for (contest, area), sums in sorted(places.items()):
        ballots = {name: sums[name] for name in ("cast", "valid")}
        counts = {name: number for name, number in sums.items() if name not in ("units", "cast", "valid")}
        shown = {"area": area, "units_reported": sums["units"], "ballots": ballots, "counts": counts}
        contests.setdefault(contest, []).append(shown)
    return {"contests": [{"contest": name, "areas": areas} for name, areas in contests.items()]}


def judge(seen: Seen) -> Verdict:
    """Without an audience."""
    return verdict_on(DEFINITION, seen, None)


def changed(seen: Seen, prefix: bytes, change: Callable[[list[int]], list[int]]) -> Seen:
    """The first row of this kind with a fault in it."""
    hashes = copy.deepcopy({number: dict(fields) for number, fields in seen.hashes.items()})
    number, name = next((n, f) for n, fields in hashes.items() for f in sorted(fields) if f.startswith(prefix))
    row = change(list(unpacked(hashes[number][name])))
    hashes[number][name] = struct.pack(f"<{len(row)}q", *row)
    return seen._replace(hashes=hashes)


def plus_one(row: list[int]) -> list[int]:
    return [*row[:-1], row[-1] + 1]


def doubled(row: list[int]) -> list[int]:
    return [2 * number for number in row]


def swapped(row: list[int]) -> list[int]:
    assert row[-1] != row[-2]
    return [*row[:-2], row[-1], row[-2]]


def minus_one(row: list[int]) -> list[int]:
    return [*row[:COUNTERS], row[COUNTERS] - 1, *row[COUNTERS + 1 :]]


async def test_a_sound_night_is_clean() -> None:
    seen = await tabulated()
    assert judge(seen) == Verdict()
    oracle = Oracle(DEFINITION, PARTITIONS)
    for records in seen.log.values():
        oracle.fold(records)
    fates = oracle.fates.values()
    met = (sum(f.accepted for f in fates), sum(f.duplicates for f in fates), sum(f.late for f in fates))
    assert min(met) > 10, "the material has something of everything"
    assert sum(len(f.refused) for f in fates) > 10


@pytest.mark.parametrize("plant", [plus_one, doubled, swapped, minus_one])
async def test_a_planted_fault_in_a_cell_is_found(plant: Callable[[list[int]], list[int]]) -> None:
    verdict = judge(changed(await tabulated(), b"t:list|C", plant))
    assert not verdict.clean
    assert all("cell list|C" in difference for difference in verdict.lost + verdict.doubled)
    assert bool(verdict.doubled) == (plant is not minus_one)


@pytest.mark.parametrize("plant", [plus_one, swapped])
async def test_a_planted_fault_in_a_unit_is_found(plant: Callable[[list[int]], list[int]]) -> None:
    assert not judge(changed(await tabulated(), b"u:list|U", plant)).clean


async def test_a_lost_unit_is_found() -> None:
    seen = await tabulated()
    hashes = {number: dict(fields) for number, fields in seen.hashes.items()}
    hashes[0].pop(next(name for name in hashes[0] if name.startswith(b"u:")))
    assert judge(seen._replace(hashes=hashes)).lost


async def test_a_store_that_stopped_short_is_found() -> None:
    seen = await tabulated()
    log = {n: [*records, records[0]._replace(offset=len(records))] for n, records in seen.log.items()}
    assert judge(seen._replace(log=log)).lost


async def test_quarantine_must_hold_what_was_refused_and_nothing_else() -> None:
    seen = await tabulated()
    assert judge(seen._replace(quarantine=[*seen.quarantine, *seen.quarantine])).clean, "twice is allowed"
    assert judge(seen._replace(quarantine=seen.quarantine[1:])).lost
    sound = next((0, r.offset) for r in seen.log[0] if (0, r.offset) not in set(seen.quarantine))
    assert judge(seen._replace(quarantine=[*seen.quarantine, sound])).doubled


async def test_a_wrong_figure_in_what_is_published_is_found() -> None:
    seen = await tabulated()
    snapshot = copy.deepcopy(dict(seen.snapshot))
    snapshot["contests"][0]["areas"][0]["counts"]["P"] += 1
    assert judge(seen._replace(snapshot=snapshot)).doubled
    snapshot["contests"][0]["areas"].pop(0)
    assert judge(seen._replace(snapshot=snapshot)).lost


async def test_a_revision_in_between_that_was_wrong_is_found() -> None:
    """Right at the end is not enough: what was shown at nine o'clock must have been true at nine o'clock."""
    seen = await tabulated()
    half = {number: len(records) // 2 for number, records in seen.log.items()}
    oracle = Oracle(DEFINITION, PARTITIONS)
    for number, offset in half.items():
        oracle.fold(seen.log[number][:offset])
    figures = {("list", "C"): dict(oracle.totals["list", "C"])}
    true = Shown(3, half, figures)
    assert verdict_on(DEFINITION, seen, Audience("", shown={3: true})).clean
    figures["list", "C"]["P"] += 1
    wrong = verdict_on(DEFINITION, seen, Audience("", shown={3: replace(true, figures=figures)}))
    assert wrong.doubled == [
        f"revision 3 list|C P: {figures['list', 'C']['P']}, expected {figures['list', 'C']['P'] - 1}"
    ]
