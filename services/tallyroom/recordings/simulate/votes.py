"""Ballots and votes of every simulated station: random in between, exact in every sum that was published.

Assumptions, all of them ours: smaller stations have a higher turnout; the cities vote less for Amanat and more against
all; ballots that were issued but are not valid (never published as such) are spread in proportion with some scatter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tallyroom.recordings.simulate.candidates import Candidate
from tallyroom.recordings.simulate.facts import AGAINST_ALL, Facts, Region
from tallyroom.recordings.simulate.figures import apportion, fit
from tallyroom.recordings.simulate.stations import CAPITAL, Station

_OVERSEAS_CAST: Final = 8_931
"""Assumed ballots issued abroad, within Astana's: about 116 a station."""
_CITY_TASTE: Final = {"AMANAT": 84, "AUYL": 60, "RESPUBLICA": 125, "JSDP": 130, "BAYTAQ": 120, AGAINST_ALL: 185}
_RURAL_TASTE: Final = {"AMANAT": 108, "AUYL": 145, "RESPUBLICA": 88, "JSDP": 85, AGAINST_ALL: 60}
"""Assumed leaning of cities and small stations, in percent of the average."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One contest's figures at one station. ``cast``: ballots issued; ``counts``: in the contest's order."""

    cast: int
    counts: tuple[int, ...]

    @property
    def valid(self) -> int:
        """Valid ballots: one mark each, so the sum of the counts."""
        return sum(self.counts)


def list_ballots(facts: Facts, stations: Sequence[Station], rng: Random) -> dict[str, Ballot]:
    """The party-list contest: station id -> figures."""
    regions = facts.regions
    spoiled_all = facts.national.issued - facts.national.valid
    weights = [region.issued * rng.randrange(80, 131 if region.city else 121) for region in regions]
    spoiled = apportion(spoiled_all, weights)
    tastes = [[_taste(region, party.id, rng) * party.votes for party in facts.parties] for region in regions]
    valid = [region.issued - s for region, s in zip(regions, spoiled, strict=True)]
    votes = fit(valid, [party.votes for party in facts.parties], tastes)
    result: dict[str, Ballot] = {}
    for region, region_spoiled, region_votes in zip(regions, spoiled, votes, strict=True):
        here = [station for station in stations if station.region == region.id]
        cast = _cast(region, here, rng)
        bad = apportion(region_spoiled, [c * rng.randrange(40, 161) for c in cast], [c // 4 for c in cast])
        leanings = [[_leaning(station, party.id, rng) for party in facts.parties] for station in here]
        weighted = [[x * v for x, v in zip(line, region_votes, strict=True)] for line in leanings]
        table = fit([c - b for c, b in zip(cast, bad, strict=True)], region_votes, weighted)
        for station, issued, counts in zip(here, cast, table, strict=True):
            result[station.id] = Ballot(issued, tuple(counts))
    return result


def district_ballots(
    candidates: Sequence[Candidate], stations: Sequence[Station], lists: dict[str, Ballot], rng: Random
) -> dict[str, Ballot]:
    """One district: station id -> figures. The same people came as for the list: the same ballots issued."""
    cast = [lists[station.id].cast for station in stations]
    list_spoiled = sum(lists[station.id].cast - lists[station.id].valid for station in stations)
    spoiled_all = list_spoiled * rng.randrange(95, 140) // 100
    bad = apportion(spoiled_all, [c * rng.randrange(40, 161) for c in cast], [c // 4 for c in cast])
    valid = [c - b for c, b in zip(cast, bad, strict=True)]
    totals = apportion(sum(valid), [candidate.weight for candidate in candidates])
    weights = [[total * rng.randrange(60, 141) for total in totals] for _ in stations]
    table = fit(valid, totals, weights)
    figures = zip(stations, cast, table, strict=True)
    return {station.id: Ballot(issued, tuple(counts)) for station, issued, counts in figures}


def _cast(region: Region, stations: Sequence[Station], rng: Random) -> list[int]:
    """Ballots issued by station, summing to the region's and never above a roll."""
    abroad = [station for station in stations if station.overseas]
    domestic = [station for station in stations if not station.overseas]
    away = _OVERSEAS_CAST if region.id == CAPITAL else 0
    weights = [(s.registered or 0) * rng.randrange(85, 131 if s.rural else 116) for s in domestic]
    home = apportion(region.issued - away, weights, [s.registered or 0 for s in domestic])
    return home + apportion(away, [rng.randrange(20, 200) for _ in abroad])


def _taste(region: Region, party: str, rng: Random) -> int:
    return (_CITY_TASTE.get(party, 100) if region.city else 100) * rng.randrange(88, 113)


def _leaning(station: Station, party: str, rng: Random) -> int:
    return (_RURAL_TASTE.get(party, 100) if station.rural else 100) * (rng.randrange(70, 131) + rng.randrange(70, 131))
