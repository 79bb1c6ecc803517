"""Houses made of several contests: seats by party now, certain and possible, and who reaches which majority."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import Mixed, certain
from tallyroom.bounds.threshold import Between
from tallyroom.domain.election import Body, Compensation
from tallyroom.results.outcome.document import ContestOutcome
from tallyroom.results.outcome.seats import Seat, settled
from tallyroom.tabulation.plan import Plan


def body_document(body: Body, plan: Plan, outcomes: Mapping[str, ContestOutcome]) -> dict[str, Any]:
    """The house as it stands. ``open``: seats that nobody holds yet: nothing counted, a tie, a second round.

    A party's ``certain_max`` is at most what the others are not sure of, where the house cannot grow.
    """
    now, least, most = Counter[str](), Counter[str](), Counter[str]()
    parts: dict[str, Counter[str]] = {}
    for party, kind, seat in _seats(body, plan, outcomes):
        now[party] += seat.now
        least[party] += seat.certain_min
        most[party] += seat.certain_max
        parts.setdefault(kind, Counter())[party] += seat.now
    sure, fixed = sum(least.values()), body.compensation is None
    parties = {
        party: {
            "now": now[party],
            "certain_min": least[party],
            "certain_max": min(most[party], body.seats - (sure - least[party])) if fixed else most[party],
            "by_method": {method: seats[party] for method, seats in parts.items() if seats[party]},
        }
        for party in sorted(most, key=lambda party: -now[party])
    }
    return {
        "body": body.id,
        "seats": body.seats,
        "open": max(0, body.seats - sum(now.values())),
        "parties": parties,
        "majorities": [_majority(line.seats, parties) for line in body.majorities],
    }


def party_of(body: Body, plan: Plan, contest: str, selection: str) -> str:
    """The party under which a selection's seats are added: as the body names it, else its own party, else itself."""
    if selection in body.parties:
        return body.parties[selection]
    found = next(item for item in plan.contests[contest].contest.selections if item.id == selection)
    return found.party or selection


def _seats(body: Body, plan: Plan, outcomes: Mapping[str, ContestOutcome]) -> Iterator[tuple[str, str, Seat]]:
    """(party, method, seats) of every part of the house."""
    if body.compensation is not None:
        yield from _compensated(body, body.compensation, plan, outcomes)
        return
    for contest in body.contests:
        weight = body.weights.get(contest, 1)  # its winner takes so many at once
        for name, seat in outcomes[contest].seats.items():
            weighed = Seat(weight * seat.now, weight * seat.certain_min, weight * seat.certain_max)
            yield party_of(body, plan, contest, name), _method(plan, contest), weighed


def _compensated(
    body: Body, rule: Compensation, plan: Plan, outcomes: Mapping[str, ContestOutcome]
) -> Iterator[tuple[str, str, Seat]]:
    """Lists share out the whole house and districts count against it. No bound while anything is out: 0 to all seats."""
    lists = outcomes[rule.lists].problem
    if lists is None:
        return
    districts = {contest: outcomes[contest].problem for contest in body.contests if contest != rule.lists}
    by_party = {party_of(body, plan, rule.lists, name): name for name in lists.figures.votes}
    names: dict[str, str] = {}
    for contest, problem in districts.items():
        for name in problem.figures.votes if problem is not None else ():
            party = party_of(body, plan, contest, name)
            names[f"{contest}|{name}"] = by_party.get(party, party)
    problem = replace(
        lists,
        seats=body.seats,
        mixed=Mixed(
            compensatory=True, overhang=rule.overhang, tolerated=rule.tolerated, largest=max(rule.largest, body.seats)
        ),
        districts={
            contest: {
                f"{contest}|{name}": votes for name, votes in one.figures.votes.items() if name not in one.no_seats
            }
            for contest, one in districts.items()
            if one is not None
        },
        parties=names,
    )
    made = apportion(problem)
    done = all(outcomes[contest].outstanding.best == 0 for contest in body.contests)
    ranges = settled(made) if done else {}
    for name, seats in certain(made).seats.items():
        between = ranges.get(name, Between(0, max(body.seats, seats)))
        party = party_of(body, plan, rule.lists, name) if name in lists.figures.votes else name
        yield party, lists.method, Seat(seats, between.minimum, between.maximum)


def _method(plan: Plan, contest: str) -> str:
    rule = plan.contests[contest].contest.rule
    return "none" if rule is None else rule.method


def _majority(line: int, parties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Which party has it alone now, for certain, or still may."""
    return {
        "seats": line,
        "now": [party for party, seats in parties.items() if seats["now"] >= line],
        "certain": [party for party, seats in parties.items() if seats["certain_min"] >= line],
        "possible": [party for party, seats in parties.items() if seats["certain_max"] >= line],
    }
