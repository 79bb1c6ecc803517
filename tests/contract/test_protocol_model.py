"""The protocol as a stateful model: two workers, one partition, and everything that may come between them and the store.

Whatever happens in whatever order, the stored fields are those of the log's prefix up to the stored offset (docs/exactly-once.md).
The steps are made by the tabulator's own fold and go to the store's own functions: in memory, on Redis and on Valkey.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from tallyroom.codec.events import Desk, Participation
from tallyroom.log.base import LogRecord
from tallyroom.store import MemoryStore, RedisStore
from tallyroom.store.base import Answer, Apply, Claim
from tallyroom.tabulator.owned import Owned
from tests.support.elections import Sent
from tests.support.histories import garbage, sent
from tests.support.partition import CHANGES, DEFINITION, PLAN, Change, Fields, Spaced, Store, bulletin, bytes_of, desk
from tests.support.store_fixtures import KINDS, AnyStore

_T = TypeVar("_T")
Item = Sent | Desk | Participation | Change | Spaced | bytes

WORKERS: Final = 2
workers = st.integers(0, WORKERS - 1)
items: Final[st.SearchStrategy[Item]] = st.one_of(
    sent(DEFINITION),
    sent(DEFINITION),
    garbage(DEFINITION),
    st.builds(desk, st.integers(0, 2)),
    st.builds(bulletin, st.integers(0, 2)),
    st.builds(Change, st.integers(0, len(CHANGES) - 1)),
    st.just(b"{"),
)


@dataclass
class Worker:
    """What a tabulator holds in memory: its claim's fold, and steps that were folded and not yet sent."""

    owned: Owned | None = None
    pending: list[Apply] = field(default_factory=list)

    def forget(self) -> None:
        """What any answer but OK, and any death, comes to."""
        self.owned, self.pending = None, []


class Backend:
    """A store with the faults that tests may do to it."""

    def __init__(self, url: str | None) -> None:
        self.url, self.election = url, f"e{uuid.uuid4().hex[:12]}"
        self.store: AnyStore = MemoryStore() if url is None else RedisStore(url, self.election, "test")

    async def fields(self) -> tuple[int, Fields] | None:
        """(offset, fields) of the partition as stored, None if there is no hash."""
        if isinstance(self.store, MemoryStore):
            held = self.store.snapshot().state.partitions.get(0)
            return None if held is None else (held.offset, dict(held.fields))
        async with self._admin() as redis:
            found: Fields = await redis.hgetall(self._key())
        if not found:
            return None
        found.pop(b"epoch")
        return int(found.pop(b"off")), found

    async def save(self) -> Any:
        """The partition as it is now, to go back to."""
        if isinstance(self.store, MemoryStore):
            return self.store.snapshot()
        async with self._admin() as redis:
            return await redis.dump(self._key())

    async def go_back(self, saved: Any) -> None:
        """Back to what was saved."""
        if isinstance(self.store, MemoryStore):
            self.store.rollback_to(saved)
            return
        async with self._admin() as redis:
            await redis.delete(self._key())
            if saved is not None:
                await redis.restore(self._key(), 0, saved)

    async def flush(self, functions: bool) -> None:
        """Lose everything; on a server, at times the functions as well."""
        if isinstance(self.store, MemoryStore):
            self.store.flush()
            return
        async with self._admin() as redis:
            await redis.delete(self._key())
            if functions:
                await redis.function_flush("SYNC")

    def _key(self) -> str:
        return f"tallyroom:{{{self.election}.test}}:p:0"

    def _admin(self) -> Any:  # what its methods return differs from release to release of the client
        assert self.url is not None
        return Redis.from_url(self.url)

    async def close(self) -> None:
        """Leave nothing behind."""
        if self.url is not None:
            async with self._admin() as redis:
                await redis.delete(self._key())
        await self.store.close()


class Protocol(RuleBasedStateMachine):
    """Claims, applies and all that goes wrong around them."""

    def __init__(self, url: str | None) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.backend = Backend(url)
        self.workers = [Worker() for _ in range(WORKERS)]
        self.on_the_way: list[list[Apply]] = []  # sent, given up by their sender, not yet arrived
        self.saved: list[Any] = []
        self.records: list[LogRecord] = []
        self.scout = Store()
        self.scouting = self.scout.claim()
        self.expected: list[Fields] = [{}]  # fields of every prefix, folded by one owner without interruption
        self.await_(self.backend.store.open(PLAN.chain, 1))

    def await_(self, call: Coroutine[Any, Any, _T]) -> _T:
        """Run to the end."""
        return self.loop.run_until_complete(call)

    # -- the log

    @initialize(written=st.lists(items, min_size=2, max_size=8))
    def begin(self, written: list[Item]) -> None:
        self.write(written)
        self.claim(0)

    @rule(written=st.lists(items, min_size=1, max_size=4))
    def write(self, written: list[Item]) -> None:
        for item in written:
            key, value = bytes_of(item, self.scouting.fold.plan)
            self.records.append(LogRecord(0, len(self.records), 1_000_000 + len(self.records), key, value))
            self.scout.run(self.scouting, self.records[-1:])
            self.expected.append(dict(self.scout.fields))

    # -- workers

    @rule(number=workers)
    def claim(self, number: int) -> None:
        """On assignment; by more than one at once when the group and a zombie disagree (a rebalance, a pause)."""
        self.workers[number].forget()
        self.workers[number].owned = self._owned(self.await_(self.backend.store.claim(0)))

    def _owned(self, claim: Claim) -> Owned:
        assert dict(claim.fields) == self.expected[claim.offset], "a claim returns the prefix up to its offset"
        return Owned(claim, PLAN, 1)

    @rule(number=workers, size=st.integers(1, 3), written=st.lists(items, min_size=1, max_size=3))
    def work(self, number: int, size: int, written: list[Item]) -> None:
        """What a worker does most of the time. Without it, chance would rarely come to the interesting states."""
        self.saved.append(self.await_(self.backend.save()))
        self.write(written)
        if self.workers[number].owned is None:
            self.claim(number)
        self.fold(number, size)
        self.commit(number)

    @rule(number=workers, size=st.integers(1, 5))
    def fold(self, number: int, size: int) -> None:
        """Fold what comes next, while the commit before it may still be on its way."""
        worker = self.workers[number]
        if worker.owned is not None and worker.owned.next < len(self.records):
            batch = self.records[worker.owned.next : worker.owned.next + size]
            worker.pending += [prepared.step for prepared in worker.owned.prepare(batch)]

    @rule(number=workers)
    def commit(self, number: int) -> None:
        """All steps as one pipeline; its answers decide."""
        worker = self.workers[number]
        steps, worker.pending = worker.pending, []
        answers = self.await_(self.backend.store.apply(steps))
        assert answers == sorted(answers, key=lambda answer: answer is not Answer.OK), (
            "nothing is applied after a refusal"
        )
        if any(answer is not Answer.OK for answer in answers):
            worker.forget()

    @rule(number=workers)
    def heartbeat(self, number: int) -> None:
        worker = self.workers[number]
        if worker.owned is not None and not worker.pending:
            if self.await_(self.backend.store.apply([worker.owned.heartbeat().step])) != [Answer.OK]:
                worker.forget()
            else:
                assert self.await_(self.backend.store.offsets()) in ({0: worker.owned.next}, {})

    @rule(number=workers, how=st.sampled_from(("answer", "request", "slow")))
    def lose(self, number: int, how: str) -> None:
        """The answer: applied or refused, the sender never learns which. The request: so do a kill and a crash. Slow: the
        sender has given up waiting (or was killed), and what it sent arrives some time, whatever happened meanwhile."""
        worker = self.workers[number]
        if how == "answer":
            self.await_(self.backend.store.apply(worker.pending))
        elif how == "slow":
            self.on_the_way.append(worker.pending)
        worker.forget()

    @precondition(lambda self: any(self.on_the_way))
    @rule(which=st.integers(0, 20))
    def arrive(self, which: int) -> None:
        steps = self.on_the_way.pop(which % len(self.on_the_way))
        self.await_(self.backend.store.apply(steps))

    # -- the store

    @precondition(lambda self: self.saved)
    @rule(which=st.integers(1, 3))
    def roll_back(self, which: int) -> None:
        """A crash that lost the last second, or a failover to a replica that lagged. Epochs go back as well."""
        self.await_(self.backend.go_back(self.saved[-min(which, len(self.saved))]))

    @rule(functions=st.booleans())
    def flush(self, functions: bool) -> None:
        self.await_(self.backend.flush(functions))

    # -- what must hold

    @invariant()
    def stored_fields_are_those_of_the_prefix(self) -> None:
        stored = self.await_(self.backend.fields())
        if stored is not None:
            offset, fields = stored
            assert fields == self.expected[offset]

    def teardown(self) -> None:
        """Whatever happened: one worker that is left alone brings it to the end."""
        try:
            worker = self._owned(self.await_(self.backend.store.claim(0)))
            for step in worker.prepare(self.records[worker.next :]) if worker.next < len(self.records) else ():
                assert self.await_(self.backend.store.apply([step.step])) == [Answer.OK]
            stored = self.await_(self.backend.fields())
            assert stored == (len(self.records), self.expected[-1])
        finally:
            self.await_(self.backend.close())
            self.loop.close()


def machine(url: str | None) -> Callable[[], Protocol]:
    """The model over a store."""
    return lambda: Protocol(url)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_stored_fields_are_a_function_of_the_prefix_whatever_happens(kind: str, request: pytest.FixtureRequest) -> None:
    url = None if kind == "memory" else request.getfixturevalue(f"{kind}_server").url
    profile = settings(
        max_examples=settings().max_examples if kind == "memory" else max(6, settings().max_examples // 10),
        stateful_step_count=50
        if kind == "memory"
        else 30,  # a real server takes its time: minutes for as many as in memory
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(machine(url), settings=profile)  # type: ignore[arg-type]  # any factory will do
