"""A gateway over HTTP, on the real server: what a client sees, byte for byte."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
import pytest
import zstandard
from prometheus_client import CollectorRegistry

from tallyroom.domain.election import Definition
from tallyroom.domain.errors import SettingError
from tallyroom.gateway import run_gateway
from tallyroom.gateway.access import Doorkeeper
from tallyroom.gateway.app import Gateway, Showing
from tallyroom.gateway.hub import Hub
from tallyroom.gateway.keyring import KeyRing
from tallyroom.gateway.server import http_server
from tallyroom.gateway.stream import Streams
from tallyroom.night.night import free_port
from tallyroom.settings import Access, Settings
from tallyroom.store import MemoryStore
from tallyroom.telemetry.metrics import gateway_metrics
from tallyroom.telemetry.ops import Health, OpsServer
from tests.support.gateways import Named, Running, gateway, shows
from tests.support.revisions import ELECTION, area

NO_CODING = {"accept-encoding": "identity"}


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with gateway() as made:
        await made.press.publish()
        await made.press.say()
        await shows(made, 1)
        yield made


async def raw(running: Running, path: str, **headers: str) -> tuple[httpx.Headers, bytes]:
    """Headers and body as they came over the wire."""
    async with running.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        return answer.headers, b"".join([chunk async for chunk in answer.aiter_raw()])


async def test_before_the_first_revision_it_is_not_ready_and_says_so() -> None:
    async with gateway() as made:
        answer = await made.client.get(f"{made.path}/snapshot")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.headers["content-type"] == "application/problem+json"
        ready = await made.client.get(f"{made.ops}/readyz")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["no revision yet"])
        assert (await made.client.get(f"{made.ops}/livez")).status_code == 200
        await made.press.publish()
        await shows(made, 1)
        assert (await made.client.get(f"{made.ops}/readyz")).status_code == 200


async def test_the_same_snapshot_in_every_coding(running: Running) -> None:
    path = f"{running.path}/snapshot"
    _, plain = await raw(running, path, **NO_CODING)
    headers, zipped = await raw(running, path, **{"accept-encoding": "gzip"})
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "accept-encoding")
    assert gzip.decompress(zipped) == plain
    _, packed = await raw(running, path, **{"accept-encoding": "zstd, gzip"})
    assert zstandard.ZstdDecompressor().decompress(packed) == plain
    assert "stale-if-error" in headers["cache-control"]
    assert headers["access-control-allow-origin"] == "*"


async def test_who_has_it_gets_304_until_it_changes(running: Running) -> None:
    path = f"{running.path}/snapshot"
    first = await running.client.get(path)
    known = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
    again = await running.client.get(path, headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await running.press.publish({"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]})
    await shows(running, 2)
    assert (await running.client.get(path, headers=known)).status_code == 200


async def test_two_gateways_give_the_same_bytes_and_tags(running: Running) -> None:
    async with gateway() as other:
        await other.press.publish()
        await other.press.say()
        await shows(other, 1)
        answers = [await made.client.get(f"{made.path}/snapshot") for made in (running, other)]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


@pytest.mark.parametrize("path", ["/", "/v1/elections", "/snapshot", "/definition?units=false", "/static/page.js"])
async def test_head_answers_like_get_without_a_body(running: Running, path: str) -> None:
    path = f"{running.path}{path}" if path.startswith(("/snapshot", "/definition")) else path
    got, head = await running.client.get(path), await running.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/static/../app.py", 404, "not-found"),
        ("GET", "/v1/elections/other/snapshot", 404, "unknown-election"),
        ("GET", f"/v1/elections/{ELECTION}/seats", 404, "not-found"),
        ("GET", f"/v1/elections/{ELECTION}/snapshot?area=X", 404, "unknown-area"),
        ("GET", f"/v1/elections/{ELECTION}/snapshot?page=2", 400, "bad-query"),
        ("GET", f"/v1/elections/{ELECTION}/definition?units=no", 400, "bad-query"),
        ("GET", f"/v1/elections/{ELECTION}/stream?from=2", 400, "bad-query"),
        ("GET", "/v1/elections?limit=1", 400, "bad-query"),
        ("GET", f"/v1/elections/{ELECTION}/corrections?contest=X", 404, "unknown-contest"),
        ("GET", f"/v1/elections/{ELECTION}/corrections?area=T", 400, "bad-query"),
        ("GET", f"/v1/elections/{ELECTION}/history?since=x", 400, "bad-query"),
        ("GET", f"/v1/elections/{ELECTION}/history?since=1,2", 400, "bad-query"),
        ("POST", f"/v1/elections/{ELECTION}/snapshot", 405, "method-not-allowed"),
        ("DELETE", "/", 405, "method-not-allowed"),
    ],
)
async def test_errors_are_problem_documents(running: Running, method: str, path: str, status: int, kind: str) -> None:
    answer = await running.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["type"], answer.json()["status"]) == (f"urn:tallyroom:problem:{kind}", status)
    assert answer.headers["cache-control"] == "no-store"
    assert status != 405 or answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_lists_are_the_stored_documents_in_the_definitions_order(running: Running) -> None:
    ledgers: dict[str, Any] = {f"ledger:{name}": {"contest": name, "corrections": []} for name in ("d-1", "list")}
    await running.press.publish({**ledgers, "apart:d-2": {"contest": "d-2", "count": 0, "states": {}, "units": []}})
    await shows(running, 2)
    found = (await running.client.get(f"{running.path}/corrections")).json()
    assert (found["revision"], [item["contest"] for item in found["contests"]]) == (2, ["list", "d-1"])
    one = (await running.client.get(f"{running.path}/corrections?contest=d-1")).json()
    assert [item["contest"] for item in one["contests"]] == ["d-1"]
    apart = (await running.client.get(f"{running.path}/units-apart")).json()
    assert [item["contest"] for item in apart["contests"]] == ["d-2"]


async def test_history_names_what_each_revision_changed(running: Running) -> None:
    await running.press.publish({"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]})
    await shows(running, 2)
    found = (await running.client.get(f"{running.path}/history")).json()
    assert [(item["revision"], item["contests"]) for item in found["revisions"]] == [
        (1, ["list", "d-2", "d-1"]),
        (2, ["d-2"]),
    ]
    later = (await running.client.get(f"{running.path}/history?since=1")).json()
    assert [item["revision"] for item in later["revisions"]] == [2]
    assert later["first"] == 1


async def test_history_that_is_forgotten_is_gone() -> None:
    async with gateway() as made:
        made.press.number = 40
        await made.press.publish()
        await made.press.say()
        await shows(made, 41)
        answer = await made.client.get(f"{made.path}/history?since=12")
        assert (answer.status_code, answer.json()["first"]) == (410, 41)
        assert (await made.client.get(f"{made.path}/history?since=40")).status_code == 200


async def test_other_origins_may_ask_conditionally(running: Running) -> None:
    answer = await running.client.options(f"{running.path}/snapshot")
    assert answer.status_code == 204
    assert "if-none-match" in answer.headers["access-control-allow-headers"]


async def test_the_page_may_load_nothing_from_elsewhere(running: Running) -> None:
    answer = await running.client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http" not in answer.text.replace("http-equiv", "")


class Events:
    """Reads an event stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, str | None, dict[str, Any]]:
        """(event, id, data) of the next event; comments and the retry field are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return fields["event"], fields.get("id"), json.loads(fields["data"])
        raise AssertionError("the stream ended")


async def test_the_stream_starts_full_and_goes_on_with_changes(running: Running) -> None:
    async with running.client.stream("GET", f"{running.path}/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = Events(answer)
        kind, number, data = await events.next()
        assert (kind, number, data["full"], len(data["contests"])) == ("revision", "1", True, 3)
        await running.press.publish({"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]})
        kind, number, data = await events.next()
        assert (kind, number, data["full"]) == ("revision", "2", False)
        assert [item["counts"]["amanat"] for item in data["contests"][0]["areas"]] == [1]
        await running.press.leave()
        kind, number, data = await events.next()
        assert (kind, number, data["revision"]) == ("condition", None, 2)
        assert data["stale_since"] is not None
    assert "stale_since" in (await running.client.get(f"{running.path}/snapshot")).json()


@pytest.mark.parametrize("way", ["header", "parameter"])
async def test_who_has_the_revision_is_not_sent_it_again(running: Running, way: str) -> None:
    headers = {"last-event-id": "1"} if way == "header" else {}
    query = "" if way == "header" else "?last_event_id=1"
    async with running.client.stream("GET", f"{running.path}/stream{query}", headers=headers) as answer:
        events = Events(answer)
        assert (await events.next())[0] == "condition"
        await running.press.publish({"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]})
        assert (await events.next())[1] == "2"


async def test_metrics_count_by_route_and_status_and_never_by_what_clients_send(running: Running) -> None:
    await running.client.get(f"{running.path}/snapshot?contest=nobody")
    await running.client.get("/made/up")
    text = (await running.client.get(f"{running.ops}/metrics")).text
    route = "/v1/elections/{election}/snapshot"
    assert f'tallyroom_http_requests_total{{route="{route}",status="404"}} 1.0' in text
    assert 'tallyroom_http_requests_total{route="other",status="404"} 1.0' in text
    assert "made/up" not in text
    for name in ("tallyroom_revision 1.0", "tallyroom_snapshot_stale 0.0", "tallyroom_stream_clients 0.0"):
        assert name in text
    assert "tallyroom_snapshot_age_seconds" in text
    assert "tallyroom_build_info" in text


@pytest.mark.parametrize("setting", ["TALLYROOM_HTTP_PORT", "TALLYROOM_OPS_PORT"])
async def test_a_taken_port_names_its_setting(setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = (port, free_port()) if setting == "TALLYROOM_HTTP_PORT" else (free_port(), port)
        settings = Settings(http_port=ports[0], ops_port=ports[1])
        with pytest.raises(SettingError, match=setting):
            await run_gateway(settings, cast(Definition, Named()), MemoryStore(), asyncio.Event())


async def test_an_ops_port_that_is_not_set_is_a_free_one() -> None:
    async with (
        OpsServer(CollectorRegistry(), lambda: Health(False, ["it rests"])) as ops,
        httpx.AsyncClient() as client,
    ):
        assert ops.port > 0
        answer = await client.get(f"{ops.url}/readyz")
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert (answer.status_code, answer.json()["detail"]) == (503, "it rests")


async def test_a_client_that_stops_reading_is_cut_and_others_are_not_held_up() -> None:
    registry = CollectorRegistry()
    metrics, hub = gateway_metrics(registry), Hub()
    door = Doorkeeper(Access(), KeyRing(), metrics)
    app = Gateway(
        ELECTION, Showing(hub, MemoryStore()), Streams(hub, metrics, door, heartbeat=0.2, patience=0.5), metrics, door
    )
    port = free_port()
    server = http_server(app, "127.0.0.1", port)
    serving = asyncio.create_task(server.serve())
    request = f"GET /v1/elections/{ELECTION}/stream HTTP/1.1\r\nHost: gateway\r\n\r\n".encode()
    try:
        reader, writer = await connected(port)
        stuck = socket.create_connection(("127.0.0.1", port))
        writer.write(request)
        stuck.sendall(request)
        await until(lambda: len(hub) == 2)
        frame = b"data: " + b"x" * 1_000_000 + b"\n\n"
        async with asyncio.timeout(20):
            while registry.get_sample_value("tallyroom_stream_clients_cut_total") == 0:
                for listener in list(hub._listeners):
                    listener.put(frame)
                assert await reader.read(4_000_000)
        assert len(hub) == 1
        writer.close()
        await until(lambda: len(hub) == 0)
        stuck.close()
    finally:
        hub.close()
        server.stop()  # type: ignore[no-untyped-call]
        await serving


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a server that is just starting."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)
