"""Contradictions that a definition may hold, each as one sentence naming the place."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction

from tallyroom.domain.election import Contest, Definition, Threshold

SELECTIONS = "selections"
"""In accounting: the sum of the contest's counts."""


def problems(definition: Definition) -> Iterator[str]:
    """Every contradiction found; nothing if the definition is sound."""
    areas = {area.id for area in definition.areas}
    units = {unit.id for unit in definition.units}
    sources = {source.id for source in definition.sources}
    pools = {pool.id for pool in definition.pools}
    for what, ids in (
        ("area", (area.id for area in definition.areas)),
        ("unit", (unit.id for unit in definition.units)),
        ("contest", (contest.id for contest in definition.contests)),
        ("source", (source.id for source in definition.sources)),
    ):
        yield from _identifiers(what, ids)
    for unit in definition.units:
        if unit.pool is not None and unit.pool not in pools:
            yield f"unit {unit.id}: pool {unit.pool} is not defined"
        if unit.registered is not None and unit.registered < 0:
            yield f"unit {unit.id}: registered is negative"
    for contest in definition.contests:
        yield from (f"contest {contest.id}: {text}" for text in _contest(contest, areas, units, sources))
    contests = {contest.id for contest in definition.contests}
    for body in definition.bodies:
        yield from (f"body {body.id}: contest {c} is not defined" for c in body.contests if c not in contests)


def _identifiers(what: str, ids: Iterable[str]) -> Iterator[str]:
    for identifier, times in Counter(ids).items():
        if times > 1:
            yield f"{what} {identifier} is defined {times} times"
        if not identifier or "|" in identifier or len(identifier) > 128 or not identifier.isprintable():
            yield f"{what} id {identifier!r} must be 1 to 128 printable characters without '|'"


def _contest(contest: Contest, areas: set[str], units: set[str], sources: set[str]) -> Iterator[str]:
    yield from _selections(contest)
    yield from _accounting(contest)
    yield from _tree(contest, areas)
    leaves = set(contest.areas)
    for unit, area in contest.units.items():
        if unit not in units:
            yield f"unit {unit} is not defined"
        if area not in leaves:
            yield f"unit {unit}: area {area} is not in the contest's areas"
    for source in {contest.source, *contest.unit_sources.values()} - sources:
        yield f"source {source} is not defined"
    if contest.rule is not None:
        for threshold in contest.rule.thresholds:
            yield from _threshold(threshold)


def _selections(contest: Contest) -> Iterator[str]:
    ids = [selection.id for selection in contest.selections]
    yield from _identifiers("selection", ids)
    if not ids:
        yield "it has no selections"
    for selection in contest.selections:
        if selection.parent is not None and selection.parent not in ids:
            yield f"selection {selection.id}: parent {selection.parent} is not a selection"
        if selection.counts_as not in (None, "invalid", *ids):
            yield f"selection {selection.id}: counts_as {selection.counts_as} is not a selection"


def _accounting(contest: Contest) -> Iterator[str]:
    accounting = contest.accounting
    known = {SELECTIONS, *accounting.measures}
    if len(set(accounting.measures)) != len(accounting.measures) or SELECTIONS in accounting.measures:
        yield "its measures must be different names, none of them 'selections'"
    if accounting.cast is not None and accounting.cast not in accounting.measures:
        yield f"ballots cast are measure {accounting.cast}, which is not among its measures"
    used = {name for identity in accounting.identities for name in (identity.total, *identity.parts)}
    for name in sorted((used | set(accounting.share_base)) - known):
        yield f"accounting uses {name}, which is not among its measures"
    if not accounting.share_base:
        yield "shares have no denominator (share_base is empty)"
    if accounting.marks_per_ballot < 1:
        yield "marks_per_ballot is below 1"


def _tree(contest: Contest, areas: set[str]) -> Iterator[str]:
    roots = [area for area, parent in contest.areas.items() if parent is None]
    if len(roots) != 1:
        yield f"its areas have {len(roots)} roots, not one"
    for area, parent in contest.areas.items():
        if area not in areas:
            yield f"area {area} is not defined"
        if parent is not None and parent not in contest.areas:
            yield f"area {area}: parent {parent} is not in the contest's areas"
    for area in contest.areas:
        seen = {area}
        above = contest.areas[area]
        while above is not None and above in contest.areas:
            if above in seen:
                yield f"area {area} is above itself"
                break
            seen.add(above)
            above = contest.areas[above]


def _threshold(threshold: Threshold) -> Iterator[str]:
    try:
        share = Fraction(threshold.share)
    except (ValueError, ZeroDivisionError):
        yield f"threshold share {threshold.share!r} is not a fraction such as 1/20 or 0.05"
    else:
        if not 0 <= share <= 1:
            yield f"threshold share {threshold.share} is not between 0 and 1"
    for alternative in threshold.alternatives:
        yield from _threshold(alternative)
