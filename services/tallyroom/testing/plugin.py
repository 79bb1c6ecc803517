"""The pytest plugin `tallyroom`, loaded by its entry point: the fixture `tallyroom_night`. docs/testing.md shows its use.

The fixture itself is an ordinary function, so that it serves every mode of every plugin that runs coroutines. What a night
needs is imported when a test asks for one.
"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tallyroom.testing.night import ReplayedNight, Servers, StartNight

KAFKA_OPTION = "--tallyroom-kafka-url"
REDIS_OPTION = "--tallyroom-redis-url"
CLEAR_OPTION = "--tallyroom-clear"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where nights run, if not on servers of their own."""
    group = parser.getgroup("tallyroom", "recorded election nights")
    group.addoption(
        KAFKA_OPTION, metavar="URL", help="run nights on this Kafka (kafka://host:port), not in SQLite files"
    )
    group.addoption(
        REDIS_OPTION, metavar="URL", help="run nights on this Redis or Valkey, not on a server of their own"
    )
    group.addoption(
        CLEAR_OPTION,
        action="store_true",
        help="on given servers: delete what an interrupted run left of a night before it starts",
    )


@pytest.fixture(scope="session")
def tallyroom_servers(request: pytest.FixtureRequest) -> "Servers":
    """The servers that the options name. Override it to start servers of your own."""
    from tallyroom.testing.night import Servers  # noqa: PLC0415 - only when a test asks for a night

    option = request.config.getoption
    return Servers(option(KAFKA_OPTION), option(REDIS_OPTION), clear=bool(option(CLEAR_OPTION)))


@pytest.fixture
def tallyroom_night(tallyroom_servers: "Servers", tmp_path_factory: pytest.TempPathFactory) -> "StartNight":
    """Start a recorded night: ``async with tallyroom_night("kz-2023") as night``; see ReplayedNight for what it can do."""
    from tallyroom.testing.night import Speed, replayed_night  # noqa: PLC0415 - only when a test asks for a night

    def start(
        recording: str | Path,
        *,
        speed: Speed = "max",
        held: bool = False,
        servers: "Servers | None" = None,
        timeout: float = 120.0,
    ) -> "contextlib.AbstractAsyncContextManager[ReplayedNight]":
        folder = tmp_path_factory.mktemp("night")
        return replayed_night(recording, folder, servers or tallyroom_servers, (speed, held), timeout)

    return start
