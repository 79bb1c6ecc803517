"""A partition's stored fields are a function of its log prefix: not of batches, slices, claims or worker lives."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.log.base import LogRecord
from tallyroom.tabulation.tabulate import tabulate
from tallyroom.tabulator import owned as owned_module
from tests.support.elections import (
    stripped,
)
from tests.support.histories import garbage, released, sent
from tests.support.partition import (
    CHANGES,
    DEFINITION,
    ODD,
    Again,
    Change,
    Item,
    Store,
    act,
    bulletin,
    desk,
    log_of,
    uninterrupted,
)

items: Final[st.SearchStrategy[Item]] = st.one_of(
    sent(DEFINITION),
    sent(DEFINITION),
    garbage(DEFINITION),
    st.builds(desk, st.integers(0, 2)),
    st.builds(lambda number: desk(number, text="other"), st.integers(0, 2)),
    st.builds(
        act, st.sampled_from(("freeze", "thaw", "thaw", "accept_with_flag", "accept_strictly")), st.integers(0, 1)
    ),
    released(DEFINITION),
    st.builds(bulletin, st.integers(0, 2)),
    st.builds(Change, st.integers(0, len(CHANGES) - 1)),
    st.builds(Change, st.integers(0, len(CHANGES) - 1), st.just(ODD)),
    st.builds(Again, st.integers(1, 8)),
    st.sampled_from((b"", b"{", b"[]", b'{"type":"report"}', b"\xff\xfe", b"[" * 5000)),
)


def cut(records: Sequence[LogRecord], cuts: Sequence[int]) -> Iterator[Sequence[LogRecord]]:
    """The records in pieces."""
    edges = sorted({0, len(records), *(at for at in cuts if at < len(records))})
    for start, end in pairwise(edges):
        yield records[start:end]


some_items = st.lists(items, max_size=16)
some_cuts = st.lists(st.integers(1, 15), max_size=6)


@given(some_items, some_cuts)
def test_fields_do_not_depend_on_how_the_log_was_cut_into_batches(written: list[Item], cuts: list[int]) -> None:
    records = log_of(written)
    store = Store()
    owned = store.claim()
    for piece in cut(records, cuts):
        store.run(owned, piece)
    assert store.fields == uninterrupted(records)


@given(some_items, some_cuts)
def test_a_new_owner_continues_as_if_there_had_been_only_one(written: list[Item], cuts: list[int]) -> None:
    """Same batches, but every one of them by an owner that knows nothing but the fields."""
    records = log_of(written)
    kept, renewed = Store(), Store()
    owned = kept.claim()
    for piece in cut(records, cuts):
        kept.run(owned, piece)
        renewed.run(renewed.claim(), piece)
        assert renewed.fields == kept.fields


@given(some_items, some_cuts)
def test_what_was_prepared_but_never_applied_leaves_no_trace(written: list[Item], cuts: list[int]) -> None:
    """A refused or lost apply: the owner's memory is dropped, the records are folded again from the store."""
    records = log_of(written)
    store = Store()
    for piece in cut(records, cuts):
        list(store.claim().prepare(piece))
        store.run(store.claim(), piece)
    plain = Store()
    owned = plain.claim()
    for piece in cut(records, cuts):
        plain.run(owned, piece)
    assert store.fields == plain.fields


@given(some_items)
def test_stored_totals_are_the_sum_of_stored_units(written: list[Item]) -> None:
    records = log_of(written)
    store = Store()
    owned = store.claim()
    store.run(owned, records)
    units = {name[2:].decode(): packed.unpack(v) for name, v in store.fields.items() if name.startswith(packed.UNIT)}
    cells = {
        (name[2:].decode().partition("|")[0], name[2:].decode().partition("|")[2]): packed.unpack(v)
        for name, v in store.fields.items()
        if name.startswith(packed.CELL)
    }
    assert stripped(cells) == stripped(tabulate(owned.fold.plan, units))
    if records:
        tallies = packed.unpack_tallies(store.fields[packed.TALLIES])
        refusals = packed.unpack_refusals(store.fields.get(packed.REFUSALS))
        assert tallies.quarantined == sum(refusals.values())
        met = tallies.accepted + tallies.duplicates + tallies.late + tallies.aside + tallies.amendments
        assert met + tallies.quarantined == len(records), "every record met one fate"


@given(some_items, st.sampled_from((20, 26, 40)))
def test_steps_are_contiguous_and_never_too_wide(written: list[Item], limit: int) -> None:
    records = log_of([item for item in written if not isinstance(item, Change)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owned_module, "MAX_FIELDS", limit)
        store = Store()
        owned = store.claim()
        made = store.run(owned, records)
    assert all(len(prepared.step.fields) <= limit for prepared in made)
    assert [record.offset for prepared in made for record in records[prepared.step.prev : prepared.step.next]] == [
        record.offset for record in records
    ]
    assert sum(len(prepared.refused) for prepared in made) == owned.fold.tallies.quarantined
    assert owned.next == len(records)
