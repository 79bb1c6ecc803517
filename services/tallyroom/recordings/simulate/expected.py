"""What a tabulator must make of the simulated events, by the unit rule alone: the manifest's ``expect``."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tallyroom.codec.events import AnyEvent, Report

_NOTHING: Final[Mapping[str, int]] = {}


def expectations(events: Iterable[AnyEvent]) -> dict[str, Any]:
    """Verdicts over events in order of arrival. ``decreases``: figures (counts, ballots) that accepted reports lowered.

    Events that the generator made to be refused say so in ``ext`` and are counted under ``quarantined`` by reason.
    """
    tally: Counter[str] = Counter(accepted=0, superseded=0, duplicates=0, late=0, decreases=0, asides=0)
    unexplained = 0
    refused: Counter[str] = Counter()
    newest: dict[tuple[str, str], Report] = {}
    for event in events:
        if not isinstance(event, Report):
            tally["asides"] += 1
            continue
        if "simulated_mistake" in event.ext:
            refused[event.ext["simulated_mistake"]] += 1
            continue
        place = (event.contest, event.unit)
        before = newest.get(place)
        if before is not None and event.version <= before.version:
            tally["duplicates" if event.version == before.version else "late"] += 1
            continue
        tally["accepted"] += 1
        newest[place] = event
        if before is not None:
            tally["superseded"] += 1
            fell = _fell(before, event)
            tally["decreases"] += fell
            unexplained += 0 if event.reason else fell
    return {**tally, "decreases_without_reason": unexplained, "quarantined": dict(sorted(refused.items()))}


def _fell(before: Report, after: Report) -> int:
    """How many figures the unit's contribution lost."""
    old, new = _contribution(before), _contribution(after)
    return sum(1 for name, figure in old.items() if new.get(name, 0) < figure)


def _contribution(report: Report) -> Mapping[str, int]:
    if report.kind == "retraction" or report.disposition != "counted":
        return _NOTHING
    return {**{f"ballots.{name}": n for name, n in report.ballots.items()}, **report.counts}
