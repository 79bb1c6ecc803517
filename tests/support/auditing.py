"""A published night on a real store, its auditor, and a hand that plants faults in the store's server."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from tallyroom.auditor.service import Auditor
from tallyroom.codec import packed
from tallyroom.codec.events import Desk
from tallyroom.codec.marks import Why
from tallyroom.domain.election import Definition
from tallyroom.publisher.revision import content_hash, document_hash
from tallyroom.publisher.service import Publisher
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.recount import COUNTERS
from tallyroom.tabulator.rebuild import Rebuild, Rebuilt
from tallyroom.telemetry.metrics import auditor_metrics, new_registry
from tests.support.elections import CHAIN, CLOSED_AT, ELECTION, Sent, election, with_rules
from tests.support.publishing import TOPIC, Room, until
from tests.support.store_fixtures import Stores

DEFINITION: Final[Definition] = with_rules(election(2))
FIRST: Final = (Sent("list", "u1", numbers=(7, 2, 1, 0)), Sent("list", "u3", numbers=(5, 4, 0, 1), invalid=2))

Row = tuple[int, ...]
P: Final = len(COUNTERS) + 3  # the first selection stands behind the measures cast, valid, invalid


class Scene:
    """A room with a publisher at work, an auditor, and a hand in the store's server."""

    def __init__(self, room: Room, publisher: Publisher, server: "Redis", prefix: str) -> None:
        self.room, self.publisher = room, publisher
        self.server, self._prefix = server, prefix
        self.metrics = auditor_metrics(new_registry("auditor"), lambda: 0.0)
        self.auditor = Auditor((room.store, room.store), (room.log, TOPIC), (DEFINITION, CHAIN), self.metrics)

    def told(self) -> dict[str, float]:
        """What the metric says of the last audit."""
        samples = (sample for metric in self.metrics.differences.collect() for sample in metric.samples)
        return {sample.labels["of"]: sample.value for sample in samples}

    async def send(self, *items: Sent) -> None:
        """Reports, folded and published."""
        await self.room.send(*(item.event(DEFINITION) for item in items))

    async def partition_of(self, field: str) -> str:
        """Key of the partition that holds the field."""
        for number in (0, 1):
            if await self.server.hexists(f"{self._prefix}p:{number}", field):
                return f"{self._prefix}p:{number}"
        raise AssertionError(f"no partition holds {field}")

    async def plant(self, field: str, change: Callable[[Row], Row] | None) -> None:
        """Change a row in the store behind everybody's back; None: lose it."""
        key = await self.partition_of(field)
        if change is None:
            await self.server.hdel(key, field)
            return
        row = packed.unpack(await self.server.hget(key, field))  # type: ignore[arg-type]
        await self.server.hset(key, field, packed.pack(change(row)))

    async def plant_published(self, name: str, change: Callable[[str], str]) -> None:
        """Change a published document behind everybody's back."""
        key, field = f"{self._prefix}revision", f"d:{name}"
        data: bytes = await self.server.hget(key, field)  # type: ignore[assignment]
        changed = change(data.decode())
        assert changed != data.decode()
        await self.server.hset(key, field, changed)

    async def plant_derived(self, changed: Mapping[str, Any], **hashes: str) -> None:
        """These documents in the place of the published ones, with head and hashes as if a publisher had made them."""
        key = f"{self._prefix}revision"
        head = json.loads(await self.server.hget(key, "head"))  # type: ignore[arg-type]
        for name, document in changed.items():
            data = msgspec.json.encode(document)
            assert head["documents"][name] != document_hash(data)
            head["documents"][name] = document_hash(data)
            await self.server.hset(key, f"d:{name}", data)
        head["hashes"] |= {"content": content_hash(head["documents"]), **hashes}
        await self.server.hset(key, "head", msgspec.json.encode(head))

    async def frozen(self) -> Why:
        """Wait until the publisher obeys the mark; why."""
        await until(lambda: "frozen" in self.publisher.condition.reason)
        return msgspec.json.decode((await self.room.store.mark()).why, type=Why)

    async def thaw(self, number: int) -> None:
        """An act of the desk that lets publication go on."""
        await self.room.send(
            Desk(
                id=f"thaw-{number}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT,
                act="thaw", operators=("Aigerim", "Daniyar"), reason="the store was rebuilt",
            )
        )  # fmt: skip

    async def rebuild(self, plan: Plan | None = None) -> Rebuilt:
        """Fold the whole log anew."""
        topics = (TOPIC, "quarantine")
        await self.room.log.create(topics[1], 2)
        return await Rebuild(self.room.store, (self.room.log, topics), plan or self.room.plan).run()

    async def figure(self) -> int:
        """Votes for P in the whole contest, as published."""
        found = await self.room.published()
        assert found is not None
        votes: int = found[1]["areas:list:"][0]["counts"]["P"]
        return votes


@asynccontextmanager
async def scene_of(stores: Stores, folder: Path) -> AsyncIterator[Scene]:
    room = await Room(stores.client(), folder, DEFINITION).open()
    server = Redis.from_url(str(stores.url))
    try:
        async with room.publishing() as publisher:
            made = Scene(room, publisher, server, f"tallyroom:{{{stores.election}.test}}:")
            await made.send(*FIRST)
            head, _ = await room.covered()
            assert await made.auditor.audit() == []
            assert (await room.store.mark()).audited == head.revision
            yield made
    finally:
        await server.aclose()
