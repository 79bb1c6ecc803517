"""A partition's stored fields are a function of its log prefix: not of batches, slices, claims or worker lives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec import packed
from tallyroom.codec.events import (
    Amendment,
    AnyEvent,
    CloseUnit,
    Desk,
    Participation,
    ReregisterUnit,
    WithdrawSelection,
    encode_event,
    partition_key,
)
from tallyroom.domain.election import Area, Definition, ReportingUnit
from tallyroom.log.base import LogRecord
from tallyroom.store.base import MAX_FIELDS, Apply, Claim
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.tabulate import tabulate
from tallyroom.tabulator import owned as owned_module
from tallyroom.tabulator.owned import Gap, Owned, Prepared, slice_size
from tests.support.elections import (
    CLOSED_AT,
    ELECTION,
    Sent,
    election,
    garbage,
    list_contest,
    plan_of,
    sent,
    stripped,
)

DEFINITION: Final = election(2)
PLAN: Final = plan_of(DEFINITION)
ODD: Final = "e" * 64

Fields = dict[bytes, bytes]


@dataclass
class Store:
    """One partition of a totals store: absolute values, an epoch and an offset."""

    plan: Plan = PLAN
    fields: Fields = field(default_factory=dict)
    epoch: int = 0
    offset: int = 0

    def claim(self) -> Owned:
        """A new owner from what is stored."""
        self.epoch += 1
        return Owned(Claim(0, self.epoch, self.offset, dict(self.fields)), self.plan, 1)

    def apply(self, step: Apply) -> None:
        """What the store's function does with a step of the newest owner."""
        assert step.epoch == self.epoch
        assert step.prev == self.offset, "steps of a partition are contiguous"
        assert len(step.fields) <= MAX_FIELDS
        self.fields.update(step.fields)
        self.offset = step.next

    def run(self, owned: Owned, records: Sequence[LogRecord]) -> list[Prepared]:
        """Fold and apply the records."""
        made: list[Prepared] = []
        for prepared in owned.prepare(records) if records else ():
            self.apply(prepared.step)
            made.append(prepared)
        return made


def desk(number: int, *, text: str = "") -> Desk:
    """An event that changes no total."""
    return Desk(
        id=f"desk-{number}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT, act="call",
        operators=("one", "two"), reason=text or None,
    )  # fmt: skip


def bulletin(number: int) -> Participation:
    """A turnout bulletin."""
    return Participation(
        id=f"bulletin-{number}", election=ELECTION, environment="test", source="cec", measure="cast", area="A",
        reported_at=CLOSED_AT + timedelta(hours=number), as_of=CLOSED_AT, ballots=number,
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """An amendment; ``previous`` None: the chain in force."""

    number: int
    previous: str | None = None


CHANGES: Final = (
    ReregisterUnit(unit="u3", registered=7),
    WithdrawSelection(contest="list", selection="P", counts_as="Q"),
    CloseUnit(unit="ghost"),
    CloseUnit(unit="u2", contest="list"),
)


@dataclass(frozen=True)
class Again:
    """An earlier record once more, byte for byte."""

    back: int


@dataclass(frozen=True)
class Spaced:
    """A desk event whose bytes end in a line feed, as line-wise producers send them."""

    number: int


Item = Sent | Desk | Participation | Change | Again | Spaced | bytes

items: Final[st.SearchStrategy[Item]] = st.one_of(
    sent(DEFINITION),
    sent(DEFINITION),
    garbage(DEFINITION),
    st.builds(desk, st.integers(0, 2)),
    st.builds(lambda number: desk(number, text="other"), st.integers(0, 2)),
    st.builds(bulletin, st.integers(0, 2)),
    st.builds(Change, st.integers(0, len(CHANGES) - 1)),
    st.builds(Change, st.integers(0, len(CHANGES) - 1), st.just(ODD)),
    st.builds(Again, st.integers(1, 8)),
    st.sampled_from((b"", b"{", b"[]", b'{"type":"report"}', b"\xff\xfe", b"[" * 5000)),
)


def log_of(written: Sequence[Item]) -> list[LogRecord]:
    """The records of these items. A scout folds along, so that amendments can continue the chain in force."""
    store = Store()
    scout = store.claim()
    records: list[LogRecord] = []
    for item in written:
        if isinstance(item, Again):
            if not records:
                continue
            key, value = records[-min(item.back, len(records))][3:5]
        else:
            key, value = _bytes(item, scout.fold.plan)
        records.append(LogRecord(0, len(records), 1_000_000 + len(records), key, value))
        store.run(scout, records[-1:])
    return records


def _bytes(item: Sent | Desk | Participation | Change | Spaced | bytes, plan: Plan) -> tuple[bytes | None, bytes]:
    event: AnyEvent
    match item:
        case bytes():
            return None, item
        case Spaced():
            return b"|", encode_event(desk(item.number)) + b"\n"
        case Sent():
            event = item.event(plan.definition)
        case Change():
            event = Amendment(
                id=f"amendment-{item.number}-{(item.previous or plan.chain)[:6]}",
                election=ELECTION,
                environment="test",
                source="cec",
                reported_at=CLOSED_AT,
                previous=item.previous or plan.chain,
                changes=(CHANGES[item.number],),
            )
        case _:
            event = item
    return partition_key(event), encode_event(event)


def uninterrupted(records: Sequence[LogRecord]) -> Fields:
    """The fields after one owner folded everything in one batch."""
    store = Store()
    store.run(store.claim(), records)
    return store.fields


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


def test_an_amendment_of_thousands_of_areas_still_fits_the_stores_step() -> None:
    """A withdrawal changes the cell of every area: with the 3,143 counties of one country at once."""
    areas: dict[str, str | None] = {"R": None, **{f"c{number}": "R" for number in range(MAX_FIELDS + 100)}}
    units = {f"u-{area}": area for area in areas if area != "R"}
    definition: Definition = replace(
        DEFINITION,
        areas=tuple(Area(id=area, level="county", names={}) for area in areas),
        units=tuple(ReportingUnit(id=unit, registered=9) for unit in units),
        contests=(list_contest(areas, units),),
    )
    plan = plan_of(definition)
    store = Store(plan)
    owned = store.claim()
    values = [Sent("list", unit, numbers=(1, 2)).event(definition) for unit in units]
    records = [LogRecord(0, at, 1, partition_key(event), encode_event(event)) for at, event in enumerate(values)]
    store.run(owned, records)
    key, value = _bytes(Change(1), plan)
    store.run(owned, [LogRecord(0, len(records), 1, key, value)])
    assert len(units) > slice_size(plan)


@pytest.mark.parametrize("offsets", [(1, 2), (0, 2), (0, 1, 3)])
def test_a_hole_is_a_gap(offsets: tuple[int, ...]) -> None:
    key, value = _bytes(desk(1), PLAN)
    with pytest.raises(Gap):
        list(Store().claim().prepare([LogRecord(0, offset, 1, key, value) for offset in offsets]))


def test_what_was_folded_already_is_a_gap() -> None:
    records = log_of([desk(1), desk(2)])
    store = Store()
    owned = store.claim()
    store.run(owned, records)
    with pytest.raises(Gap):
        list(owned.prepare(records[1:]))


def test_a_heartbeat_writes_nothing_and_moves_nothing() -> None:
    store = Store()
    owned = store.claim()
    store.run(owned, log_of([desk(1)]))
    before = dict(store.fields)
    store.apply(owned.heartbeat().step)
    assert (store.fields, store.offset) == (before, 1)


def test_an_amendment_that_came_too_early_is_taken_when_it_comes_again() -> None:
    """Refused events are no part of what was seen: else a restarted owner would take it and this one would not."""
    early, first = _bytes(Change(0), PLAN), _bytes(Change(1), PLAN)
    scout = Store()
    one = scout.claim()
    scout.run(one, [LogRecord(0, 0, 1, *first)])
    second = _bytes(Change(0), one.fold.plan)
    assert early != second
    records = [LogRecord(0, at, 1, *data) for at, data in enumerate((second, first, second))]
    store = Store()
    owned = store.claim()
    store.run(owned, records)
    assert owned.fold.tallies.amendments == 2
    assert owned.fold.plan.units["u3"].registered == 7


def test_an_event_that_ends_in_a_line_feed_is_the_same_event_after_a_restart() -> None:
    records = log_of([Spaced(1), Again(1)])
    store = Store()
    store.run(store.claim(), records[:1])
    store.run(store.claim(), records[1:])
    tallies = packed.unpack_tallies(store.fields[packed.TALLIES])
    assert (tallies.aside, tallies.duplicates, tallies.quarantined) == (1, 1, 0)
