"""One real Kafka broker for a whole test run, started when the first test asks for it."""

import os
from collections.abc import Iterator

import pytest

from tallyroom.testing.kafka import BrokerUnavailable, KafkaBroker


def unavailable(error: BrokerUnavailable) -> None:
    """A missing broker skips the test on a laptop and fails it in CI."""
    if os.environ.get("CI"):
        pytest.fail(str(error))
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """A running broker, shared: take topics of your own; use ``kafka_broker_alone`` to stop or kill one."""
    broker = KafkaBroker()
    try:
        broker.start()
    except BrokerUnavailable as error:
        unavailable(error)
    yield broker
    broker.stop()


@pytest.fixture
def kafka_broker_alone() -> Iterator[KafkaBroker]:
    """A running broker of this test alone, which it may kill and restart."""
    broker = KafkaBroker()
    try:
        broker.start()
    except BrokerUnavailable as error:
        unavailable(error)
    yield broker
    broker.stop()
