"""A night on secured servers: each service and each command as the user that docs/security.md names for it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from typer.testing import CliRunner

from tallyroom.cli import app
from tallyroom.night.group import ProcessGroup
from tallyroom.settings import Settings, StoreAccess
from tallyroom.testing.secured import SecuredBroker
from tests.support.secured import SecuredStore

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

    def run(
        self,
        kafka: str | None,
        *arguments: str,
        store: str | None = None,
        code: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """What a command prints that speaks to Kafka as this user, and to the store as that one; its errors if it must fail."""
        made = {**os.environ, **self._environment(kafka, store, settings)}
        done = subprocess.run(
            [SCRIPT, *arguments], env=made, capture_output=True, timeout=120, check=False, cwd=self.folder
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == code, said
        assert "leak-" not in said
        assert "Traceback" not in said
        return done.stdout.decode() if code == 0 else " ".join(said.split())

    async def told(self, kafka: str | None, *arguments: str, settings: Mapping[str, str] | None = None) -> str:
        """`run` of a command that succeeds, in this process: a second of starting Python is saved, all else is the same."""
        made = self._environment(kafka, None, settings)
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=made)
        assert done.exit_code == 0, (done.output, done.exception)
        assert "leak-" not in done.output
        return done.output

    def _environment(self, kafka: str | None, store: str | None, more: Mapping[str, str] | None) -> dict[str, str]:
        return {"COLUMNS": "200", **self.environment(kafka, store), **(more or {})}


def counted(snapshot: Mapping[str, Any]) -> dict[str, int]:
    """Votes of contest mayor in its root area."""
    for contest in snapshot.get("contests", ()):
        if contest["contest"] == "mayor" and contest["areas"]:
            return dict(contest["areas"][0]["counts"])
    return {}


async def until_counted(
    group: ProcessGroup, url: str, wanted: Mapping[str, int], election: str = "mini"
) -> dict[str, Any]:
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
                answer = await client.get(f"{url}/v1/elections/{election}/snapshot")
            except httpx.TransportError:
                continue
            found = answer.json() if answer.status_code == 200 else {}
    return found
