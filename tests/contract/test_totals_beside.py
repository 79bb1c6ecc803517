"""One suite over every totals store: totals folded beside those in use, and put in their place (docs/exactly-once.md, rebuild)."""

import pytest

from tallyroom.domain.errors import StoreMismatch
from tallyroom.store.base import Answer, Apply, StoreMeta
from tests.support.store_fixtures import AnyStore, apply_one, values


async def test_totals_folded_beside_take_the_place_of_those_in_use_at_once(store: AnyStore) -> None:
    """exactly-once.md, rebuild: readers see the old hash or the new one, and the old one's owner is fenced."""
    await store.open("d" * 64, 2)
    owner = await store.claim(0)
    assert await apply_one(store, (0, owner.epoch), (0, 3), {b"t:wrong": b"1", b"t:x": b"7"}) is Answer.OK
    made = await store.begin(0)
    assert (made.offset, made.fields) == (0, {})
    assert made.epoch > owner.epoch + 1000
    assert await store.apply_beside([Apply(0, made.epoch, 0, 2, {b"t:x": b"6"})]) == [Answer.OK]
    assert await store.apply_beside([Apply(0, owner.epoch, 2, 3, {})]) == [Answer.FENCED]
    assert await store.apply_beside([Apply(1, made.epoch, 0, 1, {b"t:x": b"6"})]) == [Answer.EMPTY]
    assert await values(store, 0, [b"t:wrong", b"t:x"]) == [b"1", b"7"], "nothing is seen of it yet"
    assert await store.exchange(0, owner.epoch) is Answer.FENCED
    assert await store.exchange(0, made.epoch) is Answer.OK
    assert await values(store, 0, [b"t:wrong", b"t:x"]) == [None, b"6"]
    assert await store.exchange(0, made.epoch) is Answer.EMPTY, "only once"
    assert await apply_one(store, (0, owner.epoch), (3, 4), {b"t:x": b"8"}) is Answer.FENCED
    again = await store.claim(0)
    assert (again.offset, again.fields) == (2, {b"t:x": b"6"})


async def test_what_an_interrupted_rebuild_left_is_not_taken_over(store: AnyStore) -> None:
    await store.open("d" * 64, 1)
    first = await store.begin(0)
    assert await store.apply_beside([Apply(0, first.epoch, 0, 5, {b"t:x": b"1"})]) == [Answer.OK]
    second = await store.begin(0)
    assert (second.offset, second.fields) == (0, {})
    assert await store.exchange(0, second.epoch) is Answer.OK
    assert await values(store, 0, [b"t:x"]) == [None]


async def test_a_rebuild_may_be_by_another_definition(store: AnyStore) -> None:
    before = await store.open("d" * 64, 2)
    assert before.rebuilds == 0
    after = await store.adopt("e" * 64, 2)
    assert after == StoreMeta(before.store_id, "e" * 64, 2, 1)
    assert await store.meta() == after
    assert await store.open("e" * 64, 2) == after
    with pytest.raises(StoreMismatch):
        await store.open("d" * 64, 2)
    with pytest.raises(StoreMismatch):
        await store.adopt("e" * 64, 3)
    assert (await store.adopt("e" * 64, 2)).rebuilds == 2
