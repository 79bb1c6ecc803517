"""One suite over every totals store; what needs a server to be killed or robbed runs on Redis and Valkey alone."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tallyroom.domain.errors import StoreMismatch, StoreUnavailable
from tallyroom.store.base import MAX_FIELDS, Answer, Apply, StoreMeta
from tallyroom.store.embedded import EmbeddedValkey
from tallyroom.store.memory import MemoryStore
from tests.support.store_fixtures import AnyStore, Stores, apply_one, values

CHAIN = "ab" * 32


async def test_first_claim_starts_at_zero_and_exists_from_then_on(store: AnyStore) -> None:
    assert await store.cut(2, [b"x"]) is None
    claim = await store.claim(2)
    assert (claim.partition, claim.epoch, claim.offset, dict(claim.fields)) == (2, 1, 0, {})
    cut = await store.cut(2, [b"x"])
    assert cut is not None
    assert (cut.epoch, cut.offset, list(cut.values)) == (1, 0, [None])


async def test_every_claim_raises_the_epoch_and_returns_the_state(stores: Stores) -> None:
    first, second = stores.client(), stores.client()
    before = await first.claim(0)
    assert await apply_one(first, (0, before.epoch), (0, 3), {b"t:a|b": b"\x00\xff", b"u:a|b": b""}) is Answer.OK
    after = await second.claim(0)
    assert (after.epoch, after.offset) == (before.epoch + 1, 3)
    assert dict(after.fields) == {b"t:a|b": b"\x00\xff", b"u:a|b": b""}


async def test_an_owner_that_was_replaced_is_fenced_and_writes_nothing(stores: Stores) -> None:
    zombie, owner = stores.client(), stores.client()
    old = await zombie.claim(0)
    new = await owner.claim(0)
    assert await apply_one(zombie, (0, old.epoch), (0, 1), {b"x": b"zombie"}) is Answer.FENCED
    assert await apply_one(owner, (0, new.epoch), (0, 1), {b"x": b"owner"}) is Answer.OK
    assert await apply_one(zombie, (0, old.epoch), (1, 2), {b"x": b"zombie"}) is Answer.FENCED
    assert await values(owner, 0, [b"x"]) == [b"owner"]


@pytest.mark.parametrize("prev", [0, 4, 6, 50])
async def test_a_batch_that_does_not_start_at_the_offset_is_moved(store: AnyStore, prev: int) -> None:
    claim = await store.claim(0)
    assert await apply_one(store, (0, claim.epoch), (0, 5), {b"x": b"5"}) is Answer.OK
    assert await apply_one(store, (0, claim.epoch), (prev, 60), {b"x": b"60"}) is Answer.MOVED
    cut = await store.cut(0, [b"x"])
    assert cut is not None
    assert (cut.offset, list(cut.values)) == (5, [b"5"])


async def test_a_partition_that_nobody_claimed_is_empty(store: AnyStore) -> None:
    assert await apply_one(store, (0, 1), (0, 1), {b"x": b"1"}) in (Answer.EMPTY, Answer.NOLIB)
    await store.claim(1)
    assert await apply_one(store, (0, 1), (0, 1), {b"x": b"1"}) is Answer.EMPTY
    assert await store.cut(0, []) is None


async def test_fenced_is_said_before_moved(store: AnyStore) -> None:
    claim = await store.claim(0)
    assert await apply_one(store, (0, claim.epoch + 1), (7, 8), {}) is Answer.FENCED


async def test_an_empty_step_is_a_heartbeat(store: AnyStore) -> None:
    claim = await store.claim(0)
    assert await apply_one(store, (0, claim.epoch), (0, 0), {}) is Answer.OK
    assert await apply_one(store, (0, claim.epoch), (1, 1), {}) is Answer.MOVED


async def test_steps_of_a_pipeline_are_answered_one_by_one(store: AnyStore) -> None:
    claims = [await store.claim(number) for number in range(3)]
    steps = [
        Apply(0, claims[0].epoch, 0, 2, {b"x": b"0"}),
        Apply(1, claims[1].epoch, 9, 10, {b"x": b"1"}),
        Apply(1, claims[1].epoch, 10, 11, {b"x": b"1"}),  # follows a refused one: refused as well
        Apply(2, claims[2].epoch, 0, 4, {b"x": b"2"}),
        Apply(0, claims[0].epoch, 2, 3, {b"x": b"00"}),
    ]
    assert await store.apply(steps) == [Answer.OK, Answer.MOVED, Answer.MOVED, Answer.OK, Answer.OK]
    assert [await values(store, number, [b"x"]) for number in range(3)] == [[b"00"], [None], [b"2"]]
    assert await store.apply([]) == []


async def test_the_largest_step_keeps_every_byte(store: AnyStore) -> None:
    claim = await store.claim(0)
    fields = {b"u:%d|\xd0\xb0\x00\r\n" % number: os.urandom(150) for number in range(MAX_FIELDS)}
    assert await apply_one(store, (0, claim.epoch), (0, 2**50), fields) is Answer.OK
    names = list(fields)
    cut = await store.cut(0, names)
    assert cut is not None
    assert cut.offset == 2**50
    assert list(cut.values) == list(fields.values())
    assert await store.units(0, [*names, b"none", *names]) == [*fields.values(), None, *fields.values()]
    assert dict((await store.claim(0)).fields) == fields


async def test_a_step_beyond_the_limit_is_refused_before_anything_is_sent(store: AnyStore) -> None:
    claim = await store.claim(0)
    small = Apply(0, claim.epoch, 0, 1, {b"x": b"1"})
    large = Apply(0, claim.epoch, 1, 2, {b"%d" % number: b"" for number in range(MAX_FIELDS + 1)})
    with pytest.raises(ValueError, match="3001 fields"):
        await store.apply([small, large])
    assert await store.offsets() in ({0: 0}, {})  # {}: nobody opened this one, so it has no partition count


@pytest.mark.parametrize("name", [b"epoch", b"off"])
async def test_a_step_cannot_write_the_fields_of_the_protocol(store: AnyStore, name: bytes) -> None:
    claim = await store.claim(0)
    with pytest.raises(ValueError, match="epoch"):
        await apply_one(store, (0, claim.epoch), (0, 1), {name: b"9"})


async def test_the_first_to_open_gives_the_store_its_identity(stores: Stores) -> None:
    first, second = stores.client(), stores.client()
    assert await second.meta() is None
    made = await first.open(CHAIN, 4)
    assert (made.definition, made.partitions) == (CHAIN, 4)
    assert await second.open(CHAIN, 4) == made
    assert await second.meta() == made


async def test_another_definition_or_partition_count_is_refused(stores: Stores) -> None:
    made = await stores.client().open(CHAIN, 4)
    with pytest.raises(StoreMismatch, match=r"definition.*Operator action"):
        await stores.client().open("cd" * 32, 4)
    with pytest.raises(StoreMismatch, match=r"4 partitions, not 5"):
        await stores.client().open(CHAIN, 5)
    assert await stores.client().meta() == made


async def test_offsets_name_every_claimed_partition(stores: Stores) -> None:
    owner, reader = stores.client(), stores.client()
    assert await reader.offsets() == {}
    await owner.open(CHAIN, 4)
    claim = await owner.claim(1)
    await owner.claim(3)
    await apply_one(owner, (1, claim.epoch), (0, 7), {})
    assert await reader.offsets() == {1: 7, 3: 0}


async def test_a_cut_never_mixes_two_steps(stores: Stores) -> None:
    writer, reader = stores.client(), stores.client()
    claim = await writer.claim(0)
    names = [b"t:%d" % number for number in range(50)]
    seen: set[int] = set()

    async def write() -> None:
        for offset in range(0, 400, 4):
            steps = [
                Apply(0, claim.epoch, at, at + 1, dict.fromkeys(names, b"%d" % (at + 1)))
                for at in range(offset, offset + 4)
            ]
            assert await writer.apply(steps) == [Answer.OK] * 4

    async def read() -> None:
        while 400 not in seen:
            cut = await reader.cut(0, names)
            assert cut is not None
            expected = b"%d" % cut.offset if cut.offset else None
            assert set(cut.values) == {expected}
            seen.add(cut.offset)
            await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(write(), read())
    assert await writer.cut(0, names) == await reader.cut(0, names)


async def test_a_hint_wakes_who_listens(stores: Stores) -> None:
    listener, other = stores.client(), stores.client()
    await other.announce("totals")  # nobody listens
    assert not await listener.hint("totals", 0.5)
    waiting = asyncio.create_task(listener.hint("totals", 10))
    await asyncio.sleep(0)
    await other.announce("revision")
    await other.announce("totals")
    assert await waiting
    await other.announce("totals")
    await other.announce("totals")
    assert await listener.hint("totals", 10)  # both remembered as one, or as two if the second came later
    await listener.hint("totals", 0.2)
    assert not await listener.hint("totals", 0.2)


async def test_memory_can_be_flushed_and_rolled_back() -> None:
    store = MemoryStore()
    claim = await store.claim(0)
    assert await apply_one(store, (0, claim.epoch), (0, 1), {b"x": b"1"}) is Answer.OK
    earlier = store.snapshot()
    assert await apply_one(store, (0, claim.epoch), (1, 2), {b"x": b"2"}) is Answer.OK
    store.rollback_to(earlier)
    assert await apply_one(store, (0, claim.epoch), (2, 3), {}) is Answer.MOVED
    assert await values(store, 0, [b"x"]) == [b"1"]
    store.flush()
    assert await apply_one(store, (0, claim.epoch), (1, 2), {}) is Answer.EMPTY


# -- real servers


async def test_a_server_that_lost_the_functions_says_so_and_a_claim_heals_it(stores_alone: Stores) -> None:
    store = stores_alone.client()
    await store.open(CHAIN, 2)
    claim = await store.claim(0)
    assert await apply_one(store, (0, claim.epoch), (0, 5), {b"x": b"5"}) is Answer.OK
    async with _admin(stores_alone) as admin:
        await admin.function_flush()
    assert await apply_one(store, (0, claim.epoch), (5, 6), {b"x": b"6"}) is Answer.NOLIB
    healed = await store.claim(0)
    assert (healed.epoch, healed.offset, dict(healed.fields)) == (claim.epoch + 1, 5, {b"x": b"5"})
    assert await apply_one(store, (0, healed.epoch), (5, 6), {b"x": b"6"}) is Answer.OK


async def test_a_replaced_server_gets_functions_and_identity_with_the_next_claim(stores_alone: Stores) -> None:
    store = stores_alone.client()
    old = await store.open(CHAIN, 2)
    claim = await store.claim(0)
    await _wipe(stores_alone)
    assert await apply_one(store, (0, claim.epoch), (0, 1), {}) is Answer.NOLIB
    assert (await store.claim(0)).epoch == 1
    new = await store.meta()
    assert new is not None
    assert new == StoreMeta(new.store_id, CHAIN, 2)
    assert new.store_id != old.store_id


async def test_a_flushed_store_answers_empty(stores_alone: Stores) -> None:
    store = stores_alone.client()
    await store.open(CHAIN, 2)
    claim = await store.claim(0)
    async with _admin(stores_alone) as admin:
        await admin.flushall()
    assert await apply_one(store, (0, claim.epoch), (0, 1), {}) is Answer.EMPTY


async def test_other_functions_of_the_same_name_are_replaced_when_the_store_is_opened(stores_alone: Stores) -> None:
    async with _admin(stores_alone) as admin:
        stale = "#!lua name=tallyroom\nredis.register_function('tallyroom_version', function() return 'old' end)"
        await admin.function_load(stale, replace=True)
        store = stores_alone.client()
        await store.open(CHAIN, 2)
        loaded = await admin.fcall("tallyroom_version", 0)
        await stores_alone.client().open(CHAIN, 2)
        assert await admin.fcall("tallyroom_version", 0) == loaded != b"old"
    assert (await store.claim(0)).epoch == 1


async def test_a_killed_server_loses_answers_and_a_claim_brings_back_what_it_kept(
    stores_alone: Stores, server_alone: EmbeddedValkey
) -> None:
    store = stores_alone.client()
    await store.open(CHAIN, 2)
    claim = await store.claim(0)
    assert await apply_one(store, (0, claim.epoch), (0, 5), {b"x": b"5"}) is Answer.OK
    server_alone.kill()
    steps = [Apply(0, claim.epoch, 5, 6, {}), Apply(0, claim.epoch, 6, 7, {})]
    assert await store.apply(steps) == [Answer.LOST, Answer.LOST]
    with pytest.raises(StoreUnavailable, match="Operator action"):
        await store.claim(0)
    with pytest.raises(StoreUnavailable):
        await store.offsets()
    await store.announce("totals")
    await asyncio.to_thread(server_alone.start)
    again = await store.claim(0)
    assert (again.epoch, again.offset, dict(again.fields)) == (claim.epoch + 1, 5, {b"x": b"5"})
    assert await apply_one(store, (0, again.epoch), (5, 6), {}) is Answer.OK


async def test_a_frozen_server_costs_the_answer_only_and_is_never_sent_the_step_again(
    server_alone: EmbeddedValkey, stores_alone: Stores
) -> None:
    quick = stores_alone.client(answer_s=0.3)
    claim = await quick.claim(0)
    assert await apply_one(quick, (0, claim.epoch), (0, 0), {}) is Answer.OK
    assert server_alone.pid is not None
    os.kill(server_alone.pid, signal.SIGSTOP)
    assert await apply_one(quick, (0, claim.epoch), (0, 1), {b"x": b"1"}) is Answer.LOST
    os.kill(server_alone.pid, signal.SIGCONT)
    again = await quick.claim(0)
    assert again.offset in (0, 1)  # lost: nobody knows
    assert await apply_one(quick, (0, claim.epoch), (again.offset, 2), {}) is Answer.FENCED
    async with _admin(stores_alone) as admin:
        calls = (await admin.info("commandstats"))["cmdstat_fcall"]["calls"]
    assert calls <= 7  # three claims' worth with a missing library, and each of four applies at most once


async def test_cancelling_an_apply_does_not_mix_its_answers_with_the_next(stores: Stores) -> None:
    store = stores.client()
    claim = await store.claim(0)
    for _ in range(20):
        waiting = asyncio.create_task(apply_one(store, (0, claim.epoch), (99, 100), {}))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert await apply_one(store, (0, claim.epoch), (0, 0), {}) is Answer.OK


async def test_a_hint_is_heard_again_after_the_server_was_away(
    stores_alone: Stores, server_alone: EmbeddedValkey
) -> None:
    listener, other = stores_alone.client(), stores_alone.client()
    assert not await listener.hint("totals", 0.5)
    server_alone.kill()
    assert not await listener.hint("totals", 0.1)
    await asyncio.to_thread(server_alone.start)
    async with asyncio.timeout(20):
        assert await listener.hint("totals", 10)  # it cannot know what it missed
        await other.announce("totals")
        while not await listener.hint("totals", 1):
            await other.announce("totals")


async def test_the_append_only_file_holds_single_commands_and_gives_back_the_same_state(
    stores_alone: Stores, server_alone: EmbeddedValkey, tmp_path: Path
) -> None:
    store = stores_alone.client()
    await store.open(CHAIN, 2)
    claim = await store.claim(0)
    fields = {b"u:%d" % number: os.urandom(150) for number in range(1000)}
    assert await apply_one(store, (0, claim.epoch), (0, 9), fields) is Answer.OK
    lease = await store.acquire("a", 60)
    assert lease is not None
    assert await store.beat(lease, 60, b"fine")
    assert await store.publish(lease, 1, b"head", {"d": b"1", "e": b"2"}) is Answer.OK
    await store.release(lease)
    server_alone.stop()  # SIGTERM: all is on disk
    written = b"".join(path.read_bytes() for path in (tmp_path / "server" / "appendonlydir").glob("*.incr.aof"))
    assert b"HSET" in written
    assert b"head" in written
    assert b"\r\nMULTI\r\n" not in written
    for _ in range(2):  # twice: the second start reads what the first one wrote anew
        await asyncio.to_thread(server_alone.start)
        cut = await store.cut(0, list(fields))
        assert cut is not None
        assert (cut.epoch, cut.offset, list(cut.values)) == (claim.epoch, 9, list(fields.values()))
        revision, documents = await store.documents()
        assert revision is not None
        assert (revision.number, revision.head, dict(documents)) == (1, b"head", {"d": b"1", "e": b"2"})
        server_alone.stop()


def _admin(stores: Stores) -> Redis:
    assert stores.url is not None
    return Redis.from_url(stores.url)


async def _wipe(stores: Stores) -> None:
    async with _admin(stores) as admin:
        await admin.flushall()
        await admin.function_flush()
