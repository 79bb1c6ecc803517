"""Made-up elections in random order of arrival: nothing that a contest's document called decided or certain is contradicted later.

Seeds name the cases.
"""

import random
from fractions import Fraction
from itertools import combinations
from typing import Any, Final

import pytest

from tallyroom.bounds.seats import AdmittedRace, admitted_ranges
from tallyroom.bounds.threshold import Between
from tallyroom.domain.election import Allocation, Condition, Join, Role, Rule, Threshold
from tests.support.made_up import MadeUp, ranges
from tests.support.outcomes import METHODS, arrivals

NAMES: Final = ("P", "Q", "R", "S", "NONE")
LIST_METHODS: Final = ("hare", "dhondt", "droop", "sainte-lague")


def thresholds(chance: random.Random) -> tuple[Threshold, ...]:
    """None, one, several, alternatives, exemptions: what laws have."""
    share = chance.choice(("1/20", "1/10", "1/5", "0"))
    some = Threshold(share=share, strict=chance.random() < 0.2)
    local = Threshold(share="1/6", level="region")
    return chance.choice(
        (
            (),
            (some,),
            (some,),
            (Threshold(share=share, minimum_parties=2),),
            (Threshold(share="1/4", alternatives=(Threshold(share="1/8"),)),),
            (Threshold(share=share, exempt=("Q",)), Threshold(share="1/8")),
            (Threshold(share=share, base=("cast",)),),
            (local,),
            (Threshold(share="1/4", alternatives=(local,)),),
        )
    )


def rule(chance: random.Random, areas: tuple[str, ...]) -> Rule:
    """A rule of any kind."""
    kind = chance.choice(("list", "list", "areas", "plurality", "majority"))
    if kind == "plurality":
        return Rule(method="plurality", seats=chance.choice((1, 1, 2)), law="")
    if kind == "majority":
        conditions = chance.choice(
            (
                (),
                (Condition(share="2/5", lead="1/10"), Condition(share="9/20")),
                (Condition(share="1/2"), Condition(share="1/4", base=("registered",), strict=False)),
            )
        )
        return Rule(method="majority", seats=1, law="", conditions=conditions, join=chance.choice(tuple(Join)))
    bars = thresholds(chance)
    local = any(item.level or any(other.level for other in item.alternatives) for item in bars)
    if kind == "areas" or local:
        given = tuple(Allocation(area=area, seats=chance.randint(1, 4)) for area in areas)
        seats = sum(item.seats for item in given)
        return Rule(
            method=chance.choice(LIST_METHODS), seats=seats, law="", allocations=given, thresholds=bars,
        )  # fmt: skip
    return Rule(method=chance.choice(LIST_METHODS), seats=chance.randint(1, 9), law="", thresholds=bars)


def election(chance: random.Random) -> MadeUp:
    """Up to five areas with few voters each, so that ties and narrow ends are common; some have a unit without a roll."""
    areas = tuple("ABCDE")[: chance.randint(2, 5)]
    most = chance.choice((2, 6, 20))
    votes = {area: {name: chance.choice((0, most, chance.randint(0, most))) for name in NAMES} for area in areas}
    register = max(sum(each.values()) for each in votes.values()) + 2 + chance.choice((0, 0, 5))
    unlisted = frozenset(chance.sample(areas, chance.choice((0, 0, 1, 2))))
    return MadeUp(
        rule=rule(chance, areas), votes=votes, register=register, roles={"NONE": Role.AGAINST_ALL},
        added=chance.choice((0, 0, 3)), unlisted=unlisted, pooled=chance.random() < 0.7,
    )  # fmt: skip


def statements(document: dict[str, Any]) -> dict[str, str]:
    """What is called decided: question -> answer."""
    found = {}
    shown, race = document["apportionment"], document["winner"]
    if race is not None and race["state"] == "decided":
        found["winner"] = str(race["selection"])
    for bar in (shown.get("thresholds") or ([shown["threshold"]] if shown.get("threshold") else [])) if shown else ():
        for name, one in bar["selections"].items():
            if one["state"].startswith("decided"):
                found[f"{name} at {bar['share']} of {bar['base']}"] = one["state"]
    runoff = (shown or {}).get("runoff")
    if runoff is not None and runoff["state"] == "decided":
        found["runoff"] = ",".join(sorted(runoff["selections"]))
    return found


def check(chance: random.Random) -> int:
    """One election: nothing said on the way is contradicted by the end; how many things were said."""
    night = election(chance)
    end, last = night.outcome(), night.shown()
    order = list(night.votes)
    chance.shuffle(order)
    told = 0
    for number in range(len(order)):
        reported = frozenset(order[:number])
        said = statements(night.shown(reported))
        truth = statements(last)
        assert said.items() <= truth.items(), (night, reported, said, truth)
        told += len(said)
        for name, (low, high) in ranges(night.outcome(reported)).items():
            final = ranges(end)[name]
            assert low <= final[0], (night, reported, name, (low, high), final)
            assert final[1] <= high, (night, reported, name, (low, high), final)
            told += low > 0
    return told


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_was_stated_is_contradicted_by_the_end(seed: int) -> None:
    chance = random.Random(seed)
    told = sum(check(chance) for _ in range(40))
    assert told > 10, "and something was stated"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2023, 319])
def test_nothing_that_was_stated_is_contradicted_in_a_thousand_elections(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(1_000):
        check(chance)


def admitted_outcomes(race: AdmittedRace) -> dict[str, tuple[int, int]]:
    """Fewest and most seats over every arrival, every subset of the open lists, every fall of lots: tried one by one."""
    names = tuple(race.counts)
    fewest, most = dict.fromkeys(names, race.seats), dict.fromkeys(names, 0)
    subsets = [set(chosen) for n in range(len(race.open) + 1) for chosen in combinations(sorted(race.open), n)]
    for added in arrivals(race.outstanding, len(names) + 1):
        for subset in subsets:
            passing = [name for name in names if name in race.sure or name in subset]
            counts = [race.counts[name] + added[names.index(name)] for name in passing]
            for name in names:
                if name not in passing:
                    fewest[name] = 0
                    continue
                at = passing.index(name)
                fewest[name] = min(fewest[name], METHODS[race.method](counts, race.seats, at, False))
                most[name] = max(most[name], METHODS[race.method](counts, race.seats, at, True))
    return {name: (fewest[name], most[name]) for name in names}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["dhondt", "hare"])
def test_ranges_where_others_judge_who_takes_part_hold_against_brute_force(method: str, seed: int) -> None:
    chance = random.Random(seed)
    exact = cases = 0
    for _ in range(150 if seed == 1 else 2_000):
        top = chance.choice((2, 5, 12))
        counts = {name: chance.choice((0, top, chance.randint(0, top))) for name in "PQRS"[: chance.choice((2, 3, 4))]}
        sure = frozenset(name for name in counts if chance.random() < 0.6)
        may = frozenset(name for name in counts if name not in sure and chance.random() < 0.6)
        race = AdmittedRace(
            method=method,
            seats=chance.randint(1, 6),
            counts=counts,
            outstanding=chance.randint(0, 3),
            sure=sure,
            open=may,
        )
        claimed, true = admitted_ranges(race), admitted_outcomes(race)
        assert claimed is not None
        for name, (fewest, most) in true.items():
            assert claimed[name].minimum <= fewest, (race, name, claimed, true)
            assert most <= claimed[name].maximum, (race, name, claimed, true)
            exact += claimed[name] == Between(fewest, most)
            cases += 1
    assert Fraction(exact, cases) > Fraction(9, 10), "and most of them are exact"
