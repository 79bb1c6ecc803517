"""What a rule makes of totals in the snapshot: elections made up after the rules of several countries, counted area by area."""

from dataclasses import replace
from typing import Any, Final

import pytest

from tallyroom.domain.election import (
    Allocation,
    Condition,
    Join,
    Role,
    Rule,
    RunoffRule,
    Scope,
    Threshold,
)
from tests.support.made_up import MadeUp, now, ranges

AREAS: Final = ("A", "B", "C")


def areas(*votes: tuple[int, ...], names: str = "P Q R") -> dict[str, dict[str, int]]:
    """Votes by area."""
    return {area: dict(zip(names.split(), each, strict=True)) for area, each in zip("ABCDEFG", votes, strict=False)}


def allocated(method: str, *seats: int, **more: Any) -> Rule:
    """Seats in each area."""
    given = tuple(Allocation(area=area, seats=n) for area, n in zip("ABCDEFG", seats, strict=False))
    return Rule(method=method, seats=sum(seats), law="made up", allocations=given, **more)


def test_sweden_like_a_list_below_the_national_threshold_takes_seats_where_it_is_strong() -> None:
    local = Threshold(share="12/100", level="region")
    rule = allocated(
        "modified-sainte-lague", 4, 6, 4,
        first_divisor="6/5", thresholds=(Threshold(share="1/25", alternatives=(local,)),),
    )  # fmt: skip
    votes = areas((500, 350, 115, 1), (500, 350, 1, 118), (1400, 1100, 1, 1), names="P Q ALMOST STRONG")
    made = MadeUp(rule=rule, votes=votes, register=3_000).outcome()
    assert made.apportionment is not None
    states = {name: one["state"] for name, one in made.apportionment["threshold"]["selections"].items()}
    assert states == dict(zip(votes["A"], ["decided-above"] * 2 + ["decided-below"] * 2, strict=True))
    assert made.apportionment["areas"]["B"] == {"P": 3, "Q": 2, "STRONG": 1}, "12.2 % of B, 2.7 % of the whole"
    assert "ALMOST" not in now(made), "11.9 % of A"


def test_spain_like_a_threshold_binds_in_each_constituency_alone() -> None:
    rule = allocated("dhondt", 5, 3, thresholds=(Threshold(share="3/100", level="region"),))
    found = MadeUp(rule=rule, votes=areas((600, 380, 28), (100, 80, 60))).outcome()
    assert found.apportionment is not None
    assert found.apportionment["areas"] == {"A": {"P": 3, "Q": 2}, "B": {"P": 1, "Q": 1, "R": 1}}
    assert now(found) == {"P": 4, "Q": 3, "R": 1}
    assert found.apportionment["threshold"] is None, "there is none of the whole"


def test_poland_like_coalitions_need_more_and_minorities_nothing() -> None:
    thresholds = (
        Threshold(share="1/20", exempt=("MINORITY", "COALITION")),
        Threshold(share="2/25", exempt=("MINORITY", "P", "Q")),
    )
    votes = areas((500, 310, 71, 30), (500, 330, 71, 1), names="P Q COALITION MINORITY")
    made = MadeUp(rule=allocated("dhondt", 16, 16, thresholds=thresholds), votes=votes).outcome()
    assert made.seats["COALITION"].now == 0, "7.9 % is under 8 %"
    assert made.seats["P"].now + made.seats["Q"].now + made.seats["MINORITY"].now == 32
    assert made.apportionment is not None
    assert len(made.apportionment["thresholds"]) == 2


@pytest.mark.parametrize("method", ["dhondt", "hare", "sainte-lague", "droop"])
def test_ranges_over_areas_hold_what_comes_and_close_with_the_last_area(method: str) -> None:
    rule = allocated(method, 3, 4, 5, thresholds=(Threshold(share="1/20"),))
    night = MadeUp(rule=rule, votes=areas((300, 200, 90), (280, 260, 10), (100, 400, 44)), register=700)
    end = night.outcome()
    assert all(low == high for low, high in ranges(end).values())
    for reported in ((), ("A",), ("A", "B"), ("B", "C")):
        before = ranges(night.outcome(frozenset(reported)))
        assert all(before[name][0] <= seats <= before[name][1] for name, (seats, _) in ranges(end).items())


def test_a_national_threshold_keeps_a_local_seat_open_until_it_is_passed() -> None:
    rule = allocated("dhondt", 2, 2, 2, thresholds=(Threshold(share="17/100"),))
    night = MadeUp(rule=rule, votes=areas((150, 50, 200), (300, 90, 5), (300, 90, 5)), register=402)
    assert ranges(night.outcome(frozenset("A")))["R"][0] == 0, "200 of 1,204 would be 16.6 %"
    assert ranges(night.outcome())["R"] == (1, 1), "it ends with 17.6 %, and half of A"


def presidency(*votes: int, join: Join, conditions: tuple[Condition, ...], runoff: RunoffRule | None = None) -> MadeUp:
    """Two areas; the second is empty handed."""
    rule = Rule(method="majority", seats=1, law="made up", conditions=conditions, join=join, runoff=runoff)
    nothing = (0,) * len(votes)
    return MadeUp(rule=rule, votes=areas(votes, nothing, names=" ".join("PQRS"[: len(votes)])), register=1_000)


ARGENTINA: Final = (Condition(share="45/100"), Condition(share="40/100", lead="10/100", strict=False))


@pytest.mark.parametrize(
    ("votes", "elected"),
    [((451, 440, 109), "P"), ((450, 440, 110), None), ((401, 300, 299), "P"), ((400, 301, 299), None)],
    ids=str,
)
def test_argentina_like_forty_five_or_forty_and_ten_ahead(votes: tuple[int, ...], elected: str | None) -> None:
    made = presidency(*votes, join=Join.ANY, conditions=ARGENTINA).shown()
    assert made["winner"]["selection"] == elected
    runoff = made["apportionment"]["runoff"]
    assert runoff is None if elected else runoff == {"selections": ["P", "Q"], "state": "decided"}


def test_france_like_half_of_valid_and_a_quarter_of_the_register_else_an_eighth_goes_on() -> None:
    rule = (Condition(share="1/2"), Condition(share="1/4", base=("registered",), strict=False))
    goes_on = RunoffRule(places=2, share="1/8", base=("registered",))
    low = presidency(300, 200, 60, join=Join.ALL, conditions=rule, runoff=goes_on).shown()
    assert low["winner"]["selection"] is None, "53 % of valid, but 15 % of 2,000 on the rolls"
    assert [held["holds"] for held in low["apportionment"]["conditions"]] == [True, False]
    assert low["apportionment"]["runoff"]["selections"] == ["P", "Q"]
    many = presidency(310, 290, 260, 40, join=Join.ALL, conditions=rule, runoff=goes_on).shown()
    assert many["apportionment"]["runoff"]["selections"] == ["P", "Q", "R"], "260 of 2,000 are over an eighth"
    assert presidency(520, 200, 60, join=Join.ALL, conditions=rule).shown()["winner"]["selection"] == "P"


def test_a_majority_is_decided_when_what_is_out_cannot_undo_it() -> None:
    half = (Condition(share="1/2"),)
    night = MadeUp(
        rule=Rule(method="majority", seats=1, law="made up", conditions=half),
        votes=areas((900, 90), (10, 50), names="P Q"),
    )
    assert night.outcome(frozenset("A")).winner is not None
    open_, closed = night.shown(frozenset("A"))["winner"], night.shown()["winner"]
    assert (open_["selection"], open_["state"]) == ("P", "open"), "1,000 voters are out, and the lead is 810"
    assert (closed["state"], closed["decided_by"]) == ("decided", "register")
    assert closed["flip_new_votes"] == 770, "a tie is no majority"


def test_hungary_like_a_referendum_needs_half_of_the_register_to_vote_validly() -> None:
    conditions = (Condition(share="1/2", of="valid", base=("registered",)), Condition(share="1/2", of="YES"))
    rule = Rule(method="referendum", seats=0, law="made up", conditions=conditions)
    night = MadeUp(rule=rule, votes=areas((400, 90), (400, 90), (300, 90), names="YES NO"))
    early, late = night.shown(frozenset("A"))["apportionment"], night.shown()["apportionment"]
    assert (early["accepted"], early["state"]) == (False, "open")
    assert [held["holds"] for held in late["conditions"]] == [False, True], "1,370 of 3,000"
    assert (late["accepted"], late["state"]) == (False, "decided")
    fewer = replace(night, register=900).shown()["apportionment"]
    assert (fewer["accepted"], fewer["state"]) == (True, "decided")


def test_switzerland_like_people_and_cantons_with_half_cantons() -> None:
    people = Condition(share="1/2", of="YES")
    cantons = Condition(share="1/2", of="YES", level="region", areas_needed=2)
    rule = Rule(method="referendum", seats=0, law="made up", conditions=(people, cantons))
    votes = areas((900, 50), (60, 40), (40, 60), names="YES NO")
    night = MadeUp(rule=rule, votes=votes)
    assert night.shown()["apportionment"]["accepted"] is True
    halves = replace(night, weights={"B": "1/2"})
    refused = halves.shown()["apportionment"]
    assert refused["accepted"] is False, "one and a half cantons of the two needed"
    assert refused["state"] == "decided"
    assert halves.shown(frozenset("AB"))["apportionment"]["state"] == "open"


def test_several_marks_and_several_seats_say_who_is_in_and_who_is_out() -> None:
    rule = Rule(method="plurality", seats=2, law="made up", marks=2)
    night = MadeUp(rule=rule, votes=areas((700, 650, 90), (60, 50, 110)), register=800, marks=2)
    assert ranges(night.outcome(frozenset("A"))) == {"P": (0, 1), "Q": (0, 1), "R": (0, 1)}
    assert ranges(night.outcome()) == {"P": (1, 1), "Q": (1, 1), "R": (0, 0)}
    assert night.shown()["winner"] is None, "two are elected, not one"


def test_a_tie_is_lots_and_never_a_winner() -> None:
    rule = Rule(method="plurality", seats=1, law="made up")
    made = MadeUp(rule=rule, votes=areas((300, 300, 5)), roles={"P": Role.CANDIDATE, "Q": Role.CANDIDATE}).shown()
    assert made["winner"]["selection"] is None
    assert (made["winner"]["tied"], made["winner"]["state"]) == (["P", "Q"], "open")
    assert made["apportionment"]["lots_required"]["selections"] == ["P", "Q"]
    assert made["apportionment"]["seats"]["P"] == {"now": 0, "certain_min": 0, "certain_max": 1}


def test_votes_against_all_are_in_the_base_and_win_nothing() -> None:
    rule = Rule(method="hare", seats=10, law="made up", thresholds=(Threshold(share="1/20"),))
    made = MadeUp(rule=rule, votes=areas((600, 49, 351)), roles={"R": Role.AGAINST_ALL}).shown()["apportionment"]
    assert made["threshold"]["selections"].keys() == {"P", "Q"}
    assert made["threshold"]["selections"]["Q"]["state"] == "decided-below"
    assert made["seats"] == {
        "P": {"now": 10, "certain_min": 10, "certain_max": 10},
        "Q": {"now": 0, "certain_min": 0, "certain_max": 0},
    }


def test_a_list_cannot_get_more_seats_than_it_has_candidates_and_then_no_range_is_claimed() -> None:
    rule = Rule(method="dhondt", seats=10, law="made up")
    night = MadeUp(rule=rule, votes=areas((600, 200, 100), (1, 1, 1)), caps={"P": 4})
    assert now(night.outcome()) == {"P": 4, "Q": 4, "R": 2}
    assert ranges(night.outcome(frozenset("A"))) == {"P": (0, 4), "Q": (0, 10), "R": (0, 10)}


def test_without_a_register_there_is_no_bound_and_nothing_is_decided() -> None:
    rule = Rule(method="plurality", seats=1, law="made up")
    night = MadeUp(rule=rule, votes=areas((900, 1), (1, 0), names="P Q"), register=None)
    early = night.shown(frozenset("A"))
    assert early["outstanding"] == {"register": None, "issued": None, "expected": None, "contradicted": []}
    assert early["winner"]["state"] == "open"
    assert night.shown()["winner"]["state"] == "decided", "everything is in"


def bulletin(at: str, ballots: int) -> dict[str, Any]:
    """Ballots declared as issued in the whole."""
    return {"type": "participation", "measure": "issued", "as_of": at, "area": "W", "ballots": ballots, "version": 1}


def test_ballots_declared_as_issued_bound_what_is_out_once_the_polls_have_closed() -> None:
    rule = Rule(method="plurality", seats=1, law="made up")
    night = MadeUp(rule=rule, votes=areas((300, 100), (50, 40), names="P Q"))
    before = night.shown(frozenset("A"), asides=[bulletin("2030-03-01T19:59:59Z", 500)])
    assert (before["outstanding"]["issued"], before["winner"]["state"]) == (None, "open")
    after = night.shown(frozenset("A"), asides=[bulletin("2030-03-01T20:00:00Z", 500)])
    assert (after["outstanding"]["register"], after["outstanding"]["issued"]) == (1000, 98), "402 of 500 are in"
    assert (after["winner"]["state"], after["winner"]["decided_by"]) == ("decided", "issued")


def test_a_part_of_an_electorate_shows_no_threshold_and_no_seats() -> None:
    rule = Rule(method="hare", seats=5, law="made up", thresholds=(Threshold(share="1/20"),))
    made = MadeUp(rule=rule, votes=areas((300, 100, 2)), scope=Scope.PART).shown()
    assert made["apportionment"] is None


def test_a_rule_that_cannot_be_computed_is_said_and_stops_nothing() -> None:
    rule = Rule(method="dhondt", seats=5, law="made up", thresholds=(Threshold(share="1/20", base=("blank",)),))
    made = MadeUp(rule=rule, votes=areas((300, 100, 2))).shown()
    assert "blank" in made["apportionment"]["error"]
    assert made["leading"] == {"selections": ["P"], "margin": 200}
