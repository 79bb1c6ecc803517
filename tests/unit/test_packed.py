"""Stored bytes: what goes in comes out, and equal values are equal bytes."""

import struct
from dataclasses import astuple, fields, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.codec.layout import ORIGIN
from tallyroom.tabulation.fold import Tallies
from tallyroom.tabulation.rows import complete, counters
from tests.support.elections import Night, Sent, election

integers = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(integers, max_size=40))
def test_rows_come_back(row: list[int]) -> None:
    data = packed.pack(tuple(row))
    assert len(data) == 8 * len(row)
    assert packed.unpack(data) == tuple(row)


def test_rows_are_little_endian_64_bit_integers() -> None:
    assert packed.pack((1, -1)) == b"\x01" + b"\0" * 7 + b"\xff" * 8


def test_a_cut_off_row_is_an_error_not_a_shorter_row() -> None:
    with pytest.raises(struct.error):
        packed.unpack(packed.pack((1, 2))[:-1])


@given(st.lists(st.integers(0, 2**62), min_size=len(fields(Tallies)), max_size=len(fields(Tallies))))
def test_tallies_come_back(values: list[int]) -> None:
    tallies = Tallies(*values)
    assert packed.unpack_tallies(packed.pack_tallies(tallies)) == tallies
    assert astuple(tallies) == tuple(values)


def test_nothing_stored_is_nothing_counted() -> None:
    assert packed.unpack_tallies(None) == Tallies()
    assert packed.unpack_refusals(None) == {}


def test_refusals_are_the_same_bytes_in_any_order() -> None:
    data = packed.pack_refusals({"schema": 2, "accounting": 1})
    assert data == packed.pack_refusals({"accounting": 1, "schema": 2})
    assert packed.unpack_refusals(data) == {"accounting": 1, "schema": 2}


def test_field_names() -> None:
    assert packed.cell_name("list", "A") == b"t:list|A"
    assert packed.unit_name("groups|u1#advance") == b"u:groups|u1#advance"
    assert packed.journal_name(7) == b"j:7"
    own = {packed.DEFINITION, ORIGIN, packed.TALLIES, packed.REFUSALS, packed.JOURNAL_LENGTH}
    assert not any(name.startswith((packed.CELL, packed.UNIT, packed.JOURNAL)) for name in own)


@pytest.mark.parametrize(
    "raw", [b'{"type":"desk","id":"x"}', b' {"type": "desk"}\n', '{"id":"Қ"}'.encode(), b'{"a":[{"b":1e2}]}']
)
def test_an_events_own_bytes_come_back_from_the_journal(raw: bytes) -> None:
    """The journal is what a partition is claimed again from: an event that cannot be read back loses the partition."""
    entry = packed.Entry(entry="event", offset=5, event=msgspec.Raw(raw))
    back = packed.decode_entry(packed.encode_entry(entry))
    assert (back.entry, back.offset) == ("event", 5)
    assert back.event is not None
    assert bytes(back.event).strip() == raw.strip()


def test_an_amendments_chain_comes_back_from_the_journal() -> None:
    entry = packed.Entry(entry="amendment", offset=6, event=msgspec.Raw(b"{}"), chain="c" * 64)
    assert packed.decode_entry(packed.encode_entry(entry)).chain == "c" * 64


def test_a_decrease_comes_back_from_the_journal() -> None:
    night = Night(election(2))
    sent = Sent("groups", "u1", group="advance", numbers=(4, 2))
    night.feed(sent)
    night.feed(replace(sent, version=2, numbers=(3, 3), reason="recounted", kind="recount"))
    (decrease,) = night.folds[0].take().decreases
    entry = packed.note_entry(decrease)
    back = packed.decode_entry(packed.encode_entry(entry))
    assert (back.contest, back.unit, back.area) == ("groups", "u1", "A")
    assert (back.version, back.superseded, back.kind, back.reason) == (2, 1, "recount", "recounted")
    assert back.fell == {"X": (4, 3)}
    assert back.changed == {"X": (4, 3), "Y": (2, 3)}
    assert back.disposition is None, "it is counted and was before"
    assert not packed.encode_entry(back).count(b"event")


def test_the_counters_of_a_complete_unit_are_in_their_columns() -> None:
    for registered, unknown in ((7, 0), (0, 0), (None, 1)):
        expected = counters(
            complete=1, registered_complete=registered or 0, without_register=unknown, settled_without_roll=unknown
        )
        assert complete(registered) == expected
