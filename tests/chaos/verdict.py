"""Whether store and public are what the log comes to: every difference is something lost or something doubled."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.chaos.audience import Audience, Shown, figures
from tests.chaos.oracle import Figures, Oracle, Place, Read

COUNTERS: Final = (
    16  # columns of a stored row before measures and selections; the first is "complete" (docs/exactly-once.md)
)
STATE: Final = 6  # numbers of a stored unit state before its figures; the first is the version
MEASURES: Final = ("cast", "valid")

Hashes = Mapping[int, Mapping[bytes, bytes]]
"""Fields of each partition's hash, read straight from the server."""


@dataclass
class Verdict:
    """Differences in words. Empty lists: nothing was lost and nothing counted twice."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is no difference at all."""
        return not self.lost and not self.doubled

    def compare(self, what: str, found: int, expected: int) -> None:
        """Less than expected is lost, more is doubled."""
        if found != expected:
            (self.lost if found < expected else self.doubled).append(f"{what}: {found}, expected {expected}")

    def places(self, what: str, found: Mapping[Place, Figures], expected: Mapping[Place, Figures]) -> None:
        """Compare figure by figure; a place that is not there has zeroes."""
        for place in sorted({*found, *expected}):
            left, right = found.get(place, {}), expected.get(place, {})
            for name in sorted({*left, *right}):
                self.compare(f"{what} {'|'.join(place)} {name}", left.get(name, 0), right.get(name, 0))


class Seen(NamedTuple):
    """Everything that is compared with the log."""

    log: Mapping[int, Sequence[Read]]
    hashes: Hashes
    quarantine: Sequence[tuple[int, int]]
    snapshot: Mapping[str, Any]


def verdict_on(definition: bytes, seen: Seen, audience: Audience | None) -> Verdict:
    """Fold the log and compare everything; with an audience also every revision that it was shown."""
    oracle = Oracle(definition, len(seen.log))
    verdict = as_they_came(oracle, seen.log, audience or Audience(""))
    ends = {number: len(records) for number, records in seen.log.items()}
    found = judged(oracle, seen.hashes, ends)
    quarantine(found, oracle, seen.quarantine)
    published(found, oracle, seen.snapshot)
    return Verdict(verdict.lost + found.lost, verdict.doubled + found.doubled)


def judged(oracle: Oracle, hashes: Hashes, ends: Mapping[int, int]) -> Verdict:
    """Compare what the store holds with the oracle that has folded the whole log."""
    verdict = Verdict()
    for number, end in ends.items():
        verdict.compare(f"offset of partition {number}", int(hashes[number].get(b"off", b"0")), end)
        _fates(verdict, oracle, number, hashes[number])
    verdict.places("cell", cells(oracle, hashes), {place: dict(found) for place, found in oracle.totals.items()})
    _units(verdict, oracle, hashes)
    return verdict


def cells(oracle: Oracle, hashes: Hashes) -> dict[Place, Figures]:
    """Totals of the areas, summed over partitions."""
    made: dict[Place, Figures] = {}
    for fields in hashes.values():
        for name, value in fields.items():
            if name.startswith(b"t:"):
                contest, _, area = name[2:].decode().partition("|")
                row = unpacked(value)
                names = ("units", *MEASURES, *oracle.selections[contest])
                sums = made.setdefault((contest, area), {})
                for key, number in zip(names, (row[0], *row[COUNTERS:]), strict=True):
                    sums[key] = sums.get(key, 0) + number
    return made


def _units(verdict: Verdict, oracle: Oracle, hashes: Hashes) -> None:
    found: dict[Place, tuple[int, ...]] = {}
    for fields in hashes.values():
        for name, value in fields.items():
            if name.startswith(b"u:"):
                contest, _, unit = name[2:].decode().partition("|")
                verdict.compare(f"owners of {contest}|{unit}", 1 + ((contest, unit) in found), 1)
                found[contest, unit] = unpacked(value)
    for place in sorted({*found, *oracle.newest}):
        state, newest = found.get(place), oracle.newest.get(place)
        verdict.compare(f"unit {'|'.join(place)} version", state[0] if state else 0, newest.version if newest else 0)
        if state is not None and newest is not None:
            votes = [newest.ballots[name] for name in MEASURES]
            votes += [newest.counts[name] for name in oracle.selections[place[0]]]
            for number, (left, right) in enumerate(zip(state[STATE:], votes, strict=True)):
                verdict.compare(f"unit {'|'.join(place)} figure {number}", left, right)


def _fates(verdict: Verdict, oracle: Oracle, number: int, fields: Mapping[bytes, bytes]) -> None:
    """The partition's own counts of what became of its records."""
    if b"s" not in fields:
        return
    accepted, _, duplicates, late = unpacked(fields[b"s"])[:4]
    fates = oracle.fates[number]
    verdict.compare(f"accepted in partition {number}", accepted, fates.accepted)
    verdict.compare(f"duplicates in partition {number}", duplicates, fates.duplicates)
    verdict.compare(f"late in partition {number}", late, fates.late)


def quarantine(verdict: Verdict, oracle: Oracle, records: Iterable[tuple[int, int]]) -> None:
    """Every refused record must be there, by its source position; twice is allowed, one that was not refused is not."""
    kept = set(records)
    refused = {(number, offset) for number, fates in oracle.fates.items() for offset in fates.refused}
    verdict.lost += [f"quarantine has no record of {n}:{offset}" for n, offset in sorted(refused - kept)]
    verdict.doubled += [f"quarantine has {n}:{offset}, which was not refused" for n, offset in sorted(kept - refused)]


def published(verdict: Verdict, oracle: Oracle, snapshot: Mapping[str, Any]) -> None:
    """Compare the whole published snapshot."""
    verdict.places("published", figures(snapshot), {place: dict(found) for place, found in oracle.totals.items()})


def as_they_came(oracle: Oracle, log: Mapping[int, Sequence[Read]], audience: Audience) -> Verdict:
    """Every revision that was shown must be the log up to its ``as_of``: not only the last one. Folds the log to its end."""
    verdict, at = Verdict(lost=list(audience.complaints)), dict.fromkeys(log, 0)
    for shown in sorted(audience.shown.values(), key=lambda one: one.revision):
        for number, offset in shown.as_of.items():
            oracle.fold(log[number][at[number] : offset])
            at[number] = offset
        _one(verdict, oracle, shown)
    for number, records in log.items():
        oracle.fold(records[at[number] :])
    return verdict


def _one(verdict: Verdict, oracle: Oracle, shown: Shown) -> None:
    expected = {place: oracle.totals.get(place, {}) for place in shown.figures}
    verdict.places(f"revision {shown.revision}", shown.figures, expected)


def unpacked(value: bytes) -> tuple[int, ...]:
    """Little-endian 64-bit integers."""
    return struct.unpack(f"<{len(value) // 8}q", value)
