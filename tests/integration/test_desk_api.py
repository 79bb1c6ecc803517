"""The desk's ops API and metrics, over a real port: who may do what, what is answered, and what it does to the log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from prometheus_client import CollectorRegistry

from tallyroom.codec.apikeys import ApiKey, KeyFile, Scope, digest, encode_keys
from tallyroom.codec.events import encode_event
from tallyroom.codec.signatures import Key
from tallyroom.desk.api import DeskApi
from tallyroom.desk.book import CaseState
from tallyroom.desk.service import DeskService
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Definition
from tallyroom.gateway.keyring import KeyRing
from tallyroom.log import SqliteLog
from tallyroom.producer.entries import entries_of
from tallyroom.telemetry.metrics import desk_metrics, new_registry
from tallyroom.telemetry.ops import Health, OpsServer
from tests.support.desk import EVENTS, DeskRoom
from tests.support.elections import Sent
from tests.support.publishing import until
from tests.unit.test_desk_book import CROOKED, U1, ruled

KEYS: Final = {"ops": Scope.OPS, "reader": Scope.SNAPSHOT}
BODY: Final = {"operators": ["A. Operator", "B. Operator"], "reason": "confirmed by telephone"}


@dataclass
class Served:
    """A desk with its port."""

    desk: DeskRoom
    service: DeskService
    registry: CollectorRegistry
    client: httpx.AsyncClient

    async def get(self, path: str, key: str | None = "ops") -> httpx.Response:
        """Ask with a key."""
        return await self.client.get(path, headers={} if key is None else {"Authorization": f"Bearer {key}"})

    async def post(self, path: str, body: Any = BODY, key: str | None = "ops") -> httpx.Response:
        """Decide with a key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return await self.client.post(path, json=body, headers=headers)

    def metric(self, name: str, **labels: str) -> float | None:
        """A metric's value now."""
        return self.registry.get_sample_value(name, labels)


@asynccontextmanager
async def served(folder: Path, *, keyed: bool = True, definition: Definition | None = None) -> AsyncIterator[Served]:
    """A desk over a log in a file, with a key for the desk and one for readers."""
    log = SqliteLog(folder / "log.sqlite3")
    desk = await DeskRoom(definition or ruled(), log).open()
    made = tuple(
        ApiKey(id="00000001", name=name, sha256=digest(name), scopes=(scope,), created=datetime.now(UTC))
        for name, scope in KEYS.items()
    )
    path = folder / "keys.json"
    path.write_bytes(encode_keys(KeyFile(keys=made)))
    ring, registry = KeyRing(path if keyed else None), new_registry("desk")
    ring.load()
    service = DeskService(desk.book, desk_metrics(registry))
    api = DeskApi(desk.book, desk.hand, ring, keyed=keyed)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(log.close)
        health = OpsServer(registry, lambda: Health(service.ready), None, routes=api.routes())
        ops = await stack.enter_async_context(health)
        yield Served(desk, service, registry, await stack.enter_async_context(httpx.AsyncClient(base_url=ops.url)))


async def test_what_waits_is_listed_shown_released_and_seen_in_the_metrics(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        definition = at.desk.plan.definition
        await at.desk.send(U1.event(definition), replace(CROOKED, version=2).event(definition), b"{")
        at.service.look()
        assert at.metric("tallyroom_quarantine_waiting", reason="accounting") == 1
        assert at.metric("tallyroom_quarantine_could_change_outcome") == 1
        found = (await at.get("/v1/quarantine")).json()
        assert found["numbers"]["reason"] == {"accounting": 1, "not_json": 1}
        case = next(item for item in found["cases"] if item["reason"] == "accounting")
        assert case["could_change_outcome"]
        shown = (await at.get(f"/v1/quarantine/{case['at']}")).json()
        assert shown["if_released"]["figures"]["Q"]["after"] == 8
        answer = await at.post(f"/v1/quarantine/{case['at']}/release")
        assert (answer.status_code, answer.json()["state"]) == (200, "released")
        other = next(item for item in found["cases"] if item["reason"] == "not_json")
        assert (await at.post(f"/v1/quarantine/{other['at']}/reject")).json()["state"] == "rejected"
        assert (await at.get("/v1/quarantine")).json()["cases"] == []
        at.service.look()
        assert at.metric("tallyroom_quarantine_waiting", reason="accounting") == 0
        assert at.metric("tallyroom_quarantine_could_change_outcome") == 0
        book = await at.desk.again()
        assert [book.state(case) for case in book.cases.values()].count(CaseState.WAITING) == 0


@pytest.mark.parametrize(
    ("keyed", "key", "reads", "decides"),
    [(True, "ops", 200, 200), (True, "reader", 403, 403), (True, None, 401, 401), (False, None, 200, 403)],
)
async def test_who_may_read_and_who_may_decide(
    tmp_path: Path, keyed: bool, key: str | None, reads: int, decides: int
) -> None:
    async with served(tmp_path, keyed=keyed) as at:
        (case,) = await at.desk.send(CROOKED.event(at.desk.plan.definition))
        assert (await at.get("/v1/quarantine", key)).status_code == reads
        assert (await at.post(f"/v1/quarantine/{case.at}/release", key=key)).status_code == decides
        expected = CaseState.RELEASED if decides == 200 else CaseState.WAITING
        assert at.desk.book.state(case) is expected


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"operators": ["A. Operator"], "reason": "x"}, 409),
        ({"operators": ["A. Operator", "a. operator"], "reason": "x"}, 409),
        ({"operators": ["A", "B"], "reason": ""}, 409),
        ({"operators": ["A", "B"]}, 400),
        ({"operators": "A", "reason": "x"}, 400),
        ({"operators": ["A", "B"], "reason": "x", "force": True}, 400),
    ],
)
async def test_a_decision_that_cannot_be_made_says_what_to_do(tmp_path: Path, body: Any, status: int) -> None:
    async with served(tmp_path) as at:
        (case,) = await at.desk.send(CROOKED.event(at.desk.plan.definition))
        answer = await at.post(f"/v1/quarantine/{case.at}/release", body)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
        assert answer.json()["action"]
        assert at.desk.book.state(case) is CaseState.WAITING


async def test_a_body_in_another_encoding_is_said_to_be_none(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        (case,) = await at.desk.send(CROOKED.event(at.desk.plan.definition))
        headers = {"Authorization": "Bearer ops", "Content-Type": "application/json"}
        body = '{"operators": ["Ä", "B"], "reason": "x"}'.encode("latin-1")
        answer = await at.client.post(f"/v1/quarantine/{case.at}/release", content=body, headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


async def test_where_operators_have_keys_names_over_http_decide_nothing(tmp_path: Path) -> None:
    people = tuple(Operator(id=name, key=Key(name, name.encode() * 16).public) for name in ("an", "bo"))
    async with served(tmp_path, definition=replace(ruled(), desk=DeskRules(persons=2, operators=people))) as at:
        (case,) = await at.desk.send(CROOKED.event(at.desk.plan.definition))
        answer = await at.post(f"/v1/quarantine/{case.at}/release", {"operators": ["an", "bo"], "reason": "x"})
        assert answer.status_code == 409
        assert "operator an has not signed it" in answer.json()["detail"]
        assert "countersign" in answer.json()["action"]
        assert at.desk.book.state(case) is CaseState.WAITING


async def test_a_form_that_a_page_posts_decides_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        (case,) = await at.desk.send(CROOKED.event(at.desk.plan.definition))
        form = {"Authorization": "Bearer ops", "Content-Type": "text/plain"}
        answer = await at.client.post(f"/v1/quarantine/{case.at}/release", content=b"{}", headers=form)
        assert answer.status_code == 415


@pytest.mark.parametrize(("path", "status"), [("/v1/quarantine/9:9", 409), ("/v1/quarantine?state=lost", 400)])
async def test_what_is_not_there_is_a_problem(tmp_path: Path, path: str, status: int) -> None:
    async with served(tmp_path) as at:
        assert (await at.get(path)).status_code == status


async def test_the_service_follows_the_log_until_it_is_stopped(tmp_path: Path) -> None:
    async with served(tmp_path) as at:
        stop = asyncio.Event()
        running = asyncio.create_task(at.service.run(stop))
        await until(lambda: at.service.ready)
        assert (await at.client.get("/readyz")).status_code == 200
        report = Sent("list", "u1", broken="accounting").event(at.desk.plan.definition)
        await at.desk.log.append(EVENTS, entries_of(report, encode_event(report), report.reported_at, 3))
        await until(lambda: at.metric("tallyroom_quarantine_waiting", reason="accounting") == 1)
        (case,) = at.desk.book.waiting()
        assert (await at.post(f"/v1/quarantine/{case.at}/release")).status_code == 200
        await until(lambda: at.metric("tallyroom_quarantine_waiting", reason="accounting") == 0)
        stop.set()
        await asyncio.wait_for(running, 20)


async def test_operators_see_what_is_under_embargo_and_readers_do_not(tmp_path: Path) -> None:
    release = U1.event(ruled()).reported_at + timedelta(hours=1)
    async with served(tmp_path, definition=replace(ruled(), release_at=release)) as at:
        await at.desk.send(U1.event(ruled()))
        assert (await at.get("/v1/board", key="reader")).status_code == 403
        assert (await at.get("/v1/board", key=None)).status_code == 401
        board = (await at.get("/v1/board")).json()
    contest = next(item for item in board["contests"] if item["contest"] == "list")
    assert contest["areas"][0]["counts"]["P"] > 0
    assert contest["leading"] is not None
    assert {"contest": "list", "area": "R", "until": release.isoformat().replace("+00:00", "Z")} in board["embargoed"]
    assert board["environment"] == "test"
    assert sum(board["as_of"]["events"].values()) == 1
