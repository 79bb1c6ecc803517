"""The SQLite source: one tabulator reads all partitions of an embedded log, with the same applier as on Kafka."""

import asyncio
from typing import Final

from tallyroom.log.base import EventLog
from tallyroom.tabulator.applier import Applier

POLL_S: Final = 0.02
"""Pause after a round without records: the embedded log has no push, and a read of nothing costs 0.1 ms a partition."""

BATCH: Final = 1000


class EmbeddedSource:
    """Reads every partition from where the store stands and offers what it finds."""

    def __init__(self, log: EventLog, topic: str, applier: Applier) -> None:
        self._log = log
        self._topic = topic
        self._applier = applier
        self._at: dict[int, int] = {}

    async def seek(self, partition: int, offset: int) -> None:
        """Read the partition on from ``offset``."""
        self._at[partition] = offset

    async def run(self) -> None:
        """Claim all partitions and read until cancelled."""
        for partition in range(await self._log.partitions(self._topic)):
            self._at[partition] = await self._applier.claim(partition)
        while True:
            if not await self._round():
                await asyncio.sleep(POLL_S)

    async def _round(self) -> bool:
        found = False
        for partition in sorted(self._at):
            offset = self._at[partition]
            records = await self._log.read(self._topic, partition, offset, BATCH)
            if records and self._at[partition] == offset:  # a seek may have come in while reading
                self._at[partition] = offset + len(records)
                await self._applier.offer({partition: records})
                found = True
        return found
