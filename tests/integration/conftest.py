"""What several files of integration tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.auditing import Scene, scene_of
from tests.support.store_fixtures import REAL, Stores


@pytest.fixture(params=REAL)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """A published night of two reports, found right by its auditor; on Redis, on Valkey."""
    stores = Stores(request.getfixturevalue(f"{request.param}_server").url)
    try:
        async with scene_of(stores, tmp_path) as made:
            yield made
    finally:
        await stores.close()
