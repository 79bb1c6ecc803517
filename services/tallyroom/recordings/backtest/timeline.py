"""A recording folded in the order in which its events arrived, with the facts that stood after each arrival time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from tallyroom.codec.definition import chain_hash, definition_hash
from tallyroom.codec.events import Amendment, AnyEvent, Report, Undecodable, decode_event, partition_key
from tallyroom.recordings.format import Recording, TimedEvent
from tallyroom.results.facts import Facts, Place
from tallyroom.tabulation.asides import judge_aside
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Row

_CORRECTING = frozenset(("correction", "recount", "retraction"))


@dataclass(slots=True)
class Step:
    """The night after everything that arrived at one time. ``facts`` changes with the next step: use it before.

    ``changed``: contests whose totals moved; every one where a bulletin or an amendment came. ``corrected``: contests in which a
    report called itself a correction, recount or retraction.
    """

    at: datetime
    plan: Plan
    facts: Facts
    changed: set[str]
    corrected: set[str]
    amended: bool = False


class Timeline:
    """Plays a recording; ``fold`` holds its end once all steps were taken."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        definition = recording.definition()
        self.fold = PartitionFold(Plan(definition, definition_hash(definition)), 0, 1)
        self.totals: dict[Place, Row] = {}
        self.asides: list[Any] = []
        self._offset = 0
        self._seen: set[str] = set()

    def steps(self) -> Iterator[Step]:
        """One step an arrival time, in order. Raises RecordingError if the recording cannot be read."""
        for at, together in groupby(self._recording.events(), key=lambda event: event.at):
            yield self._step(at, together)

    def facts(self, now: datetime | None = None) -> Facts:
        """What is known so far."""
        return Facts(totals=self.totals, asides=self.asides, now=now)

    def _step(self, at: datetime, together: Iterator[TimedEvent]) -> Step:
        asides, chain = len(self.asides), self.fold.plan.chain
        corrected: set[str] = set()
        for timed in together:
            event = self._take(timed.value)
            if isinstance(event, Report) and event.kind in _CORRECTING:
                corrected.add(event.contest)
        moved = self.fold.take().cells
        self.totals.update(moved)
        amended = chain != self.fold.plan.chain
        everything = amended or asides != len(self.asides)
        changed = set(self.fold.plan.contests) if everything else {contest for contest, _ in moved}
        return Step(at, self.fold.plan, self.facts(at), changed, corrected, amended)

    def _take(self, value: bytes) -> AnyEvent | None:
        """Fold one event; None for what is no event, is refused beside the counts, or was there before."""
        self._offset += 1
        try:
            event = decode_event(value)
        except Undecodable:
            return None
        if isinstance(event, Report):
            self.fold.report(event, partition_key(event), self._offset)
            return event
        kind = str(event.__struct_config__.tag)
        if event.id in self._seen or judge_aside(self.fold.plan, event, kind) is not None:
            return None
        self._seen.add(event.id)
        if isinstance(event, Amendment):
            self.fold.amend(event.to_domain(), chain_hash(self.fold.plan.chain, value))
        else:
            self.asides.append(msgspec.json.decode(value))
        return event
