"""How totals, unit states and the rest of a partition's hash look in the store. docs/exactly-once.md lists the fields.

Rows and states are little-endian 64-bit integers, nothing else: any language unpacks them, and equal values are equal bytes.
Which release packed them, the field ``log`` says (`tallyroom.codec.layout`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from functools import lru_cache
from struct import Struct
from typing import Final

import msgspec

from tallyroom.domain.plausibility import Flag
from tallyroom.results.flags import ShownFlag
from tallyroom.tabulation.doubts import Doubt
from tallyroom.tabulation.fold import Tallies
from tallyroom.tabulation.heard import Heard
from tallyroom.tabulation.notes import Note, Wait, Waits
from tallyroom.tabulation.plausible import Flagged

DEFINITION: Final = b"def"  # chain hash reached
TALLIES: Final = b"s"
REFUSALS: Final = b"q"  # refused events of the prefix by reason code
HEARD: Final = b"h"  # when units were first heard of, and late reports by source
JOURNAL_LENGTH: Final = b"jc"
CELL: Final = b"t:"
UNIT: Final = b"u:"
JOURNAL: Final = b"j:"

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=256)
def _shape(width: int) -> Struct:
    """The Struct of a row of this many integers."""
    return Struct(f"<{width}q")


def pack(row: tuple[int, ...]) -> bytes:
    """The row as bytes."""
    return _shape(len(row)).pack(*row)


def unpack(data: bytes) -> tuple[int, ...]:
    """The row in ``data``. Raises struct.error if it is no whole number of integers."""
    return _shape(len(data) // 8).unpack(data)


def cell_name(contest: str, area: str) -> bytes:
    """Field of an area's totals."""
    return f"t:{contest}|{area}".encode()


def matched_name(contest: str, area: str) -> bytes:
    """Field of an area's sums over units that were there last time (`tallyroom.tabulation.matched`)."""
    return f"h:{contest}|{area}".encode()


def unit_name(leaf: str) -> bytes:
    """Field of a unit's state."""
    return f"u:{leaf}".encode()


def journal_name(index: int) -> bytes:
    """Field of a journal entry."""
    return b"j:%d" % index


def pack_tallies(tallies: Tallies) -> bytes:
    """The tallies as a row."""
    return pack(astuple(tallies))


def unpack_tallies(data: bytes | None) -> Tallies:
    """The tallies in ``data``; all zero for None."""
    return Tallies() if data is None else Tallies(*unpack(data))


def pack_refusals(refusals: Mapping[str, int]) -> bytes:
    """Refused events by reason code, as JSON."""
    return _encode(dict(sorted(refusals.items())))


def unpack_refusals(data: bytes | None) -> dict[str, int]:
    """Refused events by reason code."""
    return {} if data is None else msgspec.json.decode(data, type=dict[str, int])


class _Heard(msgspec.Struct, frozen=True):
    firsts: dict[str, dict[int, int]]
    late: dict[str, dict[str, int]]


def pack_heard(heard: Heard) -> bytes:
    """What was heard, as JSON."""
    return _encode(_Heard(heard.firsts, heard.late))


def unpack_heard(data: bytes | None) -> Heard:
    """What was heard; nothing for None."""
    if data is None:
        return Heard()
    found = msgspec.json.decode(data, type=_Heard)
    return Heard(found.firsts, found.late)


class FlagEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A flag in the journal (`tallyroom.tabulation.plausible.Flagged`)."""

    code: Flag
    text: str
    figures: dict[str, int] = {}


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A journal entry by log offset.

    ``entry``: "event" (it changes no total), "amendment", "decrease" (an accepted report that lowered figures), "note" (one that
    is remarkable otherwise), "refused" (a report that waits) or "flags" (all that a unit carries from there on; none: they are
    settled). `tallyroom.tabulation.notes` and `tallyroom.tabulation.doubts` say when the last four are written.
    """

    entry: str
    offset: int
    event: msgspec.Raw = msgspec.Raw()  # of an event or amendment
    chain: str | None = None  # of an amendment: the chain hash reached
    contest: str | None = None
    unit: str | None = None
    group: str | None = None
    area: str | None = None
    version: int | None = None
    superseded: int | None = None
    at: int | None = None  # election time, ms since the epoch
    kind: str | None = None
    reason: str | None = None
    fell: dict[str, tuple[int, int]] | None = None
    changed: dict[str, tuple[int, int]] | None = None
    disposition: str | None = None  # None: it is "counted" and was before
    registered: int | None = None
    cast: int | None = None
    settles: bool = False
    code: str | None = None  # of a refused report
    flags: tuple[FlagEntry, ...] = ()
    released: str | None = None  # of an accepted one: PARTITION:OFFSET of the refused record that operators let through


_entry_decoder: Final = msgspec.json.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """The entry as JSON."""
    return _encode(entry)


def decode_entry(data: bytes) -> Entry:
    """The entry in ``data``."""
    return _entry_decoder.decode(data)


def note_entry(note: Note) -> Entry:
    """The journal entry of a remarkable report that was accepted."""
    leaf = note.leaf
    return Entry(
        entry="decrease" if note.fell else "note",
        offset=note.offset,
        contest=leaf.plan.id,
        unit=leaf.unit,
        group=leaf.group,
        area=leaf.area,
        version=note.version,
        superseded=note.before_version,
        at=note.at,
        kind=note.kind,
        reason=note.reason,
        fell=dict(note.fell) or None,
        changed=dict(note.changed) or None,
        disposition=note.disposition,
        registered=note.registered,
        cast=note.cast,
        settles=note.settles,
        released=note.released,
    )


def wait_entry(wait: Wait) -> Entry:
    """The journal entry of a refused report that changed who waits."""
    return Entry(
        entry="refused",
        offset=wait.offset,
        contest=wait.contest,
        unit=wait.unit,
        group=wait.group,
        version=wait.version,
        at=wait.at,
        code=wait.code,
    )


def follow(waits: Waits, entry: Entry) -> None:
    """Who waits after the entry."""
    name = f"{entry.contest}|{entry.unit}" + (f"#{entry.group}" if entry.group else "")
    if entry.settles:
        waits.settle(name, entry.version or 0)
    elif entry.entry == "refused":
        place = (entry.contest or "", entry.unit or "", entry.group)
        waits.refuse(Wait(entry.offset, *place, entry.version or 0, entry.at or 0, entry.code or ""))


def doubt_entry(doubt: Doubt) -> Entry:
    """The journal entry of a unit's flags."""
    leaf = doubt.leaf
    return Entry(
        entry="flags",
        offset=doubt.offset,
        contest=leaf.plan.id,
        unit=leaf.unit,
        group=leaf.group,
        area=leaf.area,
        version=doubt.version,
        at=doubt.at,
        flags=tuple(FlagEntry(flag.code, flag.text, dict(flag.figures)) for flag in doubt.flags),
    )


def flags_of(entry: Entry) -> tuple[Flagged, ...]:
    """The flags that the entry's unit carries from there on."""
    return tuple(Flagged(flag.code, flag.text, flag.figures) for flag in entry.flags)


def shown_flag(entry: Entry, partition: int, flagged: Flagged) -> ShownFlag:
    """One of the entry's flags with its place, as the results show it."""
    return ShownFlag(
        code=flagged.code,
        text=flagged.text,
        figures=flagged.figures,
        contest=entry.contest or "",
        area=entry.area or "",
        unit=entry.unit,
        group=entry.group,
        version=entry.version,
        at=entry.at or 0,
        place=(partition, entry.offset),
    )


def carried_flags(entries: Iterable[Entry]) -> dict[str, tuple[Flagged, ...]]:
    """The flags that units carry after these entries of one journal, by leaf name; a unit without any is left out."""
    carried: dict[str, tuple[Flagged, ...]] = {}
    for entry in entries:
        if entry.entry == "flags":
            name = f"{entry.contest}|{entry.unit}" + (f"#{entry.group}" if entry.group else "")
            carried[name] = flags_of(entry)
    return {name: flags for name, flags in carried.items() if flags}
