"""Figures of what was published, for the operator: contests by status, corrections, questions decided."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from tallyroom.publisher.record import DECIDED
from tallyroom.results.areas import Status
from tallyroom.results.documents import contest_name
from tallyroom.telemetry.metrics import PublisherMetrics


class _Corrections(msgspec.Struct):
    count: int = 0


class _Contest(msgspec.Struct):
    contest: str
    status: str
    corrections: _Corrections = msgspec.field(default_factory=_Corrections)


class _Question(msgspec.Struct):
    answer: str | int | bool | None = None


class _Decided(msgspec.Struct):
    decided: dict[str, list[_Question]] = {}


_contest = msgspec.json.Decoder(_Contest)
_decided = msgspec.json.Decoder(_Decided)


class Figures:
    """What the documents of the revisions so far say, kept up with those that change."""

    def __init__(self, metrics: PublisherMetrics) -> None:
        self._metrics = metrics
        self._status: dict[str, str] = {}

    def take(self, documents: Mapping[str, bytes]) -> None:
        """These documents are published now."""
        for name, data in documents.items():
            if name.startswith(contest_name("")):
                contest = _contest.decode(data)
                self._status[contest.contest] = contest.status
                self._metrics.corrections.labels(contest=contest.contest).set(contest.corrections.count)
            elif name == DECIDED:
                for contest_id, questions in _decided.decode(data).decided.items():
                    closed = sum(question.answer is not None for question in questions)
                    self._metrics.decided.labels(contest=contest_id).set(closed)
        numbers = Counter(self._status.values())
        for status in Status:
            self._metrics.contests.labels(status=str(status)).set(numbers[str(status)])
