"""Fixtures of the servers that tests run against, each in its own module."""

from importlib.util import find_spec

pytest_plugins = [
    name for name in ("tests.support.kafka_fixtures", "tests.support.store_fixtures") if find_spec(name) is not None
]
