"""What one partition's prefix says beside its totals, written down by the auditor as it reads: what results are derived from.

Corrections, units apart, refused reports that wait, decisions of operators, when units were first heard of, and the words of
others are read here by code of the auditor's own, written from docs/quarantine.md and docs/http.md, not from the journal that a
tabulator keeps. Flags are opinions of the plausibility rules: there the rules that the fold asks are asked again.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tallyroom.codec.events import Desk, Report
from tallyroom.domain.events import SOFT, Refusal
from tallyroom.results.flags import FlagLedger, ShownFlag
from tallyroom.tabulation.audit import Book, milliseconds
from tallyroom.tabulation.doubts import after_amendment, after_report, doubts
from tallyroom.tabulation.heard import Heard
from tallyroom.tabulation.plan import Leaf, Plan
from tallyroom.tabulation.plausible import Flagged
from tallyroom.tabulation.recount import Held, Key, ballots_cast, moved, standing, state
from tallyroom.tabulation.supersede import Refused, State, split, state_of

MOST_WAITING: Final = 1000
"""Reports of one partition that are listed as waiting (docs/quarantine.md)."""

_WAIT: Final = SOFT | {
    Refusal.UNKNOWN_UNIT, Refusal.CLOSED_UNIT, Refusal.DEFINITION_MISMATCH, Refusal.WRONG_ROUND, Refusal.UNKNOWN_SELECTION,
    Refusal.MISSING_SELECTION, Refusal.UNKNOWN_MEASURE, Refusal.MISSING_MEASURE, Refusal.EQUIVOCATION, Refusal.SOURCE_FROZEN,
}  # fmt: skip
_NO_REASON: Final = "reason not stated by source"

Item = dict[str, Any]
"""A JSON object."""


class Minutes:
    """Of one partition. Tell it of every event as its `Book` has judged it, in offset order."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self.asides: dict[
            str, tuple[int, bool, Item]
        ] = {}  # by event id: offset, whether it stands everywhere, the event
        self.corrections: dict[str, list[Item]] = {}  # by contest
        self.apart: dict[Key, Item] = {}
        self.waiting: dict[str, dict[int, Item]] = {}  # by leaf and version
        self.released: dict[int, Item] = {}  # by offset
        self.heard = Heard()
        self.flags = FlagLedger()
        self._carried: dict[Key, tuple[Flagged, ...]] = {}
        self._corrected: set[Key] = set()

    # -- events that are no reports

    def aside(self, event: Any, everywhere: bool, offset: int, said: Item) -> None:
        """An accepted event; ``said``: as it was sent."""
        self.asides[event.id] = (offset, everywhere, said)
        if isinstance(event, Desk) and event.act == "reject" and event.contest is not None and event.unit is not None:
            versions = self.waiting.get(_leaf((event.contest, event.unit, event.count_group)), {})
            versions.pop(event.version or 0, None)

    def amended(self, book: Book, before: Plan, offset: int) -> None:
        """The definition is another one: flags of units that carry some, or whose register it changes, are asked for again."""
        for key, held in book.units.items():
            carried, leaf = self._carried.get(key, ()), _leaf_of(book.plan, key)
            if carried or _leaf_of(before, key).registered != leaf.registered:
                known = state(held, leaf.plan.length)
                self._carry(key, leaf, known, after_amendment(leaf, known, split(leaf, known)[1], carried), offset)

    # -- reports

    def report(self, book: Book, report: Report, offset: int, before: Held | None, fate: Refusal | str) -> None:
        """A report and what the book made of it; ``before``: the leaf's newest until then."""
        key = (report.contest, report.unit, report.count_group)
        if isinstance(fate, Refusal):
            self._refused(report, key, offset, before, fate)
        elif fate == "late":
            self.heard.older(report.contest, report.source)
        elif fate == "accepted":
            self._accepted(book, report, offset, (before, book.units[key]))

    def _refused(self, report: Report, key: Key, offset: int, before: Held | None, fate: Refusal) -> None:
        """It waits unless its unit has said something newer since."""
        newest = 0 if before is None else before.version
        if report.version < newest or (report.version == newest and fate is not Refusal.EQUIVOCATION):
            return
        versions = self.waiting.setdefault(_leaf(key), {})
        known = versions.get(report.version)
        if fate not in _WAIT:
            versions.pop(report.version, None)
        elif known is None or known["code"] != fate:
            if known is None and sum(map(len, self.waiting.values())) >= MOST_WAITING:
                return
            versions[report.version] = {
                "partition": self._partition, "offset": offset, "contest": report.contest, "unit": report.unit,
                "group": report.count_group, "version": report.version, "at": milliseconds(report.reported_at),
                "code": str(fate),
            }  # fmt: skip

    def _accepted(self, book: Book, report: Report, offset: int, states: tuple[Held | None, Held]) -> None:
        before, now = states
        key = (report.contest, report.unit, report.count_group)
        versions = self.waiting.get(_leaf(key), {})
        for version in [version for version in versions if version <= now.version]:
            del versions[version]
        if before is None:
            self.heard.first(report.contest, now.at)
        self._doubt(book, report, offset, states)
        sheet, register = book.sheets[report.contest], book.register(key)
        steps = {} if before is None else moved(sheet, report.unit, register, before, now)
        fell = {name: pair for name, pair in steps.items() if pair[1] < pair[0]}
        item: Item = {
            "offset": offset, "contest": report.contest, "unit": report.unit, "group": report.count_group,
            "area": sheet.contest.units[report.unit], "version": now.version, "at": now.at, "kind": now.kind,
            "reason": report.release_reason or report.reason or (_NO_REASON if fell else None),
            "disposition": now.disposition if _is_apart(before) or _is_apart(now) else None, "released": report.released,
        }  # fmt: skip
        if report.released is not None:
            self.released[offset] = _said(item)
        if _is_apart(now) and now.kind != "retraction":
            behind = {"registered": standing(register, now), "cast": ballots_cast(sheet, now)}
            self.apart[key] = {**_said(item), **behind}
        else:
            self.apart.pop(key, None)
        if before is None or not steps:
            return
        if fell or now.kind != "counted":
            self._corrected.add(key)
        elif key not in self._corrected or not (_is_apart(before) or before.kind == "retraction" or _is_apart(now)):
            return  # figures that were out come back: a correction if one went before
        more = {"partition": self._partition, "superseded": before.version, "fell": fell or None, "changed": steps}
        self.corrections.setdefault(report.contest, []).append(_said({**item, **more}))

    # -- flags

    def _doubt(self, book: Book, report: Report, offset: int, states: tuple[Held | None, Held]) -> None:
        """The flags that the unit carries after an accepted report."""
        key = (report.contest, report.unit, report.count_group)
        leaf, carried = _leaf_of(book.plan, key), self._carried.get(key, ())
        before, now = states
        known, waived, rules = state(now, leaf.plan.length), _waived(book, report, leaf), leaf.plan.rules
        figures = split(leaf, known)[1]
        steps = (None if before is None else split(leaf, state(before, leaf.plan.length))[1], figures)
        asked = carried or waived or leaf.compared or now.registered is not None or rules.odd(figures, leaf.most_cast)
        if not asked and (steps[0] is None or not rules.leaps(steps[0], figures)):
            return  # nothing that a rule would look at closely
        found = doubts(leaf, steps, known, waived, report.reason is not None)
        if found or carried:
            self._carry(key, leaf, known, after_report(steps, found, carried), offset)

    def _carry(self, key: Key, leaf: Leaf, known: State, flags: tuple[Flagged, ...], offset: int) -> None:
        if flags == self._carried.get(key, ()):
            return
        self._carried[key] = flags
        shown = [
            ShownFlag(
                code=flag.code, text=flag.text, figures=flag.figures, contest=leaf.plan.id, area=leaf.area, unit=leaf.unit,
                group=leaf.group, version=known[0], at=known[1], place=(self._partition, offset),
            )
            for flag in flags
        ]  # fmt: skip
        self.flags.take((self._partition, *key), shown)


def _waived(book: Book, report: Report, leaf: Leaf) -> list[Refused]:
    """What speaks against a report that operators let in, or whose source is accepted with a flag."""
    waived: list[Refused] = []
    if report.released is not None or report.source in book.flagging:
        state_of(report, leaf, waived)
    return waived


def _leaf_of(plan: Plan, key: Key) -> Leaf:
    leaf = plan.leaf(plan.contests[key[0]], key[1], key[2])
    if leaf is None:
        raise KeyError(key)
    return leaf


def _leaf(key: Key) -> str:
    contest, unit, group = key
    return f"{contest}|{unit}" + (f"#{group}" if group else "")


def _is_apart(held: Held | None) -> bool:
    return held is not None and held.disposition != "counted"


def _said(item: Mapping[str, Any]) -> Item:
    """Without what is not said."""
    return {name: value for name, value in item.items() if value is not None}


def in_order(items: Iterable[Item]) -> list[Item]:
    """Corrections in the order in which they were reported."""
    return sorted(items, key=lambda item: (item["at"], item["partition"], item["offset"]))
