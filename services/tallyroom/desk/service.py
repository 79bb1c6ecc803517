"""The desk as a service: follows the log, says in metrics what waits and whether it could matter, and serves the ops API."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from tallyroom.desk.book import Book
from tallyroom.desk.views import WEIGHED, Scales
from tallyroom.domain.errors import LogError
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import DeskMetrics

LOOK_S: Final = 1.0


class DeskService:
    """Looks once a second until it is stopped. ``ready``: the log was read to its end at least once."""

    def __init__(self, book: Book, metrics: DeskMetrics) -> None:
        self._book, self._metrics = book, metrics
        self._scales = Scales(book)
        self._reasons: set[str] = set()
        self._looked: Mapping[int, int] = {}
        self._logger = get_logger("desk")
        self._said: set[str] = set()
        self.ready = False

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop`` is set; a log that is away is waited for."""
        while not stop.is_set():
            try:
                await self._book.follow()
                if self._book.offsets != self._looked:  # a request may have read on as well
                    self.look()
                self.ready = True
            except LogError as error:
                self._logger.warning("the log is away; trying again", error=error.what)
            self._tell_age()
            try:
                await asyncio.wait_for(stop.wait(), LOOK_S)
            except TimeoutError:
                continue

    def look(self) -> None:
        """Count what waits, and weigh the oldest of it."""
        self._looked = self._book.offsets
        waiting = list(self._book.waiting())
        numbers = Counter(str(case.code) for case in waiting)
        for reason in self._reasons | numbers.keys():
            self._metrics.waiting.labels(reason=reason).set(numbers[reason])
        self._reasons |= numbers.keys()
        turning = 0
        for case in [case for case in waiting if case.releasable][:WEIGHED]:
            weighed = self._scales.weigh(case)
            if weighed is None or not weighed.could_change_outcome:
                continue
            turning += 1
            if str(case.at) not in self._said:
                self._said.add(str(case.at))
                turns = [f"{turn.what} {turn.of}" for turn in weighed.turns[:5]]
                self._logger.error("a refused report could change an outcome", at=str(case.at), turns=turns)
        self._metrics.could_change.set(turning)

    def _tell_age(self) -> None:
        oldest = next(self._book.waiting(), None)
        self._metrics.oldest.set(0 if oldest is None else max(0.0, time.time() - oldest.appended_at / 1000))
