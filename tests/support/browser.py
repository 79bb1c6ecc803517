"""A headless Chromium, driven over the WebDriver protocol (W3C) by plain HTTP: no client library is needed."""

import asyncio
import base64
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tallyroom.night.night import free_port

ARGUMENTS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One window."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def open(self, url: str) -> None:
        """Go to a page."""
        await self._call("url", url=url)

    async def resize(self, width: int, height: int) -> None:
        """Size of the window in CSS pixels."""
        await self._call("window/rect", width=width, height=height)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression yields in the page."""
        return await self._call("execute/sync", script=f"return {expression}", args=[])

    async def until(self, expression: str, expected: Any) -> None:
        """Wait until the expression yields this."""
        seen = None
        try:
            async with asyncio.timeout(15):
                while True:
                    seen = await self.value(expression)
                    if seen == expected:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{expression} is {seen!r}, not {expected!r}") from None

    async def complaints(self) -> list[str]:
        """Errors and warnings in the page's console since the last call."""
        return [entry["message"] for entry in await self._call("se/log", type="browser") if entry["level"] != "INFO"]

    async def screenshot(self, path: Path) -> None:
        """Save what the window shows."""
        answer = await self._client.get("screenshot")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer.json()["value"]))

    async def _call(self, command: str, **parameters: Any) -> Any:
        answer = await self._client.post(command, json=parameters)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A fresh browser with its profile in ``folder``; without one the test is skipped, in CI it fails."""
    driver = shutil.which("chromedriver")
    if driver is None:
        missing = "chromedriver is not installed (Debian: apt-get install chromium-driver)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    port = free_port()
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(str(driver), f"--port={port}", stdout=quiet, stderr=quiet)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            session = await _session(client, folder)
            address = f"http://127.0.0.1:{port}/session/{session}"
            client.base_url = httpx.URL(f"{address}/")
            try:
                yield Browser(client)
            finally:
                # Ending the driver alone would leave the browser running.
                ended = await client.delete(address)
                assert ended.status_code == 200, ended.text
    finally:
        process.terminate()
        await process.wait()


async def _session(client: httpx.AsyncClient, folder: Path) -> str:
    options = {"args": [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]}
    wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
                value = answer.json()["value"]
                assert answer.status_code == 200, value
                identifier: str = value["sessionId"]
                return identifier
            await asyncio.sleep(0.05)
