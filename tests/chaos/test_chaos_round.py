"""A short round of ``make chaos`` with a seed of chance, in every run of the tests. Repeat it: CHAOS_SEED=1234.

What a round does, and how to play many and long ones: docs/reliability.md.
"""

import os
import random
from pathlib import Path

import pytest

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.testing.kafka import BrokerUnavailable
from tests.chaos.rounds import binary_of, drawn, run
from tests.chaos.scene import servers
from tests.support import kafka_fixtures, store_fixtures

pytestmark = [pytest.mark.kafka, pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(600)]

REPORTS = 5000


async def test_a_round_of_chance_loses_and_doubles_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    try:
        for server in ("redis", "valkey"):
            binary_of(server)
        async with servers(tmp_path / "run") as shared:
            outcome = await run(drawn(seed, REPORTS, shared), shared)
    except BrokerUnavailable as error:
        kafka_fixtures.unavailable(error)
    except StoreUnavailable as error:
        store_fixtures.unavailable(str(error))
    print(outcome.line())
    assert outcome.lost == []
    assert outcome.doubled == []
    assert outcome.records >= REPORTS
