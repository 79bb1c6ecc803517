"""A small night of signed events through secured servers, each service as its own user with the rights of deploy/."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tallyroom.codec.definition import encode_definition
from tallyroom.codec.events import Report, encode_event
from tallyroom.codec.signatures import Key
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Definition, Source
from tallyroom.night.group import ProcessGroup
from tallyroom.night.night import free_port
from tallyroom.producer.keyfile import generate
from tallyroom.testing.kafka import BrokerUnavailable
from tallyroom.testing.secured import SecuredBroker
from tests.support.certificates import Authority
from tests.support.kafka_fixtures import unavailable
from tests.support.mini import report
from tests.support.secured import SecuredStore, allow, secured_kafka
from tests.support.secured_night import Secured, counted, until_counted
from tests.support.signing import OTHER, public, signed_definition
from tests.support.store_fixtures import binary_of

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[SecuredBroker]:
    """One broker; each night has an election, and so topics and rights, of its own."""
    try:
        with secured_kafka(tmp_path_factory.mktemp("kafka"), authority) as running:
            yield running
    except BrokerUnavailable as error:
        unavailable(error)


@pytest.fixture
def start(broker: SecuredBroker, authority: Authority, tmp_path: Path) -> Iterator[Callable[[str], Secured]]:
    """Both servers, the store for an election of this id."""
    with ExitStack() as stack:

        def started(election: str) -> Secured:
            store = SecuredStore(binary_of("redis"), tmp_path / "redis", authority, (election, "test"))
            stack.enter_context(store.running())
            return Secured(broker, store, tmp_path)

        yield started


async def until_audited(group: ProcessGroup, ops: int) -> None:
    """Wait for one more audit than there was, and see that no audit found a difference."""
    first, deadline = -1.0, time.monotonic() + 90
    async with httpx.AsyncClient(timeout=10) as client:
        while True:
            assert time.monotonic() < deadline, "nothing was audited"
            assert not group.failed.done()
            await asyncio.sleep(0.2)
            try:
                lines = (await client.get(f"http://127.0.0.1:{ops}/metrics")).text.splitlines()
            except httpx.TransportError:
                continue
            values = {
                name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"
            }
            audits = values.get("tallyroom_audits_total", 0.0)
            assert not any(value for name, value in values.items() if name.startswith("tallyroom_audit_differences{"))
            if 0 <= first < audits:
                return
            first = audits if first < 0 and audits else first


async def test_a_signed_night_on_secured_servers(start: Callable[[str], Secured]) -> None:
    secured = start("mini")
    folder = secured.folder
    made = json.loads(secured.run("tallyroom-producer", "keys", "generate", "hall.key", "--id", "hall-1"))
    (folder / "election.json").write_bytes(encode_definition(signed_definition(key=made["key"])))
    await allow(secured.broker, "mini", "test")
    secured.run("tallyroom-topics", "topics", "create", secured.election)
    events = [encode_event(report(unit, version, x=version)) for unit in ("a", "b") for version in (1, 2)]
    (folder / "events.ndjson").write_bytes(b"\n".join(events))
    secured.run(
        "tallyroom-producer", "sign", "events.ndjson", "--key", "hall.key", "-o", "signed.ndjson", "--together", "3"
    )
    port = free_port()
    ports = {"TALLYROOM_HTTP_PORT": str(port), "TALLYROOM_OPS_PORT": str(free_port())}
    async with ProcessGroup(folder / "logs") as group:
        await group.start(
            "tabulator", ["tabulator", secured.election], secured.environment("tallyroom-tabulator", "tabulator")
        )
        await group.start(
            "publisher", ["publisher", secured.election], secured.environment("tallyroom-publisher", "publisher")
        )
        await group.start("gateway", ["gateway", secured.election], secured.environment(None, "gateway") | ports)
        ops = free_port()
        audit = secured.environment("tallyroom-auditor", "auditor") | {"TALLYROOM_OPS_PORT": str(ops)}
        await group.start("auditor", ["auditor", secured.election], audit)
        secured.run("tallyroom-producer", "publish", "signed.ndjson", "--election", secured.election)
        await until_counted(group, f"http://127.0.0.1:{port}", {"x": 4, "y": 8})
        forged = encode_event(report("a", 3, x=40))
        (folder / "forged.ndjson").write_bytes(
            forged
            + b"\n"
            + json.dumps({"signature": OTHER.sign(forged).decode(), "event": json.loads(forged)}).encode()
        )
        secured.run("tallyroom-producer", "publish", "forged.ndjson", "--election", secured.election)
        (folder / "last.ndjson").write_bytes(encode_event(report("b", 3, x=5)))
        secured.run("tallyroom-producer", "publish", "last.ndjson", "--election", secured.election, "--key", "hall.key")
        await until_counted(group, f"http://127.0.0.1:{port}", {"x": 7, "y": 8})
        await until_audited(group, ops)
    secured.run("tallyroom-auditor", "record", secured.election, "-o", "night")
    told = json.loads(secured.run("tallyroom-auditor", "tabulate", "night"))
    assert told["quarantined"] == {"unsigned": 1, "unknown_key": 1}
    assert counted(told) == {"x": 7, "y": 8}
    said = "".join(path.read_text("utf-8", "replace") for path in (folder / "logs").glob("*.log"))
    assert said
    assert "leak-" not in said


def town(hall: Key, desk: Key, *people: Key) -> Definition:
    """The small vote with signed events, a desk of two people who sign what they decide, and its own id."""
    made = signed_definition(key=hall.public)
    able = ("desk", "amendment", "declaration")
    sources = (*made.sources[:2], Source(id="desk", names={}, may_report=able, keys=(public(desk),)))
    rules = DeskRules(persons=2, operators=tuple(Operator(id=key.id, key=key.public) for key in people))
    return replace(made, election="town", sources=sources, desk=rules)


def broken(unit: str, version: int = 1) -> Report:
    """A sheet that does not add up: ten valid ballots, nine votes."""
    sheet = report(unit, version, x=1, y=8)
    return msgspec.structs.replace(sheet, ballots={"cast": 11, "valid": 10, "invalid": 1})


class Town:
    """A night whose operators are two people, each service and each command as its own user."""

    def __init__(self, secured: Secured, group: ProcessGroup) -> None:
        self.secured, self.group = secured, group
        self.port = free_port()

    async def open(self) -> None:
        """Rights, topics, services, and four reports: one counts, two do not add up, one is of a unit that nobody knows."""
        secured = self.secured
        keys = [generate(secured.folder / f"{name}.key", name) for name in ("hall-1", "desk-1", "anna", "boris")]
        (secured.folder / "election.json").write_bytes(encode_definition(town(*keys)))
        await allow(secured.broker, "town", "test")
        await secured.told("tallyroom-topics", "topics", "create", secured.election)
        users = (
            ("tabulator", "tallyroom-tabulator", "tabulator"), ("publisher", "tallyroom-publisher", "publisher"),
            ("gateway", None, "gateway"), ("returns", "tallyroom-desk", "gateway"),
        )  # fmt: skip
        for service, kafka, store in users:
            ports = {"TALLYROOM_OPS_PORT": str(free_port()), "TALLYROOM_HTTP_PORT": str(self.port)}
            await self.group.start(service, [service, secured.election], secured.environment(kafka, store) | ports)
        await self.publish(report("a"), broken("b"), broken("b", 2), report("new", x=10, y=1))
        await self.until({"x": 3, "y": 4})

    async def publish(self, *reports: Report) -> None:
        """What the town hall sends, signed."""
        lines = [encode_event(msgspec.structs.replace(item, election="town")) for item in reports]
        events, key = (str(self.secured.folder / name) for name in ("events.ndjson", "hall-1.key"))
        (self.secured.folder / "events.ndjson").write_bytes(b"\n".join(lines))
        about = ("--election", self.secured.election, "--key", key)
        await self.secured.told("tallyroom-producer", "publish", events, *about)

    async def ask(self, verb: str, *about: str) -> str:
        """What the desk is told."""
        return await self.secured.told("tallyroom-desk", *verb.split(), self.secured.election, *about)

    async def decide(self, verb: str, *about: str) -> str:
        """A decision of two operators, signed by each of them and by the desk."""
        return await self.ask(verb, *about, *self.signed)

    @property
    def signed(self) -> tuple[str, ...]:
        """Who decides, each with a key, why, and with which key the desk signs."""
        named = [f"--operator={name}={self.secured.folder / name}.key" for name in ("anna", "boris")]
        return (*named, "--reason", "telephoned", "--key", str(self.secured.folder / "desk-1.key"))

    async def until(self, wanted: Mapping[str, int]) -> dict[str, Any]:
        """The first snapshot with these votes."""
        return await until_counted(self.group, f"http://127.0.0.1:{self.port}", wanted, "town")


async def test_the_desk_on_secured_servers(start: Callable[[str], Secured]) -> None:
    secured = start("town")
    async with ProcessGroup(secured.folder / "logs") as group:
        night = Town(secured, group)
        await night.open()
        first = (await night.until({"x": 3, "y": 4}))["revision"]
        await refused(night)
        unit = {"change": "add_unit", "unit": {"id": "new", "registered": 30}, "contests": {"mayor": "north"}}
        (secured.folder / "changes.json").write_text(json.dumps([unit]))
        await night.decide("amend", str(secured.folder / "changes.json"))
        await night.until({"x": 14, "y": 13})  # `tallyroom returns` sent what had waited
        await acts(night)
        await read(night, first, await night.until({"x": 17, "y": 21}))
    said = "".join(path.read_text("utf-8", "replace") for path in (secured.folder / "logs").glob("*.log"))
    assert said
    assert "leak-" not in said


async def refused(night: Town) -> None:
    """What was refused is looked at, and decided by those alone who may write events."""
    listed = json.loads(await night.ask("quarantine list", "--json"))
    places = {f"{case['unit']}/{case['version']}": case["at"] for case in listed["cases"]}
    assert places.keys() == {"b/1", "b/2", "new/1"}
    assert "valid 10 = selections 9 does not hold" in await night.ask("quarantine show", places["b/1"])
    release = ("quarantine", "release", night.secured.election, places["b/1"], *night.signed)
    said = night.secured.run("tallyroom-auditor", *release, code=1)
    assert "user 'tallyroom-auditor' has no right to it" in said
    assert "what to do: run this as the user that has the right (TALLYROOM_KAFKA_USERNAME)" in said
    night.secured.run("tallyroom-desk", *release)
    await night.decide("quarantine reject", places["b/2"])
    await night.until({"x": 4, "y": 12})


async def acts(night: Town) -> None:
    """Every act of the desk once."""
    await night.decide("desk freeze", "mayor", "--text", "Being checked.")
    await night.decide("unit correct", "mayor:a", "x=5", "valid=9", "cast=10")
    await night.decide("desk thaw", "mayor")
    await night.decide("desk accept-with-flag", "hall")
    await night.publish(broken("c"))
    await night.until({"x": 17, "y": 21})
    await night.decide("desk call", "mayor:y", "--text", "Y has it.")
    await night.decide("desk uncall", "mayor:y")
    await night.decide("desk embargo", "mayor", "--until", "2100-01-01T00:00:00Z")
    await night.until({})
    await night.decide("desk embargo", "mayor", "--until", "lift")
    shown = await night.ask("unit show", "mayor:b")
    assert "version 1 (counted, counted)" in shown
    assert "version 2, accounting, rejected" in shown


async def read(night: Town, first: int, snapshot: dict[str, Any]) -> None:
    """What the log says is read by those who may read it; a rebuild is a tabulator's."""
    secured, gateway = night.secured, {"TALLYROOM_HTTP_PORT": str(night.port)}
    path = secured.folder / "snapshot.json"
    path.write_text(json.dumps(snapshot))
    verify = ("verify", str(path), "--log", secured.broker.url, "--election", secured.election)
    assert "equal" in await secured.told("tallyroom-auditor", *verify)
    said = secured.run("tallyroom-publisher", *verify, code=2)
    assert "user 'tallyroom-publisher' has no right to it (TopicAuthorizationFailedError)" in said
    snapshot["contests"][0]["areas"][0]["counts"]["x"] += 1
    path.write_text(json.dumps(snapshot))
    assert "mayor │ town │ counts.x │ 17 │ 18" in secured.run("tallyroom-auditor", *verify, code=1)
    span = ("--from", str(first), "--to", str(snapshot["revision"]), "--json")
    told = await secured.told("tallyroom-auditor", "explain", secured.election, *span, settings=gateway)
    assert json.loads(told)["difference"]["x"] == 14
    assert "A small vote" in await secured.told(None, "results", settings=gateway)
    said = secured.run("tallyroom-tabulator", "rebuild", secured.election, store="gateway", code=1)
    assert "refused user 'tallyroom-gateway'" in said
    assert "TALLYROOM_REDIS_USERNAME" in said
    assert "2 partitions" in secured.run("tallyroom-tabulator", "rebuild", secured.election, store="tabulator")
