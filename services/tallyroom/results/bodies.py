"""Houses made of several contests: seats by party now, certain and possible, and who reaches which majority."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tallyroom.domain.election import Body
from tallyroom.results.outcome.document import ContestOutcome
from tallyroom.results.outcome.seats import Seat
from tallyroom.tabulation.plan import Plan


def body_document(body: Body, plan: Plan, outcomes: Mapping[str, ContestOutcome]) -> dict[str, Any]:
    """The house as it stands. ``open``: seats that nobody holds yet: nothing counted, a tie, a second round.

    A party's ``certain_max`` is at most what the others are not sure of: the house has no more seats than it has.
    """
    now, least, most = Counter[str](), Counter[str](), Counter[str]()
    parts: dict[str, Counter[str]] = {}
    for contest in body.contests:
        for selection, seat in _seats(body, contest, outcomes).items():
            party = party_of(body, plan, contest, selection)
            now[party] += seat.now
            least[party] += seat.certain_min
            most[party] += seat.certain_max
            parts.setdefault(_method(plan, contest), Counter())[party] += seat.now
    sure = sum(least.values())
    parties = {
        party: {
            "now": now[party],
            "certain_min": least[party],
            "certain_max": min(most[party], body.seats - (sure - least[party])),
            "by_method": {method: seats[party] for method, seats in parts.items() if seats[party]},
        }
        for party in sorted(most, key=lambda party: -now[party])
    }
    return {
        "body": body.id,
        "seats": body.seats,
        "open": body.seats - sum(now.values()),
        "parties": parties,
        "majorities": [_majority(line.seats, parties) for line in body.majorities],
    }


def party_of(body: Body, plan: Plan, contest: str, selection: str) -> str:
    """The party under which a selection's seats are added: as the body names it, else its own party, else itself."""
    if selection in body.parties:
        return body.parties[selection]
    found = next(item for item in plan.contests[contest].contest.selections if item.id == selection)
    return found.party or selection


def _seats(body: Body, contest: str, outcomes: Mapping[str, ContestOutcome]) -> Mapping[str, Seat]:
    """The contest's seats; where its winner takes a fixed number at once, that number."""
    seats = outcomes[contest].seats
    weight = body.weights.get(contest)
    if weight is None:
        return seats
    return {
        name: Seat(weight * seat.now, weight * seat.certain_min, weight * seat.certain_max)
        for name, seat in seats.items()
    }


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
