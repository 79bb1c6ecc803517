"""A small night of signed events through secured servers, each service as its own user with the rights of deploy/."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tallyroom.codec.definition import encode_definition
from tallyroom.codec.events import encode_event
from tallyroom.night.group import ProcessGroup
from tallyroom.night.night import free_port
from tallyroom.settings import Settings, StoreAccess
from tallyroom.testing.kafka import BrokerUnavailable
from tallyroom.testing.secured import SecuredBroker
from tests.support.certificates import Authority
from tests.support.kafka_fixtures import unavailable
from tests.support.mini import report
from tests.support.secured import SecuredStore, allow, secured_kafka
from tests.support.signing import OTHER, signed_definition
from tests.support.store_fixtures import binary_of

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")


class Secured:
    """Both servers and the commands that run on them, each as its own user."""

    def __init__(self, broker: SecuredBroker, store: SecuredStore, folder: Path) -> None:
        self.broker, self.store, self.folder = broker, store, folder
        self.election = str(folder / "election.json")

    def environment(self, kafka: str | None, store: str | None) -> dict[str, str]:
        """Settings of a process: passwords in files, as they should be."""
        access = StoreAccess("") if store is None else self.store.access(store)
        settings = Settings(
            kafka_url=None if kafka is None else self.broker.url,
            kafka=Settings().kafka if kafka is None else self.broker.access(kafka),
            redis_url=access.url, redis_username=access.username, redis_password=access.password, redis_ca=access.ca,
        )  # fmt: skip
        made = {**settings.environment(), "TALLYROOM_PARTITIONS": "2", "TALLYROOM_DATA": str(self.folder / "data")}
        for name in ("TALLYROOM_KAFKA_PASSWORD", "TALLYROOM_REDIS_PASSWORD"):
            if made[name]:
                path = self.folder / f"{kafka}-{store}-{name}"
                path.write_text(made[name] + "\n")
                path.chmod(0o600)
                made |= {name: "", f"{name}_FILE": str(path)}
        return made

    def run(self, kafka: str, *arguments: str, code: int = 0) -> str:
        """What a command prints that speaks to Kafka as this user."""
        done = subprocess.run(
            [SCRIPT, *arguments], env={**os.environ, **self.environment(kafka, None)}, capture_output=True, timeout=120,
            check=False, cwd=self.folder,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == code, said
        assert "leak-" not in said
        return done.stdout.decode()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    """Both servers, running."""
    authority = Authority(tmp_path / "authority")
    store = SecuredStore(binary_of("redis"), tmp_path / "redis", authority, ("mini", "test"))
    try:
        with secured_kafka(tmp_path / "kafka", authority) as broker, store.running():
            yield Secured(broker, store, tmp_path)
    except BrokerUnavailable as error:
        unavailable(error)


def counted(snapshot: Mapping[str, Any]) -> dict[str, int]:
    """Votes of contest mayor in its root area."""
    for contest in snapshot.get("contests", ()):
        if contest["contest"] == "mayor" and contest["areas"]:
            return dict(contest["areas"][0]["counts"])
    return {}


async def until_counted(group: ProcessGroup, url: str, wanted: Mapping[str, int]) -> dict[str, Any]:
    """The first snapshot with these votes."""
    found: dict[str, Any] = {}
    deadline = time.monotonic() + 150
    async with httpx.AsyncClient(timeout=10) as client:
        while counted(found) != wanted:
            if group.failed.done():
                raise group.failed.result()
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.2)
            try:
                answer = await client.get(f"{url}/v1/elections/mini/snapshot")
            except httpx.TransportError:
                continue
            found = answer.json() if answer.status_code == 200 else {}
    return found


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


async def test_a_signed_night_on_secured_servers(secured: Secured) -> None:
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
