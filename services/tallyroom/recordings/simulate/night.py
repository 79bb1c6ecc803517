"""The reports of the night with what a real night does to them: corrections, doubles, lateness, holds, mistakes.

Every unit ends on its true figures: the dirt is in what comes before or between. Three events are refused, no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal, NamedTuple

import msgspec

from tallyroom.codec.events import PartsIn, Previous, Report
from tallyroom.recordings.simulate.definition import COMMISSION, ELECTION
from tallyroom.recordings.simulate.schedule import END
from tallyroom.recordings.simulate.votes import Ballot

_SMALLEST: Final = 50
"""Valid ballots that a report needs to be treated as dirty: below, there is little to get wrong."""
_PER_THOUSAND: Final = {"corrected": 15, "duplicated": 10}
_FIXED: Final = {"resent": 51, "reordered": 31, "three_versions": 20, "partial": 60, "held": 12, "retracted": 8}
_REASONS: Final = (
    "Figures of two lines were exchanged in the protocol.",
    "A bundle of ballots was counted twice.",
    "A figure was misread when the protocol was copied.",
    "The commission compared the protocol with the ballots again.",
)

Delivery = tuple[datetime, Report]


class Task(NamedTuple):
    """A station's true figures in one contest and when its first report arrives. ``registered`` None: no roll."""

    contest: str
    unit: str
    at: datetime
    ballot: Ballot
    selections: tuple[str, ...]
    registered: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and ballots of one version of a report."""

    counts: Mapping[str, int]
    cast: int
    valid: int


def deliveries(tasks: Sequence[Task], wrong_source: str, rng: Random) -> Iterator[Delivery]:
    """Every report with its arrival, task by task. ``wrong_source``: a source that sends one report it may not send."""
    fates = _fates(tasks, rng)
    for number, task in enumerate(tasks):
        fate = fates.get(number)
        yield from [(task.at, _report(task, 1, task.at, _true(task)))] if fate is None else fate(task, rng)
    yield from _refused(tasks, set(fates), wrong_source, rng)


Fate = Callable[[Task, Random], Iterator[Delivery]]


def _fates(tasks: Sequence[Task], rng: Random) -> dict[int, Fate]:
    """Which tasks do not go smoothly, and how; never two troubles at once."""
    able = [number for number, task in enumerate(tasks) if task.ballot.valid >= _SMALLEST]
    wanted = {name: len(tasks) * share // 1_000 for name, share in _PER_THOUSAND.items()} | _FIXED
    drawn = iter(rng.sample(able, sum(wanted.values())))
    return {next(drawn): _FATES[name] for name, times in wanted.items() for _ in range(times)}


def _true(task: Task) -> Figures:
    counts = dict(zip(task.selections, task.ballot.counts, strict=True))
    return Figures(counts, task.ballot.cast, task.ballot.valid)


def _report(task: Task, version: int, reported_at: datetime, figures: Figures) -> Report:
    return Report(
        id=f"{task.unit}|{task.contest}|{version}".replace("|", "."),
        election=ELECTION,
        environment="simulation",
        source=COMMISSION,
        reported_at=reported_at,
        contest=task.contest,
        unit=task.unit,
        version=version,
        counts=dict(figures.counts),
        ballots={"cast": figures.cast, "valid": figures.valid},
    )


def _corrected(task: Task, rng: Random) -> Iterator[Delivery]:
    wrong, right = _wrong(task, rng), _true(task)
    yield task.at, _report(task, 1, task.at, wrong)
    at = _later(task.at, rng, 600, 10_800)
    yield at, _correction(task, 2, at, (wrong, right), rng)


def _correction(task: Task, version: int, at: datetime, figures: tuple[Figures, Figures], rng: Random) -> Report:
    """The right figures; one time in two with a reason and the figures before."""
    before, after = figures
    report = msgspec.structs.replace(_report(task, version, at, after), kind="correction")
    if rng.randrange(2):
        return report
    previous = Previous(counts=dict(before.counts), ballots={"cast": before.cast, "valid": before.valid})
    return msgspec.structs.replace(report, reason=rng.choice(_REASONS), previous=previous)


def _duplicated(task: Task, rng: Random) -> Iterator[Delivery]:
    report = _report(task, 1, task.at, _true(task))
    yield task.at, report
    yield _later(task.at, rng, 1, 1_200), report


def _resent(task: Task, rng: Random) -> Iterator[Delivery]:
    """The version before the correction once more, after it."""
    chain = list(_corrected(task, rng))
    yield from chain
    yield _later(chain[-1][0], rng, 1, 1_800), chain[0][1]


def _reordered(task: Task, rng: Random) -> Iterator[Delivery]:
    """The correction overtakes what it corrects."""
    wrong, right = _wrong(task, rng), _true(task)
    said = task.at - timedelta(seconds=rng.randrange(60, 600))
    yield task.at, _correction(task, 2, task.at, (wrong, right), rng)
    yield _later(task.at, rng, 1, 900), _report(task, 1, said, wrong)


def _three_versions(task: Task, rng: Random) -> Iterator[Delivery]:
    """The first version, then the third, then the second."""
    first, second, right = _wrong(task, rng), _wrong(task, rng), _true(task)
    at = _later(task.at, rng, 600, 5_400)
    yield task.at, _report(task, 1, task.at, first)
    yield at, _correction(task, 3, at, (second, right), rng)
    said = task.at + (at - task.at) // 2
    yield _later(at, rng, 1, 900), _correction(task, 2, said.replace(microsecond=0), (first, second), rng)


def _partial(task: Task, rng: Random) -> Iterator[Delivery]:
    """Half of the ballot boxes first, then all."""
    right = _true(task)
    counts = {name: count * rng.randrange(35, 66) // 100 for name, count in right.counts.items()}
    valid = sum(counts.values())
    half = Figures(counts, valid + (right.cast - right.valid) // 2, valid)
    yield task.at, msgspec.structs.replace(_report(task, 1, task.at, half), parts=PartsIn(1, 2))
    at = _later(task.at, rng, 600, 5_400)
    yield at, msgspec.structs.replace(_report(task, 2, at, right), parts=PartsIn(2, 2))


def _held(task: Task, rng: Random) -> Iterator[Delivery]:
    right = _true(task)
    first = _report(task, 1, task.at, right)
    yield task.at, msgspec.structs.replace(first, disposition="held", reason="Objection of an observer under review.")
    at = _later(task.at, rng, 1_800, 10_800)
    yield at, msgspec.structs.replace(_report(task, 2, at, right), reason="Objection reviewed, figures confirmed.")


def _retracted(task: Task, rng: Random) -> Iterator[Delivery]:
    wrong, right = _wrong(task, rng), _true(task)
    yield task.at, _report(task, 1, task.at, wrong)
    at = _later(task.at, rng, 600, 3_600)
    nothing = msgspec.structs.replace(_report(task, 2, at, wrong), kind="retraction", counts={}, ballots={})
    yield at, msgspec.structs.replace(nothing, reason="Sent for the wrong station.")
    again = _later(at, rng, 300, 3_600)
    yield again, msgspec.structs.replace(_report(task, 3, again, right), kind="recount")


_FATES: Final[dict[str, Fate]] = {
    "corrected": _corrected,
    "duplicated": _duplicated,
    "resent": _resent,
    "reordered": _reordered,
    "three_versions": _three_versions,
    "partial": _partial,
    "held": _held,
    "retracted": _retracted,
}


def _refused(tasks: Sequence[Task], taken: set[int], wrong_source: str, rng: Random) -> Iterator[Delivery]:
    """Three events for the quarantine, each beside a sound report: unknown unit, wrong sum, wrong source."""
    able = [n for n, task in enumerate(tasks) if n not in taken and task.ballot.valid >= _SMALLEST and task.registered]
    stranger, sum_wrong, foreign = (tasks[n] for n in rng.sample(able, 3))
    unknown = stranger.unit[: -len("0000")] + "9999"
    yield (
        stranger.at,
        _labelled(_report(stranger._replace(unit=unknown), 1, stranger.at, _true(stranger)), "unknown_unit"),
    )
    right = _true(sum_wrong)
    misadded = Figures(right.counts, right.cast, right.valid - 1)
    before = sum_wrong.at - timedelta(seconds=90)
    report = msgspec.structs.replace(
        _report(sum_wrong, 1, before, misadded), id=f"{sum_wrong.unit}.{sum_wrong.contest}.0"
    )
    yield before, _labelled(report, "accounting")
    at = foreign.at + timedelta(seconds=90)
    report = msgspec.structs.replace(_report(foreign, 9, at, _true(foreign)), source=wrong_source)
    yield at, _labelled(report, "wrong_source")


def _labelled(report: Report, refusal: Literal["unknown_unit", "accounting", "wrong_source"]) -> Report:
    return msgspec.structs.replace(report, ext={"simulated_mistake": refusal})


def _wrong(task: Task, rng: Random) -> Figures:
    """Figures that differ from the true ones, add up all the same, and stay within the roll."""
    while True:
        counts = dict(zip(task.selections, task.ballot.counts, strict=True))
        _BLUNDERS[rng.randrange(len(_BLUNDERS))](counts, task, rng)
        valid = sum(counts.values())
        fits = task.registered is None or valid <= task.registered
        if fits and tuple(counts.values()) != task.ballot.counts:
            return Figures(counts, max(task.ballot.cast, valid), valid)


def _too_many(counts: dict[str, int], task: Task, rng: Random) -> None:
    """A selection gets up to a third more: its correction goes down."""
    name = rng.choice(task.selections)
    counts[name] += rng.randrange(counts[name] // 3 + 2)


def _exchanged(counts: dict[str, int], task: Task, rng: Random) -> None:
    one, other = rng.sample(task.selections, 2)
    counts[one], counts[other] = counts[other], counts[one]


def _too_few(counts: dict[str, int], task: Task, rng: Random) -> None:
    name = rng.choice(task.selections)
    counts[name] -= rng.randrange(counts[name] // 3 + 1)


_BLUNDERS: Final = (_too_many, _too_many, _exchanged, _exchanged, _too_few)


def _later(at: datetime, rng: Random, least: int, most: int) -> datetime:
    """Some seconds after ``at``; what would arrive after the end of the night arrives in what is left of it."""
    seconds = rng.randrange(least, most)
    room = int((END - at).total_seconds())
    return at + timedelta(seconds=min(seconds, max(1, room - 1)))
