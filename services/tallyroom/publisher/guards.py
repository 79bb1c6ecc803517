"""What must hold before anything is published: never below what was, never from another log, never while nobody tabulates."""

import time
from collections.abc import Mapping
from typing import Final

from tallyroom.log.base import Bounds
from tallyroom.publisher.cut import View
from tallyroom.publisher.revision import Head

STALL_S: Final = 5.0
"""A log that is ahead of totals that have not moved for this long means that nobody tabulates."""


class Guards:
    """Remembers what was published and when totals last moved; each question is answered with a reason, or None."""

    def __init__(self) -> None:
        self._floor: dict[int, int] = {}
        self._log: Mapping[str, str] = {}
        self._other_log = ""
        self._moved_at: dict[int, float] = {}
        self._mixed_since: float | None = None

    def published(self, head: Head) -> None:
        """From now on nothing below this revision may follow."""
        for partition, offset in head.as_of["events"].items():
            self._floor[int(partition)] = max(self._floor.get(int(partition), 0), offset)
        self._log = {**self._log, **head.log}

    def start_at(self, bounds: Mapping[int, Bounds]) -> None:
        """Wait for everything that is in the log now; a revision that covers more than the log holds is of another one."""
        self._other_log = ""
        for partition, bound in bounds.items():
            known = self._floor.get(partition, 0)
            if known > bound.end:
                self._other_log = (
                    f"the last revision covers partition {partition} to {known}, the log ends at {bound.end}: "
                    "it is another log (docs/operating.md, starting over)"
                )
            self._floor[partition] = max(known, bound.end)

    def moved(self, partitions: list[int]) -> None:
        """Totals of these partitions moved just now."""
        self._moved_at.update(dict.fromkeys(partitions, time.monotonic()))

    def against(self, view: View) -> str | None:
        """Why these totals may not be published."""
        if self._other_log:
            return self._other_log
        offsets = view.offsets()
        if any(offsets.get(partition, 0) < floor for partition, floor in self._floor.items()):
            return "totals are behind what was published, or behind the log's end as seen at the start"
        for number, part in view.partitions.items():
            if part.first is not None and self._log.get(str(number), part.first) != part.first:
                return f"the totals come from another log than the last revision (partition {number})"
        return None

    def mixed(self, chains: set[str]) -> str | None:
        """Partitions at different definitions are normal for a moment; why they are not for longer."""
        if len(chains) == 1:
            self._mixed_since = None
            return None
        self._mixed_since = self._mixed_since or time.monotonic()
        if time.monotonic() - self._mixed_since > STALL_S:
            return "an amendment has not reached every partition, or not in the same order"
        return None

    def stalled(self, view: View, ends: Mapping[int, Bounds]) -> str | None:
        """Why what is shown may be out of date although nothing speaks against the totals."""
        now, offsets = time.monotonic(), view.offsets()
        ahead = {partition for partition, bound in ends.items() if bound.end > offsets.get(partition, 0)}
        for partition in set(ends) - ahead:
            self._moved_at[partition] = now
        stuck = sorted(n for n in ahead if now - self._moved_at.setdefault(n, now) > STALL_S)
        if stuck:
            return f"nobody tabulates partition {', '.join(map(str, stuck[:8]))}: the log goes on, totals stand"
        return None
