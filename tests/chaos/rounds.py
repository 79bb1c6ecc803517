"""One round: a night, faults drawn from a seed while events flow, and the verdict of the oracle over store and public."""

import asyncio
import random
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.store.embedded import find_server
from tests.chaos import faults
from tests.chaos.epilogues import EPILOGUES
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.lines import WORKERS, faketime
from tests.chaos.material import made
from tests.chaos.scene import PARTITIONS, NotHealed, Scene, Servers, scene
from tests.chaos.verdict import Seen, Verdict, verdict_on

SERVERS: Final = ("redis", "valkey")
SENDING_S: Final = 10.0
ROUND_S: Final = 900.0
QUIET: Final = 0.35
MADE_ANEW: Final = 0.06
SIGNS: Final = {
    "rollbacks": "the store went back",
    "fenced": '"answer": "FENCED"',
    "moved": '"answer": "MOVED"',
    "empty": '"answer": "EMPTY"',
    "no_functions": '"answer": "NOLIB"',
    "lost_answers": '"answer": "LOST"',
    "read_again": "the source dropped records",
    "store_away": "the store is away",
    "not_current": '"event": "not current"',
    "revision_put_back": "the store had lost",
    "rebuild_required": "RebuildRequired",
}
"""What the operator reads in the services' logs: how often."""


@dataclass(frozen=True)
class Plan:
    """Everything that a round does, from its seed."""

    seed: int
    reports: int
    server: str
    faults: tuple[Fault, ...]
    epilogue: str | None = None
    sending_s: float = SENDING_S


@dataclass
class Outcome:
    """What came of a round; written to build/chaos.json as it is."""

    seed: int
    server: str
    faults: list[str]
    epilogue: str | None
    records: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    heal_s: float = 0.0
    seconds: float = 0.0
    revisions: int = 0
    public: dict[str, float] = field(default_factory=dict)
    ops: dict[str, int] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)  # services that ended with an error that nobody foresaw
    times: dict[str, float] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and nothing doubled."""
        return not self.lost and not self.doubled

    def line(self) -> str:
        """The round as it is printed."""
        did = ", ".join([*self.faults, *([self.epilogue] if self.epilogue else [])])
        return (
            f"seed {self.seed} on {self.server}: {did}\n"
            f"  {self.records:,} reports, {len(self.lost)} lost, {len(self.doubled)} doubled, healed in {self.heal_s:.1f} s, "
            f"{self.revisions} revisions seen, stale {self.public.get('stale_s', 0):.1f} s, {self.seconds:.0f} s in all"
        )


def drawn(seed: int, reports: int, shared: Servers, only: str | None = None) -> Plan:
    """The plan of this seed."""
    dice = random.Random(seed)
    server = dice.choice(SERVERS)
    can = faults.possible(
        spaces=all(line.space for line in shared.lines.values() if line.name != "pub"),
        small_disk=shared.disk_is_small,
        clock=faketime() is not None,
    )
    if only in EPILOGUES:
        return Plan(seed, reports, server, (), only)
    if only is not None:
        return Plan(seed, reports, server, (faults.planned(dice, only),))
    some = tuple(faults.schedule(dice, can, dice.choice((3, 4, 5))))
    chance = dice.random()
    epilogue = "quiet_rollback" if chance < QUIET else "topic_made_anew" if chance < QUIET + MADE_ANEW else None
    return Plan(seed, reports, server, some, epilogue)


def big(seed: int, reports: int) -> Plan:
    """Every tabulator killed three times and frozen three times, broker and store killed, in an order of chance."""
    dice = random.Random(seed)
    names = [*("kill", "freeze") * 3 * len(WORKERS)]
    targets = [name for name in WORKERS for _ in range(6)]
    some = [replace(faults.planned(dice, n), target=t) for n, t in zip(names, targets, strict=True)]
    some += [faults.planned(dice, name) for name in ("broker_killed", "store_cut", "storm", "store_flushed")]
    dice.shuffle(some)
    return Plan(seed, reports, dice.choice(SERVERS), tuple(some), "quiet_rollback", sending_s=90.0)


def binary_of(server: str) -> Path:
    """The program of a store server. Raises StoreUnavailable if it is not installed."""
    if server == "valkey":
        return find_server()
    found = shutil.which("redis-server")
    if found is None:
        raise StoreUnavailable("redis-server is not on PATH.", "install it (Debian: redis-server)")
    return Path(found)


async def run(plan: Plan, shared: Servers) -> Outcome:
    """Play the round and compare."""
    started = time.monotonic()
    election = f"chaos-{plan.seed}-{time.time_ns() % 10**9}"
    material = await asyncio.to_thread(made, plan.seed, plan.reports, PARTITIONS, election)
    outcome = Outcome(plan.seed, plan.server, [str(fault) for fault in plan.faults], plan.epilogue)
    jumping = {f.target for f in plan.faults if f.name == "clock_jumps"}
    clocks = {name: faults.clock_of(shared.folder, name) for name in jumping}
    async with asyncio.timeout(ROUND_S), scene(shared, material, binary_of(plan.server), clocks) as stage:
        try:
            await _play(plan, stage, outcome)
        except (NotHealed, KafkaError, TimeoutError) as error:
            outcome.lost.append(f"{type(error).__name__}: {error}")
        _note(stage, outcome)
        if not outcome.clean or outcome.surprises:
            _keep(stage, Path("build/chaos", str(plan.seed)))
    await _drop(stage)
    outcome.seconds = time.monotonic() - started
    return outcome


async def _play(plan: Plan, stage: Scene, outcome: Outcome) -> None:
    sending = asyncio.create_task(stage.send(plan.sending_s))
    try:
        await stage.enough_sent(0.05)
        await _faults(plan, stage)
        stage.hurry.set()
        await sending
    finally:
        sending.cancel()
    _, outcome.heal_s = await stage.healed("the end of the log")
    verdict = await compared(stage, outcome)
    verdict.doubled += await stage.audited()
    if verdict.clean and plan.epilogue is not None:
        verdict = await EPILOGUES[plan.epilogue](stage, random.Random(plan.seed), outcome.times)
    outcome.lost += verdict.lost
    outcome.doubled += verdict.doubled


async def _faults(plan: Plan, stage: Scene) -> None:
    running: list[asyncio.Task[None]] = []
    try:
        for fault in plan.faults:
            await asyncio.sleep(fault.pause)
            if fault.over and running:
                await asyncio.wait(running)
            running.append(asyncio.create_task(FAULTS[fault.name](stage, fault), name=str(fault)))
        for task in running:
            await task
    finally:
        for task in running:
            task.cancel()


async def compared(stage: Scene, outcome: Outcome) -> Verdict:
    """Store, published snapshot, quarantine and every revision that was shown, against the log."""
    log = await stage.records()
    outcome.records = sum(map(len, log.values()))
    seen = Seen(log, await stage.hashes(), await stage.quarantined(), await stage.audience.everything())
    return await asyncio.to_thread(verdict_on, stage.definition.read_bytes(), seen, stage.audience)


def _note(stage: Scene, outcome: Outcome) -> None:
    audience = stage.audience
    outcome.revisions = len(audience.shown)
    outcome.public = {
        "answers": audience.answers, "unanswered": audience.unanswered, "stale_s": round(audience.stale_s, 2),
    }  # fmt: skip
    outcome.ops = {name: times for name, text in SIGNS.items() if (times := stage.said(text))}
    outcome.ended = [end for service in stage.services.values() for end in service.ends]
    outcome.surprises = [path.name for path in stage.folder.glob("*.log") if "Traceback" in path.read_text()]


def _keep(stage: Scene, folder: Path) -> None:
    """What a failed round leaves for whoever looks into it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*stage.folder.glob("*.log"), *stage.folder.glob("*.json")):
        shutil.copy(path, folder)


async def _drop(stage: Scene) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.servers.broker.bootstrap)
    await admin.start()
    try:
        own = f"tallyroom.{stage.election}.test."
        await admin.delete_topics([topic for topic in await admin.list_topics() if topic.startswith(own)])
    finally:
        await admin.close()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """For build/chaos.json: the first differences in words, and how many there were."""
    told = asdict(outcome)
    return {**told, "lost": len(outcome.lost), "doubled": len(outcome.doubled),
            "differences": (outcome.lost + outcome.doubled)[:20]}  # fmt: skip
