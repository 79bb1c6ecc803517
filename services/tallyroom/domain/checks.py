"""Contradictions that a definition may hold, each as one sentence naming the place."""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallyroom.domain import plausibility
from tallyroom.domain.election import (
    CandidateVotes,
    Contest,
    Definition,
    Rule,
    Selection,
    Signatures,
    Source,
    Threshold,
)

SELECTIONS = "selections"
"""In accounting: the sum of the contest's counts."""
REGISTERED = "registered"
"""In conditions: the register of voters."""
RESERVED = frozenset({SELECTIONS, REGISTERED, "invalid"})
"""Words of the definition that no selection or measure may be called by (but for the measure ``invalid``)."""
EVENT_TYPES = frozenset({"report", "amendment", "participation", "control", "estimate", "declaration", "desk"})
METHODS = frozenset(
    {
        "hare", "droop", "dhondt", "sainte-lague", "modified-sainte-lague", "plurality", "majority", "referendum",
        "ranked", "none",
    }
)  # fmt: skip
SCHEMA = "tallyroom.definition/v1"
KEY_BYTES: Final = 32
"""Length of an Ed25519 public key."""
KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A key's id stands in record headers: nothing in it may need escaping there."""
MOST_PERSONS = 9
"""An act of the desk names at most this many people: more would never be found at two in the morning."""


def problems(definition: Definition) -> Iterator[str]:
    """Every contradiction found; nothing if the definition is sound."""
    areas = {area.id for area in definition.areas}
    units = {unit.id for unit in definition.units}
    pools = {pool.id for pool in definition.pools}
    for what, ids in (
        ("area", (area.id for area in definition.areas)),
        ("unit", (unit.id for unit in definition.units)),
        ("contest", (contest.id for contest in definition.contests)),
        ("source", (source.id for source in definition.sources)),
    ):
        yield from _identifiers(what, ids)
    if definition.schema != SCHEMA:
        yield f"schema {definition.schema} is not {SCHEMA}"
    yield from _desk(definition)
    reporters = {source.id for source in definition.sources if "report" in source.may_report}
    for source in definition.sources:
        unknown = sorted(set(source.may_report) - EVENT_TYPES)
        if unknown:
            yield f"source {source.id} may report {', '.join(unknown)}, which is no type of event"
        yield from (f"source {source.id}: {text}" for text in _keys(source, definition.signatures))
    for unit in definition.units:
        if unit.pool is not None and unit.pool not in pools:
            yield f"unit {unit.id}: pool {unit.pool} is not defined"
        if unit.registered is not None and unit.registered < 0:
            yield f"unit {unit.id}: registered is negative"
    for contest in definition.contests:
        yield from (f"contest {contest.id}: {text}" for text in _contest(contest, areas, units, reporters))
    yield from _clocks(definition)
    contests = {contest.id for contest in definition.contests}
    for body in definition.bodies:
        yield from (f"body {body.id}: contest {c} is not defined" for c in body.contests if c not in contests)
        if body.compensation is not None and body.compensation.lists not in body.contests:
            yield f"body {body.id}: its lists {body.compensation.lists} are not among its contests"
    for area in definition.areas:
        yield from (f"area {area.id}: {text}" for text in _fraction("weight", area.weight, most=None))


def _clocks(definition: Definition) -> Iterator[str]:
    """What the closing hour needs: an hour, and time zones whose rules are known."""
    if definition.polls_close is None:
        return
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", definition.polls_close) is None:
        yield f"polls_close {definition.polls_close!r} is not an hour such as 20:00"
    named = [area.time_zone for area in definition.areas] + [unit.time_zone for unit in definition.units]
    zones = dict.fromkeys(zone for zone in (*definition.time_zones, *named) if zone is not None)
    if not definition.time_zones:
        yield "polls_close is an hour by local clocks, and time_zones is empty"
    for zone in zones:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield f"time zone {zone!r} is not in the IANA database"


def _desk(definition: Definition) -> Iterator[str]:
    if not 1 <= definition.persons <= MOST_PERSONS:
        yield f"desk.persons is {definition.persons}, not 1 to {MOST_PERSONS}"
    operators = definition.operators
    able = [operator for operator in operators if operator.revoked_at is None]
    if operators and len(able) < definition.persons:
        yield f"desk.operators has {len(able)} whose key is not revoked, desk.persons is {definition.persons}"
    yield from _key_pairs((operator.id.casefold(), operator.key) for operator in operators)
    holders = {key.key for source in definition.sources for key in source.keys}
    for key, times in Counter(operator.key for operator in operators).items():
        if times > 1 or key in holders:
            yield f"operator's key {key} is another's as well: a person's key is in no other hands"


def _identifiers(what: str, ids: Iterable[str]) -> Iterator[str]:
    for identifier, times in Counter(ids).items():
        if times > 1:
            yield f"{what} {identifier} is defined {times} times"
        if not identifier or "|" in identifier or len(identifier) > 128 or not identifier.isprintable():
            yield f"{what} id {identifier!r} must be 1 to 128 printable characters without '|'"


def _keys(source: Source, signatures: Signatures) -> Iterator[str]:
    yield from _key_pairs((key.id, key.key) for key in source.keys)
    if signatures is Signatures.REQUIRED and source.may_report and not source.keys:
        yield "it has no key, though events must be signed"


def _key_pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with public keys and their ids."""
    listed = list(pairs)
    for name, times in Counter(name for name, _ in listed).items():
        if times > 1:
            yield f"key {name} is defined {times} times"
        if not KEY_ID.fullmatch(name):
            yield f"key id {name!r} must be 1 to 64 letters, digits, '.', '_' or '-'"
    for name, key in listed:
        try:
            length = len(b64decode(key, validate=True))
        except ValueError:
            length = 0
        if length != KEY_BYTES:
            yield f"key {name} is not {KEY_BYTES} bytes in base64"


def _contest(contest: Contest, areas: set[str], units: set[str], sources: set[str]) -> Iterator[str]:
    yield from _selections(contest)
    yield from _accounting(contest)
    yield from _tree(contest, areas)
    yield from _identifiers("count group", contest.count_groups)
    yield from (f"count group {name} contains '#'" for name in contest.count_groups if "#" in name)
    leaves = set(contest.areas)
    for unit, area in contest.units.items():
        if unit not in units:
            yield f"unit {unit} is not defined"
        if area not in leaves:
            yield f"unit {unit}: area {area} is not in the contest's areas"
    for source in sorted({contest.source, *contest.unit_sources.values()} - sources):
        yield f"source {source} is not defined, or may not send reports"
    for what, named in (("closed_units", contest.closed_units), ("unit_sources", contest.unit_sources)):
        yield from (
            f"{what} names unit {unit}, which is not in the contest" for unit in named if unit not in contest.units
        )
    if contest.plausibility is not None:
        yield from (f"plausibility: {text}" for text in plausibility.problems(contest.plausibility))
    if contest.rule is not None:
        yield from _rule(contest.rule, contest.areas)


def _selections(contest: Contest) -> Iterator[str]:
    ids = [selection.id for selection in contest.selections]
    yield from _identifiers("selection", ids)
    yield from (f"selection {name} has a name that the definition itself uses" for name in ids if name in RESERVED)
    if not ids:
        yield "it has no selections"
    parents = {selection.id: selection.parent for selection in contest.selections}
    heirs = {selection.id: selection.counts_as for selection in contest.selections}
    yield from (f"selection {name} is above itself" for name in _circular(parents))
    yield from (f"votes of selection {name} come back to it" for name in _circular(heirs))
    for selection in contest.selections:
        if selection.counts_as is not None:
            yield from _reassignment(contest, selection, parents)
        if selection.parent is not None and selection.parent not in ids:
            yield f"selection {selection.id}: parent {selection.parent} is not a selection"
        if selection.counts_as not in (None, "invalid", *ids):
            yield f"selection {selection.id}: counts_as {selection.counts_as} is not a selection"


def _circular(above: Mapping[str, str | None]) -> list[str]:
    """Names from which following ``above`` never ends."""
    found = []
    for name in above:
        at: str | None = name
        for _ in above:
            at = above.get(at) if at is not None else None
        if at in above:
            found.append(name)
    return found


def _reassignment(contest: Contest, selection: Selection, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Votes may only pass where every sum stays right: between choices that are inside the same list, or inside none."""
    if contest.accounting.marks_per_ballot > 1 and selection.counts_as == "invalid":
        yield f"selection {selection.id}: its votes are marks, which cannot become invalid ballots"
    if contest.accounting.candidate_votes is CandidateVotes.BESIDE:
        return
    involved = {selection.id, selection.counts_as}
    if not involved.isdisjoint(parents.values()):
        yield f"selection {selection.id}: votes of a list are its candidates' and cannot count as something else"
    elif selection.parent is not None and parents.get(str(selection.counts_as), None) != selection.parent:
        yield f"selection {selection.id}: its votes are inside {selection.parent} and can only pass within it"
    elif selection.parent is None and parents.get(str(selection.counts_as)) is not None:
        yield f"selection {selection.id}: its votes cannot pass into a list"


def _accounting(contest: Contest) -> Iterator[str]:
    accounting = contest.accounting
    known = {SELECTIONS, *accounting.measures}
    for name in sorted(set(accounting.measures) & {selection.id for selection in contest.selections}):
        yield f"{name} is a measure and a selection: figures are found by name"
    for identity in accounting.identities:
        if not identity.parts:
            yield "an identity has no parts"
        if identity.total == SELECTIONS:
            yield "the total of an identity must be a measure, not 'selections'"
    if len(set(accounting.measures)) != len(accounting.measures) or SELECTIONS in accounting.measures:
        yield "its measures must be different names, none of them 'selections'"
    if REGISTERED in accounting.measures:
        yield "a measure is called 'registered', which is the register of voters"
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


def _rule(rule: Rule, areas: Collection[str]) -> Iterator[str]:
    """Slips that would otherwise show up in mid-night, when there are figures for the first time."""
    if rule.method not in METHODS:
        yield f"method {rule.method} is not one of {', '.join(sorted(METHODS))}"
    for threshold in rule.thresholds:
        yield from _threshold(threshold)
    for condition in rule.conditions:
        for what, share in (("share", condition.share), ("lead", condition.lead)):
            yield from () if share is None else _fraction(f"condition {what}", share)
    if rule.runoff is not None and rule.runoff.share is not None:
        yield from _fraction("runoff share", rule.runoff.share)
    if rule.first_divisor is not None:
        yield from _fraction("first_divisor", rule.first_divisor, most=None)
    yield from (f"allocation area {a.area} is not in its areas" for a in rule.allocations if a.area not in areas)


def _threshold(threshold: Threshold) -> Iterator[str]:
    yield from _fraction("threshold share", threshold.share)
    for alternative in threshold.alternatives:
        yield from _threshold(alternative)


def _fraction(what: str, text: str, most: int | None = 1) -> Iterator[str]:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        yield f"{what} {text!r} is not a fraction such as 1/20 or 0.05"
    else:
        if value < 0 or (most is not None and value > most):
            yield f"{what} {text} is not between 0 and 1" if most is not None else f"{what} {text} is below 0"
