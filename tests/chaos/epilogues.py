"""What is done to a night after its last event, when everything is in and right."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tallyroom.log import quarantine_topic
from tests.chaos.audience import offsets
from tests.chaos.material import Material, made, tail
from tests.chaos.scene import PARTITIONS, Scene, until
from tests.chaos.verdict import Seen, Verdict, verdict_on

QUIET_LIMIT_S: Final = 2.0


async def quiet_rollback(stage: Scene, dice: random.Random, times: dict[str, float]) -> Verdict:
    """A store that goes back on a quiet night: nothing comes that would show it, but the heartbeat."""
    async with stage.admin() as redis:
        keys = [stage.key(number) for number in range(PARTITIONS) if number == 0 or dice.random() < 0.7]
        kept = {key: await redis.dump(key) for key in keys}
        await stage.append(tail(stage.material, dice))
        ends = await stage.ends()
        await until(lambda: stage.folded(ends), "the last reports of the night")
        for key, value in kept.items():
            await redis.restore(key, 0, value or b"", replace=True)
    assert not await stage.folded(ends), "the rollback was healed before it could be seen"
    started = time.monotonic()
    await until(lambda: stage.folded(ends), "the rolled-back partitions to be folded again")
    times["quiet_rollback_s"] = round(time.monotonic() - started, 2)
    await stage.healed("the public after the rollback")
    return await _again(stage)


async def _again(stage: Scene) -> Verdict:
    seen = Seen(
        await stage.records(), await stage.hashes(), await stage.quarantined(), await stage.audience.everything()
    )
    verdict = await asyncio.to_thread(verdict_on, stage.definition.read_bytes(), seen, None)
    verdict.doubled += await stage.audited()
    return verdict


async def topic_made_anew(stage: Scene, dice: random.Random, times: dict[str, float]) -> Verdict:
    """Another log under the same name: tabulators must stop and ask for a rebuild, the public must see nothing of it.

    Then the operator starts over as docs/operating.md says, and the new log is what counts.
    """
    before = stage.audience.latest
    await _made_anew(stage)
    stage.material = _another(stage.material, dice)
    started = time.monotonic()
    await stage.send(0.0)

    async def stopped() -> bool:
        return stage.said("RebuildRequired") > 0 or stage.said("start over (docs/operating.md)") > 0

    await until(stopped, "a tabulator to ask for a rebuild")
    times["asked_for_rebuild_s"] = round(time.monotonic() - started, 2)
    await asyncio.sleep(2.0)
    verdict = Verdict()
    now = stage.audience.latest
    if now["hashes"]["content"] != before["hashes"]["content"]:
        verdict.doubled.append(f"revision {now['revision']} shows another log than {before['revision']}")
    started = time.monotonic()
    await _start_over(stage)
    ends = await stage.ends()

    async def shown() -> (
        bool
    ):  # exactly: the new log may be the shorter one, and gateways keep the old night until then
        return bool(stage.audience.latest) and offsets(stage.audience.latest) == ends

    await until(shown, "the new log to be published")
    times["started_over_s"] = round(time.monotonic() - started, 2)
    again = await _again(stage)
    return Verdict(verdict.lost + again.lost, verdict.doubled + again.doubled)


def _another(before: Material, dice: random.Random) -> Material:
    """Other events under the same definition: fewer than before, or so many more that old offsets lie within them."""
    other = made(dice.randrange(10**9), before.reports, PARTITIONS, before.definition.election)
    again = [sending for sending in other.records if sending.partition is None]
    return replace(other, records=[*other.records, *again][: round(len(other.records) * dice.choice((0.6, 1.7)))])


async def _made_anew(stage: Scene) -> None:
    topics = [stage.topic, quarantine_topic(stage.election, "test")]
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.servers.broker.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(topics)
        async with asyncio.timeout(30):
            while set(topics) & set(await admin.list_topics()):  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.05)
        config = {"retention.ms": "-1"}
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=config) for name in topics])
    finally:
        await admin.close()


async def _start_over(stage: Scene) -> None:
    """docs/operating.md, "Starting over"."""
    services = [service for name, service in stage.services.items() if name != "gateway"]
    await asyncio.gather(*(service.end() for service in services))
    async with stage.admin() as redis:
        await redis.delete(*[key async for key in redis.scan_iter(match=f"tallyroom:{{{stage.election}.test}}:*")])
    for kept in (stage.folder / "pub").rglob("revision.msgpack"):
        kept.unlink()
    stage.audience.latest = {}
    for service in services:
        service.held = False
        await service.start()


EPILOGUES: Final[dict[str, Callable[[Scene, random.Random, dict[str, float]], Awaitable[Verdict]]]] = {
    "quiet_rollback": quiet_rollback,
    "topic_made_anew": topic_made_anew,
}
