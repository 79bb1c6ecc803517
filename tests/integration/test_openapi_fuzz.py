"""Schemathesis against a running gateway: whatever the document allows or forbids, the answer is one that it describes.

Bounded by examples, not by time. The seed is printed; TALLYROOM_FUZZ_SEED replays it.
"""

import asyncio
import contextlib
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tallyroom.gateway import openapi
from tallyroom.store import MemoryStore
from tests.support.elections import ELECTION, Sent, election
from tests.support.gateways import Running, gateway, shows
from tests.support.publishing import Room

pytestmark = pytest.mark.slow

EXAMPLES = 25
BASE = "/v1/elections/{election}"
CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
KNOWN = {
    "election": ELECTION,
    "file": "page.js",
    "contest": "list",
    "area": "R",
    "level": "country",
    "unit": "u1",
}
"""A value of each parameter that leads somewhere: by chance alone every request would be a 404."""


def schema_of(url: str) -> Any:
    """The document with values that this gateway knows beside any others."""
    document = json.loads(openapi.encoded())
    parameters = [document["components"]["parameters"]["election"]]
    for path in document["paths"].values():
        parameters += [*path.get("parameters", ()), *path["get"].get("parameters", ())]
    for parameter in parameters:
        if parameter.get("name") in KNOWN:
            node = parameter["schema"].get("items", parameter["schema"])
            node["enum"] = [KNOWN[parameter["name"]], "another", "\u00e4 \u2603&?"]
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    return schema


def operations(schema: Any) -> list[Any]:
    """Every operation of the document."""
    return [result.ok() for result in schema.get_all_operations()]


def ask(case: Any) -> int:
    """Call, and hold the answer against the document; the status. A stream is read no further than its head."""
    if case.operation.path.endswith("/stream"):
        arguments = case.as_transport_kwargs()
        with httpx.stream("GET", arguments["url"], params=arguments["params"], headers=arguments["headers"]) as answer:
            assert str(answer.status_code) in case.operation.definition.raw["responses"]
            return answer.status_code
    response = case.call(timeout=20)
    case.validate_response(response, checks=CHECKS)
    found: int = response.status_code
    return found


def fuzz(operation: Any, mode: Any, number: int) -> set[int]:
    """Ask one operation many things; the statuses seen."""
    seen: set[int] = set()

    @seed(number)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        seen.add(ask(case))

    with contextlib.suppress(Unsatisfiable):  # an operation without parameters has nothing that could be wrong
        check()
    return seen


def fuzz_all(url: str, mode: Any, number: int) -> dict[str, set[int]]:
    """Statuses seen by operation."""
    schema = schema_of(url)
    return {operation.path: fuzz(operation, mode, number) for operation in operations(schema)}


def chosen_seed() -> int:
    """The seed of this run, printed."""
    number = int(os.environ.get("TALLYROOM_FUZZ_SEED") or random.randrange(2**32))
    sys.stdout.write(f"TALLYROOM_FUZZ_SEED={number}\n")
    return number


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Running]:
    """A gateway that shows what a publisher made of some reports."""
    room = await Room(MemoryStore(), folder, election(2)).open()
    async with room.publishing(), gateway(room.store, environment="test") as running:
        await room.send(*(Sent("list", unit, numbers=(3, 1)).event(election(2)) for unit in ("u1", "u2", "u3")))
        await room.covered()
        await shows(running, 1)
        yield running
    await room.log.close()


def judge(seen: dict[str, set[int]], good: int) -> None:
    """Both what is there and what is not was asked for."""
    assert seen["/"] == {200}
    for resource in ("definition", "snapshot", "stream", "corrections", "units-apart", "units/{unit}"):
        assert {200, 404} <= {200 if status == good else status for status in seen[f"{BASE}/{resource}"]} <= {200, 404}


async def test_every_answer_is_one_that_the_document_describes(tmp_path: Path) -> None:
    number = chosen_seed()
    async with serving(tmp_path) as running:
        judge(await asyncio.to_thread(fuzz_all, running.url, schemathesis.GenerationMode.POSITIVE, number), 200)


async def test_so_it_is_before_the_first_revision() -> None:
    number = chosen_seed()
    async with gateway() as running:
        seen = await asyncio.to_thread(fuzz_all, running.url, schemathesis.GenerationMode.POSITIVE, number)
    seen[f"{BASE}/stream"] = {503, 404}  # it waits for the first revision instead
    judge(seen, 503)


async def test_what_the_document_forbids_is_refused_and_never_an_error_of_ours(tmp_path: Path) -> None:
    number = chosen_seed()
    async with serving(tmp_path) as running:
        seen = await asyncio.to_thread(fuzz_all, running.url, schemathesis.GenerationMode.NEGATIVE, number)
    assert not {status for statuses in seen.values() for status in statuses if status >= 500}
    assert {400, 404} & seen[f"{BASE}/snapshot"]
