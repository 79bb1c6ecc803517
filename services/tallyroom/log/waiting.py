"""Waiting for new records, over any log."""

import asyncio
import time
from collections.abc import Mapping

from tallyroom.log.base import EventLog


async def wait_for_records(
    log: EventLog, topic: str, positions: Mapping[int, int], seconds: float, poll: float = 0.01
) -> bool:
    """Wait until a partition ends beyond its position; False if none did within ``seconds``.

    ``positions`` maps partitions to next offsets. Asks for the bounds every ``poll`` seconds: the embedded log answers
    in a tenth of a millisecond; give a Kafka log 0.05 or more. Raises TopicMissing, LogError.
    """
    deadline = time.monotonic() + seconds
    while True:
        bounds = await log.bounds(topic)
        if any(bounds[partition].end > offset for partition, offset in positions.items()):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(poll, left))
