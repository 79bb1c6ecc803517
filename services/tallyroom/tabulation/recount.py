"""Totals from nothing, for the auditor: what every unit adds, summed by plain loops, without any running sum.

Written from docs/architecture.md ("The row") and docs/http.md, not from the code that makes the totals; only names of columns are
common to both. A row is the counters below, then the contest's measures, then its selections.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from tallyroom.domain.election import CandidateVotes, Closure, Contest, Definition
from tallyroom.domain.events import Disposition, Kind

Key = tuple[str, str, str | None]
"""(contest, unit, count group)."""

Place = tuple[str, str]
"""(contest, area)."""

COUNTERS: Final = (
    "complete", "partial", "held", "annulled", "not_opened", "cancelled", "registered_complete", "registered_partial",
    "registered_held", "registered_apart", "registered_change", "partial_room", "without_register", "cast_held",
    "cast_annulled", "settled_without_roll",
)  # fmt: skip


class Held(NamedTuple):
    """The newest accepted report of a leaf. ``figures``: measures, then selections, as the contest had them at the time."""

    version: int
    at: int  # reported_at, ms since 1970
    kind: str
    disposition: str
    parts: tuple[int, int]
    registered: int | None
    figures: tuple[int, ...]


def state(held: Held, figures: int) -> tuple[int, ...]:
    """The report as a unit's state in the store (docs/exactly-once.md), with this many figures."""
    code = tuple(Kind).index(Kind(held.kind)) * 8 + tuple(Disposition).index(Disposition(held.disposition))
    registered = -1 if held.registered is None else held.registered
    later = (0,) * (figures - len(held.figures))
    return (held.version, held.at, code, *held.parts, registered, *held.figures, *later)


class Register(NamedTuple):
    """The register that the definition gives a leaf; ``secondary``: its voters stand with the unit's first count group."""

    defined: int | None
    secondary: bool


class Sheet:
    """A contest as a result sheet has it: names of the figures in their order, and whose votes count as whose."""

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.measures = contest.accounting.measures
        self.selections = tuple(selection.id for selection in contest.selections)
        self.figures = (*self.measures, *self.selections)
        self.names = (*COUNTERS, *self.figures)
        self.heirs = dict(self._heirs())

    def _heirs(self) -> Iterator[tuple[str, str]]:
        """Of every withdrawn selection whose votes count otherwise: who has them in the end, or "invalid"."""
        follows = {selection.id: selection.counts_as for selection in self.contest.selections}
        for name, heir in follows.items():
            while heir is not None and follows.get(heir) is not None:
                heir = follows[heir]
            if heir is not None:
                yield name, heir

    def said(self, held: Held) -> dict[str, int]:
        """The report's figures by name; selections added after it have no votes."""
        return dict(zip(self.figures, self.whole(held), strict=True))

    def whole(self, held: Held) -> tuple[int, ...]:
        """The report's figures in the sheet's order of today."""
        return held.figures + (0,) * (len(self.figures) - len(held.figures))

    def as_they_count(self, held: Held) -> tuple[int, ...]:
        """The figures with the votes of withdrawn selections where the amendment says that they count."""
        if not self.heirs:
            return self.whole(held)
        said = self.said(held)
        counted = dict(said)
        for name, heir in self.heirs.items():
            counted[name] -= said[name]
            if heir != "invalid":
                counted[heir] += said[name]
                continue
            for measure, change in (("valid", -said[name]), ("invalid", said[name])):
                if measure in self.measures:
                    counted[measure] += change
        return tuple(counted[name] for name in self.figures)


Adds = tuple[dict[str, int], tuple[int, ...]]
"""Counters that are not 0, and figures in the sheet's order; no figures at all where they are in no total."""


def adds(sheet: Sheet, unit: str, register: Register, held: Held) -> Adds:
    """What the leaf adds to its area and to every area above."""
    closure = sheet.contest.closed_units.get(unit)
    if held.kind == "retraction" or closure is Closure.MERGED:
        return {}, ()
    reported = _reported(register, held)
    behind = (held.registered if reported else register.defined) or 0
    counters = {"registered_change": behind - (register.defined or 0)} if reported else {}
    if held.disposition == "counted":
        counters |= _counted(sheet, held, behind)
        if register.defined is None and not reported:
            counters["without_register"] = 1
        if closure is not None:  # its ballots stay in the totals, it is no longer one of the units
            return counters | {"complete": 0, "partial": 0, "partial_room": 0}, sheet.as_they_count(held)
        return counters | _settled(register, held), sheet.as_they_count(held)
    if closure is not None:
        return {}, ()
    return counters | _apart(sheet, held, behind) | _settled(register, held), ()


def _counted(sheet: Sheet, held: Held, behind: int) -> dict[str, int]:
    reported, expected = held.parts
    if reported >= expected:
        return {"complete": 1, "registered_complete": behind}
    return {"partial": 1, "registered_partial": behind, "partial_room": max(0, behind - ballots_cast(sheet, held))}


def _settled(register: Register, held: Held) -> dict[str, int]:
    """A leaf to which the definition gives no roll, once nothing more is awaited of it."""
    awaited = held.disposition == "held" or (held.disposition == "counted" and held.parts[0] < held.parts[1])
    return {} if awaited or register.defined is not None else {"settled_without_roll": 1}


def _apart(sheet: Sheet, held: Held, behind: int) -> dict[str, int]:
    """Counters of a unit whose counts are in no total."""
    if held.disposition == "held":
        return {"held": 1, "registered_held": behind, "cast_held": ballots_cast(sheet, held)}
    counters = {held.disposition: 1, "registered_apart": behind}
    return counters | {"cast_annulled": ballots_cast(sheet, held)} if held.disposition == "annulled" else counters


def _reported(register: Register, held: Held) -> bool:
    return held.registered is not None and not register.secondary


def moved(sheet: Sheet, unit: str, register: Register, before: Held, now: Held) -> dict[str, tuple[int, int]]:
    """Figures, and ``registered``, of which the leaf brings more or less than before: (before, now), in the sheet's order."""
    nothing = (0,) * len(sheet.figures)
    old, new = (adds(sheet, unit, register, held)[1] or nothing for held in (before, now))
    found = {name: (was, is_now) for name, was, is_now in zip(sheet.figures, old, new, strict=True) if is_now != was}
    was, is_now = (standing(register, held) for held in (before, now))
    if was is not None and is_now is not None and was != is_now:
        found["registered"] = (was, is_now)
    return found


def fallen(sheet: Sheet, unit: str, register: Register, before: Held, now: Held) -> set[str]:
    """Figures, and ``registered``, of which the leaf brings less than before."""
    return {name for name, (was, is_now) in moved(sheet, unit, register, before, now).items() if is_now < was}


def standing(register: Register, held: Held) -> int | None:
    """The register in force; a retraction takes a reported one back."""
    return held.registered if _reported(register, held) and held.kind != "retraction" else register.defined


def ballots_cast(sheet: Sheet, held: Held) -> int:
    """Ballots cast, as reported; 0 where the contest does not say."""
    cast = sheet.contest.accounting.cast
    return 0 if cast is None else held.figures[sheet.measures.index(cast)]


def recount(sheet: Sheet, leaves: Iterable[tuple[str, Register, Held]]) -> dict[str, dict[str, int]]:
    """Sums by area of the contest, every area of it, from (unit, register, newest report) of all its leaves."""
    contest = sheet.contest
    sums = {area: dict.fromkeys(sheet.names, 0) for area in contest.areas}
    rows: dict[str, list[tuple[int, ...]]] = {area: [] for area in contest.areas}
    for unit, register, held in leaves:
        counters, figures = adds(sheet, unit, register, held)
        area = contest.units[unit]
        for name, value in counters.items():
            sums[area][name] += value
        if figures:
            rows[area].append(figures)
    for area, reported in rows.items():
        if reported:
            sums[area] |= dict(zip(sheet.figures, map(sum, zip(*reported, strict=True)), strict=True))
    for area in _leaves_first(contest):
        parent = contest.areas[area]
        if parent is not None:
            above = sums[parent]
            for name, value in sums[area].items():
                above[name] += value
    return sums


def _leaves_first(contest: Contest) -> Iterator[str]:
    """Every area after all areas below it."""

    def depth(area: str) -> int:
        parent = contest.areas[area]
        return 0 if parent is None else 1 + depth(parent)

    yield from sorted(contest.areas, key=depth, reverse=True)


def defined(definition: Definition, contest: Contest) -> dict[str, dict[str, int]]:
    """What the definition expects of each area: ``units``, ``registered``, ``without_register``, areas below included."""
    registers = {unit.id: unit.registered for unit in definition.units}
    sums = {area: {"units": 0, "registered": 0, "without_register": 0} for area in contest.areas}
    for unit, place in contest.units.items():
        closure = contest.closed_units.get(unit)
        area: str | None = place
        while area is not None:
            into = sums[area]
            into["units"] += 0 if closure is not None else len(contest.count_groups) or 1
            into["registered"] += 0 if closure is Closure.MERGED else registers[unit] or 0
            into["without_register"] += int(registers[unit] is None and closure is None)
            area = contest.areas[area]
    return sums


def published(contest: Contest, sums: Mapping[str, int], expected: Mapping[str, int]) -> dict[str, int | None]:
    """The whole numbers that a snapshot must show of an area, by their path in it (docs/http.md)."""
    measures = contest.accounting.measures
    voters = expected["registered"] + sums["registered_change"]
    cast = contest.accounting.cast
    inside = contest.accounting.candidate_votes is CandidateVotes.INSIDE
    choices = [item.id for item in contest.selections if not (inside and item.parent is not None)]
    base = 0
    for name in contest.accounting.share_base:
        base += sum(sums[choice] for choice in choices) if name == "selections" else sums[name]
    return {
        "units_reported": sums["complete"],
        "units_expected": expected["units"],
        "units_partial": sums["partial"],
        "units_held": sums["held"],
        "units_annulled": sums["annulled"],
        "units_not_opened": sums["not_opened"],
        "units_cancelled": sums["cancelled"],
        "units_without_register": expected["without_register"],
        "voters_registered": voters if voters or not expected["without_register"] else None,
        "voters_registered_reported": sums["registered_complete"] + sums["registered_partial"],
        "voters_registered_held": sums["registered_held"],
        "ballots_cast": sums[cast] if cast is not None else None,
        "ballots_cast_held": sums["cast_held"],
        "ballots_cast_annulled": sums["cast_annulled"],
        "share_denominator.value": base,
        **{f"ballots.{name}": sums[name] for name in measures},
        **{f"counts.{item.id}": sums[item.id] for item in contest.selections},
    }
