"""What decides an outcome, computed a second time from the recounted numbers: shares, leaders, thresholds, seats, winners, houses.

Plain loops written from the laws and docs/apportionment.md, docs/http.md; nothing is shared with the code that makes results
(`tallyroom.apportionment`, `tallyroom.bounds`, `tallyroom.results`). Only what counts say now is computed here: what may still
change is not. Seats of houses in which lists make up for districts, and second rounds, are left to the revision derived anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from tallyroom.domain.checks import REGISTERED, SELECTIONS
from tallyroom.domain.election import (
    CandidateVotes,
    Condition,
    Contest,
    Definition,
    Join,
    Role,
    Rule,
    Scope,
    SelectionStatus,
    Threshold,
)

Figures = Mapping[str, int]
"""Sums of an area by name (`tallyroom.tabulation.recount`), with ``registered`` where the register is known."""

Leaf = tuple[tuple[str, ...], Any]
"""Path within a document, and what must stand there."""

MILLION: Final = 10**6
_MODIFIED: Final = Fraction(7, 5)
_ONE: Final = Fraction(1)
_ABOVE: Final = ("above", "decided-above", "open")
_BELOW: Final = ("below", "decided-below", "open")
AVERAGES: Final = ("dhondt", "sainte-lague", "modified-sainte-lague")
QUOTAS: Final = ("hare", "droop")
LISTS: Final = (*AVERAGES, *QUOTAS)


# -- shares


def lines(rule: Rule | None) -> list[Fraction]:
    """Shares that decide something: no share is shown on the other side of one of them."""
    found, waiting = [Fraction(1, 2), _ONE], list(rule.thresholds) if rule is not None else []
    while waiting:
        threshold = waiting.pop()
        found.append(Fraction(threshold.share))
        waiting += threshold.alternatives
    return found + [
        Fraction(item.share) for item in (rule.conditions if rule is not None else ()) if item.share is not None
    ]


def share(part: int, whole: int, against: Sequence[Fraction]) -> str | None:
    """Six digits, rounded to the nearest, or cut off where rounding would cross a line; None without a denominator."""
    if whole <= 0:
        return None
    millionths = (2 * part * MILLION + whole) // (2 * whole)
    for line in against:
        below = part * line.denominator < line.numerator * whole
        if below and millionths * line.denominator >= line.numerator * MILLION:
            millionths = part * MILLION // whole
    return f"{millionths // MILLION}.{millionths % MILLION:06d}"


def area(contest: Contest, sums: Figures) -> Iterator[Leaf]:
    """Shares, turnout and leader of an area."""
    against, base = lines(contest.rule), total(contest, contest.accounting.share_base, sums)
    for selection in contest.selections:
        yield ("shares", selection.id), share(sums[selection.id], base, against)
    cast = contest.accounting.cast
    voters = sums["registered_complete"] + sums["registered_partial"]
    yield ("turnout_reported",), None if cast is None else share(sums[cast], voters, [_ONE])
    yield from leader(contest, sums)


def leader(contest: Contest, sums: Figures) -> Iterator[Leaf]:
    """Who leads among those who stand, and by how much."""
    standing = {
        item.id: sums[item.id]
        for item in contest.selections
        if item.role in (Role.PARTY, Role.CANDIDATE) and item.status is SelectionStatus.ACTIVE and item.parent is None
    }
    most = max(standing.values(), default=0)
    if not most:
        yield ("leading",), None
        return
    first = [name for name, votes in standing.items() if votes == most]
    others = [votes for name, votes in standing.items() if name not in first]
    yield ("leading", "selections"), first
    yield ("leading", "margin"), 0 if len(first) > 1 else most - max(others, default=0)


def choices(contest: Contest) -> list[str]:
    """Selections that compete with each other: lists, not the candidates whose votes are inside them."""
    inside = contest.accounting.candidate_votes is CandidateVotes.INSIDE
    return [item.id for item in contest.selections if not (inside and item.parent is not None)]


def total(contest: Contest, names: Sequence[str], sums: Figures) -> int:
    """The sum of measures, ``selections`` standing for all votes."""
    return sum(sum(sums[choice] for choice in choices(contest)) if name == SELECTIONS else sums[name] for name in names)


# -- thresholds


@dataclass(frozen=True, slots=True)
class Race:
    """A contest's rule with the numbers of the whole and of its areas. ``levels``, ``weights``: of areas."""

    contest: Contest
    rule: Rule
    root: str
    sums: Mapping[str, Figures]
    levels: Mapping[str, str]
    weights: Mapping[str, Fraction]

    @property
    def able(self) -> dict[str, int]:
        """Votes in the whole of those who can win or take seats."""
        return self.votes(self.root)

    def votes(self, area: str) -> dict[str, int]:
        """The same in an area."""
        can = {
            item.id
            for item in self.contest.selections
            if item.role in (Role.PARTY, Role.CANDIDATE) and item.status is not SelectionStatus.WITHDRAWN
        }
        return {name: self.sums[area][name] for name in choices(self.contest) if name in can}

    def base(self, names: Sequence[str], area: str) -> int:
        """A base by name in an area."""
        return total(self.contest, names, self.sums[area])


def passes(votes: int, share: Fraction, base: int, strict: bool) -> bool:
    """Whether votes are a share of a base, or more than it. Of an empty base nobody has any share."""
    if strict or (not base and share > 0):
        return Fraction(votes) > share * base
    return Fraction(votes) >= share * base


def passes_one(race: Race, threshold: Threshold, name: str, area: str) -> bool:
    """Whether a selection passes a threshold or one of its alternatives; ``area``: where seats are given out."""
    where = threshold.area or (area if threshold.level is not None else race.root)
    votes, base = race.votes(where).get(name, 0), race.base(threshold.base, where)
    return (
        name in threshold.exempt
        or passes(votes, Fraction(threshold.share), base, threshold.strict)
        or (threshold.district_wins is not None and threshold.district_wins <= 0)
        or any(passes_one(race, other, name, area) for other in threshold.alternatives)
    )


def admitted(race: Race, area: str) -> list[str] | None:
    """Who takes part in giving out the seats of an area; None if a lot comes before that."""
    names = list(race.able)
    for threshold in race.rule.thresholds:
        inside = [name for name in race.able if passes_one(race, threshold, name, area)]
        where = threshold.area or (area if threshold.level is not None else race.root)
        votes = race.votes(where)
        outside = {name: votes[name] for name in race.able if name not in inside and votes[name] > 0}
        more, level = top(outside, threshold.minimum_parties - len(inside))
        if level:
            return None
        names = [name for name in names if name in inside or name in more]
    return names


def states(race: Race) -> Iterator[tuple[int, Threshold, dict[str, tuple[str, ...]], int]]:
    """Thresholds of the whole as they are shown: place in the list, states that each selection may be in, and the base."""
    whole = [item for item in race.rule.thresholds if item.level is None and item.area in (None, race.root)]
    for place, item in enumerate(whole):
        base, limit = race.base(item.base, race.root), Fraction(item.share)
        found: dict[str, tuple[str, ...]] = {}
        for name, votes in race.able.items():
            passed = passes(votes, limit, base, item.strict)
            found[name] = ("exempt",) if name in item.exempt else _ABOVE if passed else _BELOW
        yield place, item, found, base


# -- seats


def top(votes: Mapping[str, int | Fraction], places: int) -> tuple[list[str], list[str]]:
    """Who surely is among the first so many, and who shares the last of these places by lot."""
    if places <= 0:
        return [], []
    ranked = sorted(votes.values(), reverse=True)
    if places >= len(ranked):
        return list(votes), []
    last = ranked[places - 1]
    above = [name for name, number in votes.items() if number > last]
    level = [name for name, number in votes.items() if number == last]
    return (above + level, []) if len(above) + len(level) <= places else (above, level)


def by_averages(divisor: Callable[[int], Fraction], votes: Figures, seats: int, caps: Figures) -> dict[str, int]:
    """Seats by the highest quotients, each of them written down; those that lots decide on are nobody's."""
    quotients = [
        (number / divisor(won), name)
        for name, number in votes.items()
        for won in range(min(seats, caps.get(name, seats)))
    ]
    quotients.sort(key=lambda item: item[0], reverse=True)
    surely = quotients[:seats]
    if len(quotients) > seats and quotients[seats - 1][0] == quotients[seats][0]:
        surely = [item for item in surely if item[0] > quotients[seats][0]]
    return {name: sum(winner == name for _, winner in surely) for name in votes}


def by_quota(method: str, votes: Figures, seats: int) -> tuple[dict[str, int], list[str]]:
    """Whole quotas and largest remainders; who draws lots for the last seats."""
    cast = sum(votes.values())
    quota = Fraction(cast, seats) if method == "hare" else Fraction(cast // (seats + 1) + 1)
    given = {name: int(number / quota) for name, number in votes.items()}
    rest = {name: number - given[name] * quota for name, number in votes.items()}
    left = seats - sum(given.values())
    while left >= len(votes):  # Droop, of hardly any votes: one each
        given, left = {name: number + 1 for name, number in given.items()}, left - len(votes)
    more, level = top(rest, left)
    return {name: number + (name in more) for name, number in given.items()}, level


def with_lists_that_end(method: str, votes: Figures, seats: int, caps: Figures) -> dict[str, int]:
    """By quota where lists have few candidates: what they cannot fill is shared out anew among the others."""
    full: dict[str, int] = {}
    while True:
        others, left = {name: number for name, number in votes.items() if name not in full}, seats - sum(full.values())
        found, level = by_quota(method, others, left) if others and left else (dict.fromkeys(others, 0), [])
        over = {
            name: caps[name] for name, number in found.items() if name in caps and number + (name in level) > caps[name]
        }
        if not over:
            return {**found, **full}
        full |= over


def share_out(rule: Rule, votes: Figures, seats: int, caps: Figures) -> dict[str, int]:
    """Seats of those who take part, without those that go by lot."""
    able = {name: number for name, number in votes.items() if number > 0 and caps.get(name) != 0}
    if seats <= 0 or not able:
        return {}
    if rule.method in QUOTAS:
        return with_lists_that_end(rule.method, able, seats, caps)
    if rule.method in AVERAGES:
        return by_averages(divisors(rule), able, seats, caps)
    won, _ = top(able, seats)
    return {name: int(name in won) for name in able}


def divisors(rule: Rule) -> Callable[[int], Fraction]:
    """Seats won so far -> what votes are divided by for the next."""
    first = _MODIFIED if rule.first_divisor is None else Fraction(rule.first_divisor)
    if rule.method == "dhondt":
        return lambda won: Fraction(won + 1)
    if rule.method == "sainte-lague":
        return lambda won: Fraction(2 * won + 1)
    return lambda won: Fraction(2 * won + 1) if won else first


def seats(race: Race) -> dict[str, int]:
    """Seats of every selection that can take any, as counted now, without those that go by lot."""
    found: dict[str, int] = dict.fromkeys(race.able, 0)
    if race.rule.method == "referendum":
        return {}
    if race.rule.method == "majority":
        one = elected(race)
        return found if one is None else {**found, one: 1}
    allocated = {item.area: item.seats for item in race.rule.allocations}
    caps = {item.id: item.list_candidates for item in race.contest.selections if item.list_candidates is not None}
    ends = caps if race.rule.method in LISTS or set(allocated) - {race.root} else {}
    if not set(allocated) - {race.root}:
        allocated = {race.root: allocated.get(race.root, race.rule.seats)}
    for area, number in allocated.items():
        if not number:
            continue
        names = admitted(race, area)
        votes = race.votes(area)
        given = {} if names is None else share_out(race.rule, {name: votes[name] for name in names}, number, ends)
        for name, won in given.items():
            found[name] += won
    return found


# -- winners


def holds(race: Race, condition: Condition, name: str) -> bool:
    """Whether a condition holds for a selection, or for the choice or measure that it names itself."""
    if condition.level is None:
        return _holds_in(race, condition, name, race.root)
    areas = [area for area, level in race.levels.items() if level == condition.level]
    weight = sum((race.weights[area] for area in areas if _holds_in(race, condition, name, area)), Fraction(0))
    return weight >= (condition.areas_needed or 0)


def _holds_in(race: Race, condition: Condition, name: str, area: str) -> bool:
    about = condition.of or name
    part, base = race.base((about,), area), race.base(condition.base, area)
    rivals = [votes for other, votes in race.votes(area).items() if other != about]
    ahead = part - max(rivals, default=0)
    reached = condition.share is None or passes(part, Fraction(condition.share), base, condition.strict)
    return reached and (condition.lead is None or passes(ahead, Fraction(condition.lead), base, strict=True))


def joined(race: Race, name: str) -> bool:
    """Whether the rule's conditions hold for a selection; at least half of all votes where it names none."""
    conditions = race.rule.conditions or (Condition(share="1/2"),)
    found = [holds(race, condition, name) for condition in conditions]
    return all(found) if race.rule.join is Join.ALL else any(found)


def first(race: Race) -> list[str]:
    """Who has most votes."""
    most = max(race.able.values(), default=0)
    if not most and len(race.able) != 1:
        return []
    return [name for name, votes in race.able.items() if votes == most]


def elected(race: Race) -> str | None:
    """Who is elected in the first round."""
    leaders = first(race)
    alone = len(leaders) == 1 and race.able[leaders[0]] > 0
    return leaders[0] if alone and joined(race, leaders[0]) else None


def winner(race: Race) -> str | None:
    """Who has the one seat as it stands."""
    if race.rule.method == "majority":
        return elected(race)
    leaders = first(race)
    return leaders[0] if len(leaders) == 1 else None


# -- a contest's document, and houses


def outcome(definition: Definition, race: Race) -> Iterator[Leaf]:
    """What must stand in the contest's document; of a threshold all states that are right."""
    rule = race.rule
    if rule.method in ("ranked", "none"):
        return
    allocated = {item.area: item.seats for item in rule.allocations}
    if rule.method in ("plurality", "majority") and allocated.get(race.root, rule.seats) == 1:
        yield ("winner", "selection"), winner(race)
    if definition.scope is not Scope.WHOLE:
        return
    if rule.method == "referendum":
        yield ("apportionment", "accepted"), joined(race, "")
        return
    for name, number in seats(race).items():
        yield ("apportionment", "seats", name, "now"), number


def thresholds(race: Race) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Paths within the contest's document with the values that are right there."""
    found = list(states(race))
    for place, item, each, base in found:
        where = ("apportionment", "threshold") if len(found) == 1 else ("apportionment", "thresholds", str(place))
        yield (*where, "base_votes"), (base,)
        yield (*where, "share"), (item.share,)
        for name, right in each.items():
            yield (*where, "selections", name, "state"), right


def houses(definition: Definition, given: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[int, list[Leaf]]]:
    """Houses in which contests stand beside each other: place in the list, what must stand there. ``given``: seats by contest."""
    for place, body in enumerate(definition.bodies):
        if (
            body.compensation is not None
            or definition.scope is not Scope.WHOLE
            or not set(body.contests) <= given.keys()
        ):
            continue
        parties: dict[str, int] = {}
        own = {(contest.id, item.id): item.party for contest in definition.contests for item in contest.selections}
        for contest in body.contests:
            for name, number in given[contest].items():
                party = body.parties.get(name) or own[contest, name] or name
                parties[party] = parties.get(party, 0) + number * body.weights.get(contest, 1)
        found: list[Leaf] = [(("parties", party, "now"), number) for party, number in parties.items()]
        found.append((("open",), max(0, body.seats - sum(parties.values()))))
        yield place, found


def known(sums: Mapping[str, int], expected: Mapping[str, int]) -> Figures:
    """An area's sums with its register, where every unit of it has one."""
    if expected["without_register"]:
        return sums
    return {**sums, REGISTERED: expected["registered"] + sums["registered_change"]}
