"""The number of the store's layout is raised with what it stands for: a release must never misread what another one packed."""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product
from typing import Final

import msgspec
import pytest

from tallyroom.codec import packed
from tallyroom.codec.layout import LAYOUT, ORIGIN, Origin, guarded, origin_of, unguarded
from tallyroom.domain.election import Closure, PreviousCounts, PreviousResult
from tallyroom.domain.errors import OtherLayout, RebuildRequired
from tallyroom.domain.events import Disposition, Kind
from tallyroom.tabulation import matched, supersede
from tallyroom.tabulation.fold import Tallies
from tallyroom.tabulation.rows import COUNTERS, Column
from tests.support.elections import Sent, election, plan_of

KNOWN: Final = {
    1: "d594b0a159ae7d50932b950017ffb51a1cc0bdb1adc820cebcf6db7c99910fc3",
    2: "2ac4d638514a9bd33ac9a97f89716e7549f369339187ef90c0c8edff6dadde9c",
}
"""Layout -> digest of what it stands for. A line that stands is a release's: it is never changed, only followed by another."""

CHANGED: Final = """
What the fields of a partition in the store mean has changed: totals of an earlier release would be misread, wrong ones published.
Do all three:
  1. raise LAYOUT in services/tallyroom/codec/layout.py by one;
  2. add a line to KNOWN in this test: {number}: "{digest}"; change none that stands there;
  3. say in CHANGELOG.md that the totals have to be rebuilt (docs/operating.md, "When the layout changes").
"""


def description() -> Iterator[str]:
    """Everything that says how the bytes of a partition's hash are to be read, as text."""
    yield from (f"column {column.name} {column.value}" for column in Column)
    yield f"counters {COUNTERS}"
    yield from (
        f"state {name} {getattr(supersede, name)}" for name in ("VERSION", "AT", "CONTENT", "REGISTERED", "FIGURES")
    )
    yield from (f"tally {item.name}" for item in fields(Tallies))
    yield f"numbers {packed.pack((1, -1, 2**62)).hex()}"
    yield f"fields {(packed.DEFINITION, ORIGIN, packed.TALLIES, packed.REFUSALS, packed.HEARD, packed.JOURNAL_LENGTH)}"
    yield f"fields {(packed.cell_name('c', 'a'), packed.matched_name('c', 'a'), packed.unit_name('c|u#g'), packed.journal_name(7))}"
    for kind in (packed.Entry, packed.FlagEntry, packed._Heard, Origin):
        yield from (f"JSON {kind.__name__} {item.encode_name} {item.type}" for item in msgspec.structs.fields(kind))
    contest = plan_of(election(2)).contests["list"]
    yield f"counters, then measures, then selections {contest.figures == contest.measures + contest.selections}"
    yield f"refusals {packed.pack_refusals({'b': 1, 'a': 2}).decode()}"
    yield from _units()
    yield from _matched()


def _units() -> Iterator[str]:
    """State and counters of a unit, whatever it may have said, and whatever became of it since."""
    definition = election(2)
    (contest, *others) = definition.contests
    for closure, unit in product((None, *Closure), ("u1", "u3")):  # u3 has no roll
        closed = replace(contest, closed_units={} if closure is None else {unit: closure})
        plan = plan_of(replace(definition, contests=(closed, *others)))
        leaf = plan.leaf_named(f"list|{unit}")
        for kind, disposition, parts, register in product(Kind, Disposition, (None, (1, 2)), (None, 7)):
            sent = Sent("list", unit, 3, (2, 1), 1, kind.value, disposition.value, parts=parts, registered=register)
            state = supersede.state_of(sent.event(definition), leaf)
            assert not isinstance(state, supersede.Refused)
            yield f"unit {closure} {unit} {state[: supersede.FIGURES]} {supersede.contribution(leaf, state)[:COUNTERS]}"


def _matched() -> Iterator[str]:
    """The row of an area with one unit that was there last time, up to its first selection."""
    definition = election(2)
    (contest, *others) = definition.contests
    previous = PreviousResult(names={}, units={"u1": PreviousCounts(counts={"P": 5}, base=8)})
    plan = plan_of(replace(definition, contests=(replace(contest, previous=previous), *others)))
    state = supersede.state_of(Sent("list", "u1", numbers=(2, 1)).event(definition), plan.leaf_named("list|u1"))
    sums = matched.Matched(plan)
    sums.take([("list|u1", state)])  # type: ignore[list-item]
    yield f"matched {matched.OWN} {sums.cells['list', 'A'][: matched.OWN + 2]}"


def test_the_layouts_number_is_raised_with_what_it_stands_for() -> None:
    digest = hashlib.sha256("\n".join(description()).encode()).hexdigest()
    assert KNOWN.get(LAYOUT) == digest, CHANGED.format(number=max(KNOWN) + 1, digest=digest)


def test_the_number_is_the_newest_that_is_known() -> None:
    assert max(KNOWN) == LAYOUT
    assert sorted(KNOWN) == list(range(1, LAYOUT + 1))
    assert len(set(KNOWN.values())) == len(KNOWN)


def test_rows_of_this_layout_are_read() -> None:
    written = msgspec.json.encode(Origin(LAYOUT, "aa", "bb"))
    assert origin_of(written, 3) == Origin(LAYOUT, "aa", "bb")
    assert unguarded([written, b"row", None, written], 3) == [b"row", None]
    assert unguarded([None, None, None], 3) == [None], "nothing stored, nothing to misread"
    assert guarded((b"u:a",)) == [ORIGIN, b"u:a", ORIGIN]


OTHERS: Final = {
    "newer": (b'{"layout":%d}' % (LAYOUT + 1), rf"Partition 3 .* rows of layout {LAYOUT + 1}; .* layout {LAYOUT}\."),
    "older": (b'{"first":"aa","last":"bb"}', r"Partition 3 .* rows without a layout's number; "),
    "none": (None, r"rows without a layout's number; "),
    "damaged": (b'{"layout":"1"', r"a layout that cannot be read \("),
    "not text": (b'{"first":"\xff"}', r"a layout that cannot be read \("),
    "another type": (b'{"layout":"1"}', r"a layout that cannot be read \("),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_layout_is_refused_with_what_to_do(case: str) -> None:
    data, what = OTHERS[case]
    with pytest.raises(OtherLayout, match=what) as raised:
        origin_of(data, 3)
    assert isinstance(raised.value, RebuildRequired)
    assert "tallyroom rebuild" in raised.value.action
    assert "When the layout changes" in raised.value.action


def test_an_exchange_in_the_middle_of_a_read_is_noticed_at_either_end() -> None:
    ours, other = msgspec.json.encode(Origin(LAYOUT)), msgspec.json.encode(Origin(LAYOUT + 1))
    for first, last in ((ours, other), (other, ours), (None, ours), (ours, None)):
        with pytest.raises(OtherLayout):
            unguarded([first, b"row", last], 3)


def test_releases_before_the_number_end_at_it_too() -> None:
    """They read texts alone from the field, and call one that they cannot read damaged: they must not go on."""
    with pytest.raises(msgspec.ValidationError, match="Expected `str`, got `int`"):
        msgspec.json.decode(msgspec.json.encode(Origin(LAYOUT, "aa", "bb")), type=dict[str, str])
