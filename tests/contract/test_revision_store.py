"""One suite over every revision store: memory, Redis, Valkey."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from tallyroom.store.base import MAX_FIELDS, Answer, Lease, Mark, Revision
from tallyroom.store.memory import MemoryStore
from tests.support.store_fixtures import AnyStore, Stores

T = TypeVar("T")


async def leased(store: AnyStore, owner: str = "a", ttl: float = 60) -> Lease:
    """A lease, which must be to be had."""
    lease = await store.acquire(owner, ttl)
    assert lease is not None
    return lease


async def eventually(ask: Callable[[], Awaitable[T | None]]) -> T:
    """What ``ask`` answers once it answers something."""
    async with asyncio.timeout(10):
        while True:
            answer = await ask()
            if answer:
                return answer
            await asyncio.sleep(0.01)


async def _silent(store: AnyStore) -> bool:
    return await store.condition() is None


async def test_one_holds_the_lease_until_it_is_given_back(stores: Stores) -> None:
    first, second = stores.client(), stores.client()
    lease = await leased(first)
    assert lease == Lease("a", 1)
    assert await second.acquire("b", 60) is None
    assert await first.beat(lease, 60, b"fine")
    await first.release(lease)
    assert await second.acquire("b", 60) == Lease("b", 2)
    assert not await first.beat(lease, 60, b"fine")


async def test_a_lease_runs_out(stores: Stores) -> None:
    first, second = stores.client(), stores.client()
    lease = await leased(first, ttl=0.15)
    assert await eventually(lambda: second.acquire("b", 60)) == Lease("b", lease.token + 1)
    assert not await first.beat(lease, 60, b"fine")
    assert not await first.beat(lease, 60, b"still here")


async def test_a_lease_in_memory_ends_by_the_given_clock() -> None:
    now = [100.0]
    store = MemoryStore(clock=lambda: now[0])
    lease = await leased(store, ttl=5)
    now[0] += 4.9
    assert await store.beat(lease, 5, b"fine")
    now[0] += 4.9
    assert await store.acquire("b", 5) is None
    now[0] += 0.1
    assert not await store.beat(lease, 5, b"fine")
    assert await store.acquire("b", 5) == Lease("b", 2)


async def test_a_beat_prolongs_and_an_expired_lease_cannot_be_prolonged(stores: Stores) -> None:
    first, second = stores.client(), stores.client()
    lease = await leased(first, ttl=0.2)
    assert await first.beat(lease, 60, b"fine")
    await asyncio.sleep(0.3)  # past the first end: what is tested is that nothing happens then
    assert await second.acquire("b", 60) is None
    short = await leased(first, ttl=0.05)
    assert short.token == lease.token + 1
    again = await eventually(lambda: second.acquire("b", 60))
    assert again is not None
    assert not await first.beat(short, 60, b"fine")


async def test_the_same_owner_gets_a_newer_token(store: AnyStore) -> None:
    first, second = await leased(store), await leased(store)
    assert second.token == first.token + 1
    assert await store.publish(first, 1, b"h", {}) is Answer.FENCED
    assert not await store.beat(first, 60, b"fine")


async def test_a_release_by_a_former_holder_takes_nothing_away(store: AnyStore) -> None:
    former = await leased(store, "a", 60)
    await store.release(former)
    lease = await leased(store, "b")
    await store.release(former)
    assert await store.beat(lease, 60, b"fine")
    assert await store.acquire("c", 60) is None


async def test_an_old_token_is_fenced_whoever_holds_it(stores: Stores) -> None:
    first, second = stores.client(), stores.client()
    old = await leased(first, "a")
    await first.release(old)
    new = await leased(second, "b")
    assert await first.publish(old, 1, b"old", {"d": b"old"}) is Answer.FENCED
    assert await second.publish(new, 1, b"new", {"d": b"new"}) is Answer.OK
    assert await first.publish(Lease("a", new.token), 2, b"old", {"d": b"old"}) is Answer.FENCED
    assert await first.publish(Lease("b", new.token + 1), 2, b"old", {"d": b"old"}) is Answer.FENCED
    assert await second.documents() == (Revision(1, b"new"), {"d": b"new"})


async def test_nobody_publishes_without_a_lease(store: AnyStore) -> None:
    assert await store.publish(Lease("a", 1), 1, b"h", {}) is Answer.FENCED
    assert await store.head() is None


async def test_revisions_follow_each_other(store: AnyStore) -> None:
    lease = await leased(store)
    assert await store.publish(lease, 1, b"one", {}) is Answer.OK
    for number in (1, 0):
        assert await store.publish(lease, number, b"wrong", {"d": b"wrong"}) is Answer.MOVED
    assert await store.publish(lease, 2, b"two", {}) is Answer.OK
    assert await store.head() == Revision(2, b"two")
    assert await store.publish(lease, 9, b"nine", {}) is Answer.OK  # 3 to 8 were reserved and never published
    assert await store.publish(lease, 8, b"wrong", {"d": b"wrong"}) is Answer.MOVED
    assert await store.documents() == (Revision(9, b"nine"), {})


async def test_a_store_that_lost_its_revision_takes_the_last_one_back(store: AnyStore) -> None:
    lease = await leased(store)
    assert await store.publish(lease, 17, b"kept", {"d": b"kept"}) is Answer.OK
    assert await store.publish(lease, 17, b"wrong", {}) is Answer.MOVED
    assert await store.publish(lease, 18, b"next", {}) is Answer.OK
    assert await store.documents() == (Revision(18, b"next"), {"d": b"kept"})


async def test_documents_stay_until_they_are_replaced(stores: Stores) -> None:
    publisher, gateway = stores.client(), stores.client()
    assert await gateway.documents() == (None, {})
    assert await gateway.documents(["a"]) == (None, {})
    lease = await leased(publisher)
    binary = bytes(range(256))
    assert await publisher.publish(lease, 1, b"\x00one", {"a": b"1", "қазақ/b": binary}) is Answer.OK
    assert await publisher.publish(lease, 2, b"\x00two", {"a": b"2"}) is Answer.OK
    expected = Revision(2, b"\x00two")
    assert await gateway.documents() == (expected, {"a": b"2", "қазақ/b": binary})
    assert await gateway.documents(["қазақ/b", "none"]) == (expected, {"қазақ/b": binary})
    assert await gateway.documents([]) == (expected, {})


async def test_documents_may_have_the_names_of_our_own_fields(store: AnyStore) -> None:
    lease = await leased(store)
    assert await store.publish(lease, 1, b"h", {"head": b"x", "revision": b"77"}) is Answer.OK
    assert await store.documents() == (Revision(1, b"h"), {"head": b"x", "revision": b"77"})


async def test_head_and_documents_are_read_together(stores: Stores) -> None:
    publisher, gateway = stores.client(), stores.client()
    lease = await leased(publisher)
    names = [f"d{number}" for number in range(20)]

    async def publish() -> None:
        for number in range(1, 101):
            documents = dict.fromkeys(names, b"%d" % number)
            assert await publisher.publish(lease, number, b"%d" % number, documents) is Answer.OK
            await asyncio.sleep(0)

    async def read() -> None:
        number, wanted = 0, [None, names]
        while number < 100:
            revision, documents = await gateway.documents(wanted[number % 2])
            number = revision.number if revision else 0
            assert set(documents.values()) == ({b"%d" % number} if number else set())
            assert revision is None or revision.head == b"%d" % number
            await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(publish(), read())


async def test_the_largest_publication(store: AnyStore) -> None:
    lease = await leased(store)
    documents = {f"contest/{number}": b"{}" for number in range(MAX_FIELDS)}
    assert await store.publish(lease, 1, b"h", documents) is Answer.OK
    assert (await store.documents())[1] == documents
    with pytest.raises(ValueError, match="3001 fields"):
        await store.publish(lease, 2, b"h", {**documents, "one more": b"{}"})


async def test_the_publishers_word_lasts_as_long_as_its_lease(stores: Stores) -> None:
    publisher, gateway = stores.client(), stores.client()
    assert await gateway.condition() is None
    lease = await leased(publisher, ttl=60)
    assert await gateway.condition() is None
    assert await publisher.beat(lease, 60, b"so so")
    assert await gateway.condition() == b"so so"
    assert await publisher.beat(lease, 60, b"fine")
    assert await gateway.condition() == b"fine"
    assert await publisher.beat(lease, 0.05, b"tired")
    assert await eventually(lambda: _silent(gateway))
    again = await leased(publisher)
    assert await publisher.beat(again, 60, b"back")
    await publisher.release(again)
    assert await gateway.condition() is None


async def test_while_publication_is_frozen_only_who_knows_the_mark_publishes(stores: Stores) -> None:
    publisher, auditor = stores.client(), stores.client()
    lease = await leased(publisher)
    assert await publisher.mark() == Mark()
    assert await auditor.freeze("one", b"why")
    assert (await publisher.mark()).frozen
    assert await publisher.publish(lease, 1, b"h", {}) is Answer.FROZEN
    assert await publisher.publish(lease, 1, b"h", {}, "another") is Answer.FROZEN
    assert await publisher.publish(lease, 1, b"h", {}, "one") is Answer.OK
    assert (await publisher.head()) == Revision(1, b"h")


async def test_a_mark_stands_until_it_is_thawed_by_its_own_name(store: AnyStore) -> None:
    lease = await leased(store)
    await store.audited(7)
    assert not await store.thaw("one", b"by nobody")
    assert await store.freeze("one", b"why")
    assert not await store.freeze("two", b"why else"), "the first mark stands"
    assert await store.freeze("one", b"more"), "its reason may be said anew"
    assert not await store.thaw("two", b"by somebody")
    assert await store.mark() == Mark("one", b"more", b"", 7)
    assert await store.thaw("one", b"by somebody")
    assert not await store.thaw("one", b"by another"), "thawed already"
    assert await store.mark() == Mark("one", b"more", b"by somebody", 7)
    assert await store.publish(lease, 1, b"h", {}) is Answer.OK
    assert await store.freeze("two", b"again")
    assert await store.mark() == Mark("two", b"again", b"", 7)
    assert await store.publish(lease, 2, b"h", {}) is Answer.FROZEN
