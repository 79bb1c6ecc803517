"""What can be seen only in all units side by side, looked for beside the publishing: units with exactly the same figures.

Totals never wait for it: a flag that it finds stands in a revision a moment after the figures.
"""

import asyncio
import time
from collections import defaultdict
from typing import Final

from tallyroom.codec import packed
from tallyroom.codec.layout import guarded, unguarded
from tallyroom.domain.errors import OtherLayout, StoreUnavailable
from tallyroom.domain.partition import partition_of
from tallyroom.results.flags import ShownFlag
from tallyroom.results.watch import identical
from tallyroom.store.base import TotalsStore
from tallyroom.tabulation.plan import Plan
from tallyroom.telemetry.logs import get_logger

PAUSE_S: Final = 1.0
SHARE: Final = 20
"""Of the time at most a twentieth is spent here, whatever the number of units."""


class Sweep:
    """Looks through the unit states again and again, as long as offsets move."""

    def __init__(self, store: TotalsStore) -> None:
        self._store = store
        self._task: asyncio.Task[list[ShownFlag]] | None = None
        self._seen: tuple[str, dict[int, int]] | None = None
        self._due = 0.0
        self._names: tuple[Plan, int, dict[int, list[bytes]]] | None = None
        self._logger = get_logger("publisher")

    def look(self, plan: Plan, offsets: dict[int, int]) -> list[ShownFlag] | None:
        """Start a look if something moved since the last one; what the last one found if it has ended just now, else None."""
        found = None
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            try:
                found = task.result()
            except (StoreUnavailable, OtherLayout) as error:
                self._seen = None
                self._logger.warning("units were not compared", error=error.what)
        if self._task is None and self._seen != (plan.chain, offsets) and time.monotonic() >= self._due:
            self._seen = (plan.chain, dict(offsets))
            self._task = asyncio.create_task(self._compare(plan, len(offsets)), name="sweep")
        return found

    def stop(self) -> None:
        """Give up a look that is under way."""
        if self._task is not None:
            self._task.cancel()

    async def _compare(self, plan: Plan, partitions: int) -> list[ShownFlag]:
        started = time.monotonic()
        try:
            states: list[tuple[str, bytes]] = []
            for partition, names in self._leaves(plan, partitions).items():
                values = unguarded(await self._store.units(partition, guarded(names)), partition)
                states += [(name[2:].decode(), value) for name, value in zip(names, values, strict=True) if value]
            return await asyncio.to_thread(identical, plan, states)
        finally:
            now = time.monotonic()
            self._due = now + max(PAUSE_S, SHARE * (now - started))

    def _leaves(self, plan: Plan, partitions: int) -> dict[int, list[bytes]]:
        """Field names of all units by partition, made once a definition; contests that do not look for it are left out."""
        if self._names is None or self._names[:2] != (plan, partitions):
            fields: dict[int, list[bytes]] = defaultdict(list)
            for contest in plan.contests.values():
                for unit in contest.contest.units if contest.rules.compares else ():
                    partition = partition_of(f"{contest.id}|{unit}".encode(), partitions)
                    for group in contest.contest.count_groups or (None,):
                        name = f"{contest.id}|{unit}" + (f"#{group}" if group else "")
                        fields[partition].append(packed.unit_name(name))
            self._names = (plan, partitions, dict(fields))
        return self._names[2]
