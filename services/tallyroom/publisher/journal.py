"""What the partitions' journals say beside the totals, as results need it: events, corrections, units apart, reports that wait."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tallyroom.codec import packed
from tallyroom.codec.events import Amendment, Desk, decode_known, everywhere
from tallyroom.codec.layout import guarded, unguarded
from tallyroom.codec.marks import Thaw, thaw_of
from tallyroom.domain.events import Amendment as DomainAmendment
from tallyroom.domain.events import Disposition, Kind
from tallyroom.results.flags import FlagLedger
from tallyroom.store.base import TotalsStore
from tallyroom.tabulation.notes import Wait, Waits

_INNER: Final = frozenset({"entry", "event", "chain", "settles", "code"})

_EVERYWHERE: Final = -1
"""In place of the partition of an event that stands in all of them."""

Listed = Mapping[str, Sequence[Mapping[str, Any]]]
"""JSON objects by contest."""


async def entries_between(store: TotalsStore, partition: int, start: int, end: int) -> list[packed.Entry] | None:
    """Journal entries ``start`` to ``end`` - 1 of a cut; None if the store lost one of them since: a hole would never be filled.

    Raises StoreUnavailable, OtherLayout.
    """
    names = [packed.journal_name(index) for index in range(start, end)]
    found = unguarded(await store.units(partition, guarded(names)), partition) if names else ()
    return None if None in found else [packed.decode_entry(data) for data in found if data is not None]


class Journals:
    """Journal entries of all partitions, read in order; one that is read again, after a rollback, changes nothing."""

    def __init__(self) -> None:
        self._asides: dict[tuple[int, int, str], dict[str, Any]] = {}  # JSON objects by partition, offset and event id
        self._in_order: list[dict[str, Any]] | None = None
        self.amendments: dict[str, tuple[DomainAmendment, str]] = {}  # by id, with the chain hash reached
        self._corrections: dict[str, dict[tuple[int, int, int], dict[str, Any]]] = defaultdict(dict)
        self._corrected: set[tuple[int, str, str, str | None]] = set()  # partition, contest, unit, group
        self._apart: dict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        self._released: dict[tuple[int, int], dict[str, Any]] = {}  # by partition and offset
        self._waits: dict[int, Waits] = defaultdict(Waits)
        self.flags = FlagLedger()
        self.thaws: list[Thaw] = []  # acts that let publication go on

    def remember(self, partition: int, entry: packed.Entry) -> str | None:
        """Take an entry in. The contest beside whose totals something changed, None if the entry is about no contest's units."""
        raw = bytes(entry.event)
        if raw:
            self._event(raw, entry, partition)
            return None
        contest = entry.contest or ""
        if entry.entry == "flags":
            leaf = (partition, contest, entry.unit or "", entry.group)
            self.flags.take(leaf, [packed.shown_flag(entry, partition, flagged) for flagged in packed.flags_of(entry)])
            return contest
        if entry.changed is not None and self._corrects(partition, contest, entry):
            self._corrections[contest][entry.at or 0, partition, entry.offset] = _shown(partition, entry)
        if entry.released is not None:
            self._released[partition, entry.offset] = _some(
                entry, "fell", "changed", "superseded", "registered", "cast"
            )
        if entry.disposition is not None:
            self._note_apart(contest, partition, entry)
        packed.follow(self._waits[partition], entry)
        return contest

    def _corrects(self, partition: int, contest: str, entry: packed.Entry) -> bool:
        """Whether it is a correction: by what it lowers or calls itself, or because it follows one of the same unit."""
        leaf = (partition, contest, entry.unit or "", entry.group)
        if entry.fell or entry.kind != Kind.COUNTED:
            self._corrected.add(leaf)
        return leaf in self._corrected

    def forget(self, partition: int) -> None:
        """The partition's journal may be another one from here on: it is read again from its start."""
        self._waits.pop(partition, None)
        self.flags.forget(partition)
        self._asides = {key: event for key, event in self._asides.items() if key[0] != partition}
        self._in_order = None
        self._released = {place: item for place, item in self._released.items() if place[0] != partition}
        self._corrected = {leaf for leaf in self._corrected if leaf[0] != partition}
        for listed in self._corrections.values():
            for key in [key for key in listed if key[1] == partition]:
                del listed[key]
        for units in self._apart.values():
            for unit in [unit for unit, item in units.items() if item["partition"] == partition]:
                del units[unit]

    def asides(self) -> Sequence[Mapping[str, Any]]:
        """Accepted events that are no reports, by partition and offset, whatever partition was read first.

        Those that stand in every partition come first, and once.
        """
        if self._in_order is None:
            self._in_order = [self._asides[key] for key in sorted(self._asides)]
        return self._in_order

    def corrections(self) -> Listed:
        """By contest, in the order in which they were reported (ties: by partition and offset)."""
        return {contest: [listed[key] for key in sorted(listed)] for contest, listed in self._corrections.items()}

    def released(self) -> Sequence[Mapping[str, Any]]:
        """Reports that operators let through, by partition and offset."""
        return [self._released[place] for place in sorted(self._released)]

    def apart(self) -> Listed:
        """Units whose newest report is held, annulled, not opened or cancelled, by contest, ordered by unit."""
        return {contest: [listed[key] for key in sorted(listed)] for contest, listed in self._apart.items() if listed}

    def waiting(self) -> Listed:
        """Reports that wait, by contest, ordered by unit and version."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for partition, wait in self.waits():
            found[wait.contest].append({"partition": partition, **wait._asdict()})
        for listed in found.values():
            listed.sort(key=lambda item: (item["unit"], item["group"] or "", item["version"]))
        return found

    def waits(self) -> list[tuple[int, Wait]]:
        """Every report that waits, with its partition."""
        return [(partition, wait) for partition, waits in sorted(self._waits.items()) for wait in waits]

    def _event(self, raw: bytes, entry: packed.Entry, partition: int) -> None:
        event = decode_known(raw)
        if isinstance(event, Amendment):
            self.amendments[event.id] = (event.to_domain(), entry.chain or "")
        else:
            key = (_EVERYWHERE, 0, event.id) if everywhere(event) else (partition, entry.offset, event.id)
            self._asides[key] = msgspec.json.decode(raw)
            self._in_order = None
        if isinstance(event, Desk):
            self._waits[partition].reject(event)
        if isinstance(event, Desk) and (thaw := thaw_of(event, partition, entry.offset)) is not None:
            self.thaws.append(thaw)

    def _note_apart(self, contest: str, partition: int, entry: packed.Entry) -> None:
        key = (entry.unit or "", entry.group or "")
        known = self._apart[contest].get(key)
        if known is not None and known["version"] > (entry.version or 0):
            return  # read again: something newer was said since
        if entry.disposition == Disposition.COUNTED or entry.kind == "retraction":
            self._apart[contest].pop(key, None)
            return
        self._apart[contest][key] = {"partition": partition, **_some(entry, "fell", "changed", "superseded")}


def _shown(partition: int, entry: packed.Entry) -> dict[str, Any]:
    return {"partition": partition, **_some(entry, "registered", "cast")}


def _some(entry: packed.Entry, *without: str) -> dict[str, Any]:
    members = msgspec.to_builtins(entry)
    return {name: value for name, value in members.items() if name not in _INNER and name not in without}
