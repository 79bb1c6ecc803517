"""Keys, rates, streams and headers on the real server, as a client meets them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tallyroom.cli import app
from tallyroom.settings import Access
from tests.support.gateways import Running, gateway, shows

CLI = CliRunner()


def cli(*arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = CLI.invoke(app, ["apikeys", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@contextlib.asynccontextmanager
async def serving(access: Access, headers: dict[str, str] | None = None) -> AsyncIterator[Running]:
    """A gateway with these rules that shows a first revision to who may see it."""
    async with gateway(access=access) as made:
        await made.press.publish()
        await made.press.say()
        made.client.headers.update(headers or {})
        if headers or access.public:
            await shows(made, 1)
        yield made


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"}


async def test_a_closed_gateway_from_the_first_key_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = cli("add", "Daily News", "--scope", "snapshot", "--file", str(file))
    assert key.startswith("tr_")
    assert key[12:] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    async with serving(Access(keys=file, public=False), bearer(key)) as made:
        answer = await made.client.get(f"{made.path}/snapshot")
        assert answer.headers["cache-control"].startswith("private,")
        assert "authorization" in answer.headers["vary"]
        refused = await made.client.get(f"{made.path}/stream")
        assert (refused.status_code, refused.json()["scopes"]) == (403, ["snapshot"])
        async with httpx.AsyncClient(base_url=made.url) as stranger:
            for path in ("/v1/elections", f"{made.path}/snapshot", f"{made.path}/definition", f"{made.path}/stream"):
                answer = await stranger.get(path)
                assert (answer.status_code, answer.headers["www-authenticate"][:6]) == (401, "Bearer"), path
                assert answer.json()["type"] == "urn:tallyroom:problem:key-needed"
            for path in ("/", "/static/page.js", "/v1/openapi.json"):
                assert (await stranger.get(path)).status_code == 200, path
        assert cli("revoke", key.split("_")[1], "--file", str(file)) == ""
        async with asyncio.timeout(20):
            while (await made.client.get(f"{made.path}/snapshot")).status_code != 401:  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.05)
        text = (await made.client.get(f"{made.ops}/metrics", headers={"authorization": ""})).text
        assert 'tallyroom_http_refused_total{reason="unknown-key"}' in text
    assert "Daily News" in cli("list", "--file", str(file))
    assert "sha256" not in cli("list", "--json", "--file", str(file))


async def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    async with gateway(access=Access(rate=0.5)) as made:  # no answer was asked for yet but a handful while it started
        statuses = [(await made.client.get("/v1/openapi.json")) for _ in range(8)]
        refused = statuses[-1]
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert refused.json()["type"] == "urn:tallyroom:problem:too-many-requests"
        assert (await made.client.options(f"{made.path}/snapshot")).status_code == 429
        assert (await made.client.get(f"{made.ops}/readyz")).status_code == 503, "the ops port has no such limit"


async def test_a_key_is_not_slowed_down_by_who_has_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = cli("add", "Agency", "--rate", "1000", "--file", str(file))
    async with gateway(access=Access(keys=file, rate=0.5)) as made:
        while (await made.client.get("/")).status_code == 200:
            pass
        assert (await made.client.get("/", headers=bearer(key))).status_code == 200


async def test_a_client_has_so_many_streams_and_may_open_another_when_one_ends() -> None:
    async with serving(Access(rate=0, streams_each=1)) as made:
        stream = f"{made.path}/stream"
        async with made.client.stream("GET", stream) as first:
            assert first.status_code == 200
            refused = await made.client.get(stream)
            assert (refused.status_code, refused.json()["type"][-16:]) == (429, "too-many-streams")
            assert (await made.client.head(stream)).status_code == 200, "HEAD opens none"
        async with asyncio.timeout(20):
            while True:
                async with made.client.stream("GET", stream) as again:
                    if again.status_code == 200:
                        return
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("ancestors", "framed"), [("'self'", "SAMEORIGIN"), ("'none'", "DENY"), ("https://news.example", None)]
)
async def test_the_page_is_framed_by_whom_the_setting_names(ancestors: str, framed: str | None) -> None:
    async with serving(Access(rate=0, frame_ancestors=ancestors)) as made:
        page = await made.client.get("/")
        assert f"frame-ancestors {ancestors}" in page.headers["content-security-policy"]
        assert page.headers.get("x-frame-options") == framed
        figures = await made.client.get(f"{made.path}/snapshot")
        assert figures.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_every_answer_carries_the_security_headers() -> None:
    async with serving(Access(rate=0)) as made:
        for path in ("/", "/static/page.css", "/nothing", "/v1/elections", f"{made.path}/snapshot"):
            answer = await made.client.get(path)
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["referrer-policy"] == "no-referrer", path
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin", path
            assert "default-src 'none'" in answer.headers["content-security-policy"], path
        async with made.client.stream("GET", f"{made.path}/stream") as stream:
            assert stream.headers["x-content-type-options"] == "nosniff"
