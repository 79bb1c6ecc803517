"""What the partitions' journals say beside the totals, as results need it: events, corrections, units apart, reports that wait."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tallyroom.codec import packed
from tallyroom.codec.events import Amendment, Desk, decode_known
from tallyroom.codec.marks import Thaw, thaw_of
from tallyroom.domain.events import Amendment as DomainAmendment
from tallyroom.domain.events import Disposition, Kind
from tallyroom.results.flags import FlagLedger
from tallyroom.tabulation.notes import Wait, Waits

_INNER: Final = frozenset({"entry", "event", "chain", "settles", "code"})

Listed = Mapping[str, Sequence[Mapping[str, Any]]]
"""JSON objects by contest."""


class Journals:
    """Journal entries of all partitions, read in order; one that is read again, after a rollback, changes nothing."""

    def __init__(self) -> None:
        self.asides: dict[str, dict[str, Any]] = {}  # JSON objects by event id
        self.amendments: dict[str, tuple[DomainAmendment, str]] = {}  # by id, with the chain hash reached
        self._corrections: dict[str, dict[tuple[int, int, int], dict[str, Any]]] = defaultdict(dict)
        self._corrected: set[tuple[str, str, str | None]] = set()  # contest, unit, group
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
        if entry.changed is not None and self._corrects(contest, entry):
            self._corrections[contest][entry.at or 0, partition, entry.offset] = _shown(partition, entry)
        if entry.released is not None:
            self._released[partition, entry.offset] = _some(
                entry, "fell", "changed", "superseded", "registered", "cast"
            )
        if entry.disposition is not None:
            self._note_apart(contest, partition, entry)
        packed.follow(self._waits[partition], entry)
        return contest

    def _corrects(self, contest: str, entry: packed.Entry) -> bool:
        """Whether it is a correction: by what it lowers or calls itself, or because it follows one of the same unit."""
        leaf = (contest, entry.unit or "", entry.group)
        if entry.fell or entry.kind != Kind.COUNTED:
            self._corrected.add(leaf)
        return leaf in self._corrected

    def forget(self, partition: int) -> None:
        """The partition's journal may be another one from here on: it is read again from its start."""
        self._waits.pop(partition, None)
        self.flags.forget(partition)

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
            self.asides[event.id] = msgspec.json.decode(raw)
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
