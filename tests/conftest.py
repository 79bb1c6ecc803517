"""Fixtures of the servers that tests run against, each in its own module, and how hard properties are tried."""

import os
from importlib.util import find_spec

from hypothesis import settings

pytest_plugins = [
    name for name in ("tests.support.kafka_fixtures", "tests.support.store_fixtures") if find_spec(name) is not None
]

# A failure names the blob to repeat it with (`@reproduce_failure`) and pytest prints the seed (`--hypothesis-seed`). No
# deadline: two cores are shared with brokers and stores, and the suite's own time-out ends what hangs.
settings.register_profile("dev", max_examples=60, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=150, deadline=None, print_blob=True)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
