"""The log as the desk reads it: every refused record with its state, acts in force, totals: all of it folded from the log alone.

The fold is a tabulator's, so the desk refuses what tabulators refuse; the quarantine topic, in which a record may stand twice, is
not needed for it.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.codec.events import AnyEvent, Declaration, Desk, Report, encode_event
from tallyroom.codec.reading import PartitionReader
from tallyroom.domain.events import RELEASABLE, Refusal
from tallyroom.log.base import EventLog, Record
from tallyroom.results.facts import Facts, Place
from tallyroom.tabulation.plan import Leaf, Plan
from tallyroom.tabulation.rows import Row, plus, widened
from tallyroom.tabulation.supersede import Refused, State, Verdict

_BATCH: Final = 5000


class At(NamedTuple):
    """Where a record stands in the events topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class CaseState(StrEnum):
    """What became of a refused record."""

    WAITING = "waiting"
    RELEASED = "released"  # operators let it through
    REJECTED = "rejected"  # operators said no
    SETTLED = "settled"  # its unit has said something since that takes its place


@dataclass(frozen=True, slots=True)
class Case:
    """A refused record. ``event`` None: the bytes are none. ``appended_at``: ms since the epoch."""

    at: At
    code: Refusal
    detail: str
    appended_at: int
    event: AnyEvent | None

    @property
    def report(self) -> Report | None:
        """The event, if it is a report."""
        return self.event if isinstance(self.event, Report) else None

    @property
    def releasable(self) -> bool:
        """Whether operators may let it through."""
        return self.report is not None and self.code in RELEASABLE


@dataclass(frozen=True, slots=True)
class Decision:
    """What operators decided about a record, and where that stands."""

    at: At
    operators: tuple[str, ...]
    reason: str | None
    appended_at: int  # ms since the epoch


class Book:
    """Follows the events topic. ``plan``: the definition that the night started from."""

    def __init__(self, log: EventLog, topic: str, plan: Plan) -> None:
        self._log, self._topic, self._start = log, topic, plan
        self._reading = asyncio.Lock()
        self._readers: dict[int, PartitionReader] = {}
        self._next: dict[int, int] = {}
        self.cases: dict[At, Case] = {}
        self.acts: dict[str, Desk | Declaration] = {}  # accepted ones by event id: in force in the order of their times
        self._released: dict[str, Decision] = {}
        self._rejected: dict[str, Decision] = {}
        self._newest: dict[str, At] = {}  # leaf -> its newest accepted report
        self._versions: dict[str, int] = {}
        self._asides: dict[str, Mapping[str, Any]] = {}

    @property
    def plan(self) -> Plan:
        """The definition as partition 0 has it amended."""
        return self._readers[0].fold.plan if self._readers else self._start

    @property
    def partitions(self) -> int:
        """Partitions of the topic; 0 before the first look at it."""
        return len(self._readers)

    @property
    def offsets(self) -> Mapping[int, int]:
        """Next offset to be read of every partition."""
        return dict(self._next)

    async def follow(self) -> bool:
        """Read on to the end of the log as it is now; whether there was anything new. Raises TopicMissing, LogError."""
        async with self._reading:  # a request and the service's own look must not both take a record
            return await self._follow()

    async def _follow(self) -> bool:
        bounds = await self._log.bounds(self._topic)
        moved = False
        for partition, bound in sorted(bounds.items()):
            if partition not in self._readers:
                self._readers[partition] = PartitionReader(self._start, partition, len(bounds))
                self._next[partition] = 0
            while self._next[partition] < bound.end:
                limit = min(_BATCH, bound.end - self._next[partition])
                records = await self._log.read(self._topic, partition, self._next[partition], limit)
                for record in records:
                    self._take(record)
                if not records:
                    break
                moved = True
        return moved

    def _take(self, record: Record) -> None:
        reader, at = self._readers[record.partition], At(record.partition, record.offset)
        event, verdict = reader.take(record.value, record.key, record.headers, record.offset)
        self._next[record.partition] = record.offset + 1
        if isinstance(verdict, Refused):
            self.cases[at] = Case(at, verdict.refusal, verdict.detail, record.timestamp, event)
        elif isinstance(event, Report):
            self._accepted(event, verdict, at, record.timestamp)
        elif isinstance(event, Desk | Declaration):
            self.acts[event.id] = event
            if isinstance(event, Desk) and event.act == "reject" and event.target is not None:
                self._rejected[event.target] = Decision(at, event.operators, event.reason, record.timestamp)
        if event is not None and event.id in reader.asides and event.id not in self._asides:
            self._asides[event.id] = msgspec.json.decode(encode_event(event))

    def _accepted(self, report: Report, verdict: Verdict | None, at: At, appended_at: int) -> None:
        if report.released is not None:
            made = Decision(at, report.operators, report.release_reason, appended_at)
            self._released.setdefault(report.released, made)
        if verdict in (Verdict.FIRST, Verdict.SUPERSEDES):
            self._newest[_name(report)] = at
            self._versions[_name(report)] = report.version

    def state(self, case: Case) -> CaseState:
        """What became of the case."""
        if str(case.at) in self._released:
            return CaseState.RELEASED
        if str(case.at) in self._rejected:
            return CaseState.REJECTED
        report = case.report
        if report is not None:
            newest = self._versions.get(_name(report), 0)
            if newest > report.version or (newest == report.version and case.code is not Refusal.EQUIVOCATION):
                return CaseState.SETTLED
        return CaseState.WAITING

    def decision(self, case: Case) -> Decision | None:
        """Who released or rejected the case, if anybody did."""
        return self._released.get(str(case.at)) or self._rejected.get(str(case.at))

    def waiting(self) -> Iterator[Case]:
        """Cases that nobody and nothing has settled, oldest first."""
        found = [case for case in self.cases.values() if self.state(case) is CaseState.WAITING]
        yield from sorted(found, key=lambda case: (case.appended_at, case.at))

    def leaf(self, report: Report) -> Leaf | None:
        """The leaf that the report is about; None if the definition has none."""
        contest = self.plan.contests.get(report.contest)
        return None if contest is None else self.plan.leaf(contest, report.unit, report.count_group)

    def unit(self, leaf: Leaf) -> tuple[State | None, At | None]:
        """The leaf's newest accepted state, and where its report stands."""
        at = self._newest.get(leaf.name)
        if at is None:
            return None, None
        return self._readers[at.partition].fold.units()[leaf.name], at

    async def record(self, at: At) -> Record:
        """The record that stands there. Raises LogError."""
        (found,) = await self._log.read(self._topic, at.partition, at.offset, 1)
        return found

    def facts(self) -> Facts:
        """Totals over all partitions and accepted other events, as of the last look."""
        totals: dict[Place, Row] = {}
        for reader in self._readers.values():
            for place, row in reader.fold.cells().items():
                width = self.plan.contests[place[0]].width
                totals[place] = plus(totals.get(place, (0,) * width), widened(row, width))
        return Facts(totals=totals, asides=self._asides.values(), now=self.clock())

    def clock(self) -> datetime | None:
        """Newest election time in the log."""
        newest = max((reader.fold.tallies.reported_at for reader in self._readers.values()), default=0)
        return datetime.fromtimestamp(newest / 1000, UTC) if newest else None

    def frozen_sources(self) -> frozenset[str]:
        """Sources whose reports wait in every partition."""
        return frozenset[str]().union(*(reader.fold.desk.frozen for reader in self._readers.values()))

    def flagging_sources(self) -> frozenset[str]:
        """Sources whose sheets count with a flag although they do not add up."""
        return frozenset[str]().union(*(reader.fold.desk.flagging for reader in self._readers.values()))


def _name(report: Report) -> str:
    return f"{report.contest}|{report.unit}" + (f"#{report.count_group}" if report.count_group else "")
