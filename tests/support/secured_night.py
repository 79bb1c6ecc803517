"""A night on secured servers: each service and each command as the user that docs/security.md names for it."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tallyroom.night.group import ProcessGroup
from tallyroom.settings import Settings, StoreAccess
from tallyroom.testing.secured import SecuredBroker
from tests.support import commands
from tests.support.secured import SecuredStore


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

    def run(self, kafka: str | None, *arguments: str, store: str | None = None, code: int = 0) -> str:
        """What a command prints that speaks to Kafka as this user, and to the store as that one; its errors if it must fail."""
        said = commands.run(self.environment(kafka, store), *arguments, code=code, folder=self.folder)
        assert "leak-" not in said
        return said

    async def told(self, kafka: str | None, *arguments: str, settings: Mapping[str, str] | None = None) -> str:
        """`run` of a command that succeeds, without a process of its own."""
        said = await commands.told({**self.environment(kafka, None), **(settings or {})}, *arguments)
        assert "leak-" not in said
        return said


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
