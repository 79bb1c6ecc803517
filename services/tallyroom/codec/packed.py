"""How totals, unit states and the rest of a partition's hash look in the store. docs/exactly-once.md lists the fields.

Rows and states are little-endian 64-bit integers, nothing else: any language unpacks them, and equal values are equal bytes.
"""

from collections.abc import Mapping
from dataclasses import astuple
from functools import lru_cache
from struct import Struct
from typing import Final

import msgspec

from tallyroom.tabulation.fold import Decrease, Tallies

DEFINITION: Final = b"def"  # chain hash reached
FINGERPRINTS: Final = b"log"  # of record 0 and of record off-1
TALLIES: Final = b"s"
REFUSALS: Final = b"q"  # refused events of the prefix by reason code
JOURNAL_LENGTH: Final = b"jc"
CELL: Final = b"t:"
UNIT: Final = b"u:"
JOURNAL: Final = b"j:"

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=256)
def layout(width: int) -> Struct:
    """The Struct of a row of this many integers."""
    return Struct(f"<{width}q")


def pack(row: tuple[int, ...]) -> bytes:
    """The row as bytes."""
    return layout(len(row)).pack(*row)


def unpack(data: bytes) -> tuple[int, ...]:
    """The row in ``data``. Raises struct.error if it is no whole number of integers."""
    return layout(len(data) // 8).unpack(data)


def cell_name(contest: str, area: str) -> bytes:
    """Field of an area's totals."""
    return f"t:{contest}|{area}".encode()


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


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A journal entry: an event that changes no total, an amendment, or figures that fell, by log offset."""

    entry: str  # "event", "amendment" or "decrease"
    offset: int
    event: msgspec.Raw = msgspec.Raw()  # empty for figures that fell
    chain: str | None = None  # of an amendment: the chain hash reached
    contest: str | None = None
    unit: str | None = None
    area: str | None = None
    version: int | None = None
    superseded: int | None = None
    at: int | None = None  # election time, ms since the epoch
    kind: str | None = None
    reason: str | None = None
    fell: dict[str, tuple[int, int]] | None = None


_entry_decoder: Final = msgspec.json.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """The entry as JSON."""
    return _encode(entry)


def decode_entry(data: bytes) -> Entry:
    """The entry in ``data``."""
    return _entry_decoder.decode(data)


def decrease_entry(decrease: Decrease) -> Entry:
    """The journal entry of figures that fell."""
    leaf = decrease.leaf
    return Entry(
        entry="decrease",
        offset=decrease.offset,
        contest=leaf.plan.id,
        unit=leaf.unit,
        area=leaf.area,
        version=decrease.version,
        superseded=decrease.before_version,
        at=decrease.at,
        kind=decrease.kind,
        reason=decrease.reason,
        fell=dict(decrease.figures),
    )
