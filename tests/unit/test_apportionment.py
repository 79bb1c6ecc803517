"""Rules of apportionment one by one: thresholds, conditions, caps, areas, districts, mixed houses, and what is refused."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import pytest

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import (
    Apportionment,
    Area,
    Figures,
    LotsRequired,
    Mixed,
    Problem,
    RuleError,
    Runoff,
)
from tallyroom.apportionment.rules import can_win, problem_of
from tallyroom.domain.election import Allocation, Condition, Join, Overhang, Rule, Threshold
from tallyroom.recordings.format import open_recording
from tests.support.seats import AGAINST, KAZAKHSTAN, KZ_VOTES, Wanted, decided, given, lots, named, solve

DISTRICT: Final = "constituency"


def areas(votes: dict[str, dict[str, int]], seats: dict[str, int]) -> dict[str, Area]:
    """Constituencies with their votes and seats."""
    return {name: Area(figures=Figures(votes=cast), seats=seats[name], level=DISTRICT) for name, cast in votes.items()}


def by_area(method: str, where: dict[str, Area], *thresholds: Threshold, **more: Any) -> Apportionment | LotsRequired:
    """All areas of a made-up election."""
    total: dict[str, int] = {}
    for area in where.values():
        for name, count in area.figures.votes.items():
            total[name] = total.get(name, 0) + count
    seats = sum(area.seats for area in where.values())
    figures = Figures(votes=total)
    return apportion(Problem(method=method, seats=seats, figures=figures, thresholds=thresholds, areas=where, **more))


@pytest.mark.parametrize(
    ("votes", "strict", "passed"), [(500, False, True), (499, False, False), (500, True, False), (501, True, True)]
)
def test_a_threshold_is_exact_and_says_whether_reaching_it_is_enough(votes: int, strict: bool, passed: bool) -> None:
    cast = {"A": 10_000 - votes, "B": votes}
    result = decided(solve(Wanted("dhondt", 100, cast, (Threshold(share="0.05", strict=strict),))))
    assert result.standings["B"].passed is passed
    assert result.standings["B"].why == f"{votes} votes, {501 if strict else 500} needed"
    assert (result.seats["B"] > 0) is passed


def test_one_party_alone_over_the_threshold_lets_the_runner_up_in() -> None:
    threshold = Threshold(share="1/20", minimum_parties=2)
    result = decided(solve(Wanted("hare", 10, named("A B C", 9300, 400, 300), (threshold,))))
    assert given(result) == {"A": 10}
    assert result.standings["B"].passed
    assert "at least 2" in result.standings["B"].why
    assert not result.standings["C"].passed
    drawn = lots(solve(Wanted("hare", 10, named("A B C", 9200, 400, 400), (threshold,))))
    assert (drawn.selections, drawn.seats) == (("B", "C"), 1)
    assert "admission" in drawn.at


def test_two_thresholds_bind_both_and_coalitions_need_more() -> None:
    """Poland-like: 5 % for parties, 8 % for coalitions, minorities exempt, D'Hondt in constituencies."""
    cast = {"X": named("P Q COALITION MINORITY", 500, 300, 70, 30), "Y": named("P Q COALITION SMALL", 520, 290, 70, 40)}
    low = Threshold(share="0.05", exempt=("MINORITY",))
    high = Threshold(share="0.08", exempt=("P", "Q", "SMALL", "MINORITY"))
    national = by_area("dhondt", areas(cast, {"X": 30, "Y": 10}), low)
    assert decided(national).seats["COALITION"] > 0
    result = decided(by_area("dhondt", areas(cast, {"X": 30, "Y": 10}), low, high))
    assert result.seats["COALITION"] == 0, "140 of 1,820 are 7.7 %"
    assert result.seats["MINORITY"] == 1
    assert result.seats["SMALL"] == 0


def test_a_share_of_the_whole_or_a_larger_one_of_the_constituency() -> None:
    """Sweden-like: a regional party takes part where it is strong, and nowhere else."""
    cast = {"N": named("A B REGIONAL", 400, 300, 110), "S": named("A B REGIONAL", 3000, 3000, 20)}
    national = Threshold(share="0.04")
    either = Threshold(share="0.04", alternatives=(Threshold(share="0.12", level=DISTRICT),))
    where = areas(cast, {"N": 8, "S": 12})
    assert decided(by_area("sainte-lague", where, national)).seats["REGIONAL"] == 0
    result = decided(by_area("sainte-lague", where, either))
    assert result.seats["REGIONAL"] == 1
    north = decided(result.areas["N"])
    assert north.standings["REGIONAL"].why == "alternative: 110 votes, 98 needed"
    assert not decided(result.areas["S"]).standings["REGIONAL"].passed
    assert result.total == 20


def test_a_threshold_of_each_constituency() -> None:
    """Spain-like: 3 % of the constituency, by D'Hondt: a national party can fail where a local one passes."""
    cast = {"M": named("A B C", 5000, 4800, 200), "L": named("A C", 60, 40)}
    local = Threshold(share="0.03", level=DISTRICT)
    result = decided(by_area("dhondt", areas(cast, {"M": 70, "L": 2}), local))
    assert decided(result.areas["M"]).seats["C"] == 0, "one seat by D'Hondt, were it not for 3 %"
    assert given(decided(result.areas["L"])) == {"A": 1, "C": 1}
    assert decided(by_area("dhondt", areas(cast, {"M": 70, "L": 2}))).seats["C"] == 2


def test_lots_in_two_areas_are_named_apart() -> None:
    cast = {"X": named("A B", 50, 50), "Y": named("A B C", 30, 20, 20)}
    drawn = lots(by_area("dhondt", areas(cast, {"X": 1, "Y": 2})))
    assert [(tie.selections, tie.seats) for tie in drawn.ties] == [(("A", "B"), 1), (("B", "C"), 1)]
    assert drawn.at.startswith("X: ")
    assert (drawn.selections, drawn.seats) == (("A", "B", "C"), 2)
    assert drawn.sure.seats == {"A": 1, "B": 0, "C": 0}


def test_an_area_without_seats_counts_for_the_whole_alone() -> None:
    cast = {"HOME": named("A B", 60, 40), "ABROAD": named("A B", 1, 1)}
    result = decided(by_area("dhondt", areas(cast, {"HOME": 5, "ABROAD": 0}), Threshold(share="0.4")))
    assert list(result.areas) == ["HOME"]
    assert result.seats == {"A": 3, "B": 2}
    assert result.bars[0].of == 102


def test_seats_that_a_list_cannot_fill_go_on() -> None:
    cast = named("A B C", 5200, 3100, 1700)
    assert given(decided(solve(Wanted("hare", 10, cast)))) == {"A": 5, "B": 3, "C": 2}
    for method in ("hare", "droop", "dhondt", "sainte-lague"):
        result = decided(solve(Wanted(method, 10, cast), caps={"B": 1}))
        assert (result.seats["B"], result.total, result.unfilled) == (1, 10, 0)
        assert result.shared is not None
        assert result.shared.capped == ("B",)
    short = decided(solve(Wanted("dhondt", 10, cast), caps={"A": 2, "B": 2, "C": 2}))
    assert (short.total, short.unfilled) == (6, 4)


def test_the_first_divisor_makes_the_first_seat_dearer() -> None:
    cast = named("A B", 260, 100)
    assert decided(solve(Wanted("sainte-lague", 2, cast))).seats == {"A": 1, "B": 1}
    assert decided(solve(Wanted("modified-sainte-lague", 2, cast))).seats == {"A": 2, "B": 0}
    assert decided(solve(Wanted("modified-sainte-lague", 2, cast), first_divisor=Fraction(1))).seats == {"A": 1, "B": 1}
    with pytest.raises(RuleError, match="first divisor"):
        solve(Wanted("modified-sainte-lague", 2, cast), first_divisor=Fraction(3))


ARGENTINA: Final = (Condition(share="0.45"), Condition(share="0.40", strict=False, lead="0.10"))


@pytest.mark.parametrize(
    ("votes", "elected"),
    [
        ((4501, 4400, 1099), True),  # more than 45 %
        ((4500, 4400, 1100), False),  # 45 % alone is not more
        ((4000, 2999, 3001), False),  # 9.99 points ahead
        ((4000, 2900, 2999), True),  # of 9,899: more than 40 % and ten points
        ((4000, 3000, 3000), False),  # exactly ten points ahead is not more
        ((4001, 2999, 3000), True),
    ],
)
def test_conditions_joined_by_any(votes: tuple[int, int, int], elected: bool) -> None:
    cast = dict(zip("ABC", votes, strict=True))
    outcome = solve(Wanted("majority", 1, cast), conditions=ARGENTINA, join=Join.ANY)
    sure = outcome.sure if isinstance(outcome, LotsRequired) else outcome
    assert given(sure) == ({"A": 1} if elected else {})
    assert any(held.holds for held in sure.conditions) is elected


def test_who_goes_on_to_a_second_round() -> None:
    """France-like: half of the votes and a quarter of the register; else the first two, and who has 12.5 % of the register."""
    conditions = (Condition(share="1/2"), Condition(share="1/4", base=("registered",), strict=False))
    rule = Runoff(share=Fraction(1, 8), base=("registered",))
    cast = named("A B C D", 400, 260, 125, 124)
    register = {"registered": 1000}
    result = decided(solve(Wanted("majority", 1, cast, measures=register), conditions=conditions, runoff=rule))
    assert result.runoff == ("A", "B", "C")
    low = named("A B C", 130, 60, 40)
    assert decided(solve(Wanted("majority", 1, low, measures=register), conditions=conditions)).runoff == ("A", "B")
    assert given(decided(solve(Wanted("majority", 1, low)))) == {"A": 1}, (
        "without a quorum half of the votes are enough"
    )


def test_level_with_each_other_over_the_share_they_all_go_on() -> None:
    cast = named("A B C", 400, 200, 200)
    rule = Runoff(share=Fraction(1, 8), base=("registered",))
    result = decided(solve(Wanted("majority", 1, cast, measures={"registered": 1600}), runoff=rule))
    assert result.runoff == ("A", "B", "C")
    drawn = lots(solve(Wanted("majority", 1, cast, measures={"registered": 1601}), runoff=rule))
    assert (drawn.selections, drawn.sure.runoff) == (("B", "C"), ("A",))


def test_level_for_the_second_round_and_for_the_first_place() -> None:
    drawn = lots(solve(Wanted("majority", 1, named("A B C", 40, 30, 30))))
    assert (drawn.selections, drawn.seats, drawn.sure.runoff) == (("B", "C"), 1, ("A",))
    half = (Condition(share="1/2", strict=False),)
    drawn = lots(solve(Wanted("majority", 1, named("A B", 50, 50)), conditions=half))
    assert (drawn.selections, drawn.at) == (("A", "B"), "first place by votes")


def test_against_all_neither_wins_nor_goes_on_but_counts() -> None:
    cast = named("A B NONE", 45, 15, 40)
    result = decided(solve(Wanted("majority", 1, cast), no_seats=frozenset({"NONE"})))
    assert result.runoff == ("A", "B")
    assert result.conditions[0].of == 100


@pytest.mark.parametrize(("yes", "valid", "accepted"), [(260, 510, True), (255, 510, False), (260, 500, False)])
def test_a_referendum_with_a_quorum(yes: int, valid: int, accepted: bool) -> None:
    conditions = (
        Condition(of="YES", share="1/2", base=("valid",)),
        Condition(of="valid", share="1/2", base=("registered",)),
    )
    figures = Wanted("referendum", 0, {"YES": yes, "NO": valid - yes}, measures={"valid": valid, "registered": 1000})
    assert decided(solve(figures, conditions=conditions)).accepted is accepted


@pytest.mark.parametrize(("third", "accepted"), [("YES", True), ("NO", False)])
def test_a_double_majority_with_halves(third: str, accepted: bool) -> None:
    """Two cantons and three half-cantons; three votes of cantons are needed, which the second canton decides."""
    outcomes = [
        ("YES", Fraction(1)),
        (third, Fraction(1)),
        ("YES", Fraction(1, 2)),
        ("NO", Fraction(1, 2)),
        ("YES", Fraction(1, 2)),
    ]
    where = {
        str(number): Area(figures=Figures(votes={"YES": 0, "NO": 1, choice: 2}), level="canton", weight=weight)
        for number, (choice, weight) in enumerate(outcomes)
    }
    conditions = (Condition(of="YES", share="1/2"), Condition(of="YES", share="1/2", level="canton", areas_needed=3))
    result = decided(solve(Wanted("referendum", 0, {"YES": 900, "NO": 100}), conditions=conditions, areas=where))
    assert result.accepted is accepted


def test_plurality_of_one_and_of_many() -> None:
    cast = named("A B C D", 40, 30, 20, 20)
    assert given(decided(solve(Wanted("plurality", 1, cast)))) == {"A": 1}
    drawn = lots(solve(Wanted("plurality", 3, cast)))
    assert (drawn.selections, drawn.seats, given(drawn.sure)) == (("C", "D"), 1, {"A": 1, "B": 1})
    assert decided(solve(Wanted("plurality", 5, cast))).unfilled == 1


def test_districts_are_counted_and_their_ties_named() -> None:
    districts = {"1": named("Ann Bob", 60, 40), "2": named("Cem Dee", 50, 50), "3": named("Eve Fay", 30, 20)}
    parties = {"Ann": "A", "Bob": "B", "Cem": "A", "Dee": "B", "Fay": "B"}
    wanted = Wanted("hare", 4, named("A B", 75, 25))
    drawn = lots(solve(wanted, mixed=Mixed(compensatory=False), districts=districts, parties=parties))
    assert drawn.selections == ("Cem", "Dee")
    assert drawn.at.startswith("district 2")
    assert given(drawn.sure) == {"A": 4, "B": 1, "Eve": 1}


def test_winners_without_a_list_come_off_the_house() -> None:
    wanted = Wanted("dhondt", 10, named("A B", 61, 39))
    mixed = Mixed(compensatory=True)
    house = decided(solve(wanted, mixed=mixed, district_wins={"A": 3, "independent": 1}))
    assert given(house) == {"A": 6, "B": 3, "independent": 1}
    assert house.lists == {"A": 3, "B": 3, "independent": 0}
    assert house.total == 10


@pytest.mark.parametrize(
    ("overhang", "seats"),
    [
        (Overhang.ABSORBED, (5, 5)),
        (Overhang.KEPT, (6, 5)),
        (Overhang.LEVELLED, (7, 5)),
        (Overhang.DROPPED, (6, 4)),
    ],
)
def test_one_district_too_many(overhang: Overhang, seats: tuple[int, int]) -> None:
    """61 and 39 votes are six and four of ten seats by D'Hondt; the second party won five districts."""
    mixed = Mixed(compensatory=True, overhang=overhang)
    house = decided(solve(Wanted("dhondt", 10, named("A B", 61, 39)), mixed=mixed, district_wins={"B": 5}))
    assert (house.seats["A"], house.seats["B"]) == seats
    assert house.unseated == ({"B": 1} if overhang is Overhang.DROPPED else {})


def test_levelling_is_bounded_and_needs_averages() -> None:
    won = {"A": 9, "B": 0}
    cast = named("A B", 1, 99)
    with pytest.raises(RuleError, match="house of 200"):
        solve(
            Wanted("dhondt", 10, cast),
            mixed=Mixed(compensatory=True, overhang=Overhang.LEVELLED, largest=200),
            district_wins=won,
        )
    with pytest.raises(RuleError, match="for ever"):
        solve(Wanted("hare", 10, cast), mixed=Mixed(compensatory=True, overhang=Overhang.LEVELLED), district_wins=won)


@pytest.mark.parametrize(
    ("wanted", "more", "match"),
    [
        (Wanted("ranked", 1, {"A": 1}), {}, "not one of"),
        (Wanted("hare", 1, {"A": 1}), {"conditions": (Condition(share="1/2"),)}, "no use for `conditions`"),
        (Wanted("majority", 1, {"A": 1}), {"caps": {"A": 1}}, "no use for `caps`"),
        (Wanted("majority", 2, {"A": 1}), {}, "fills one seat"),
        (Wanted("referendum", 0, {"YES": 1}), {}, "needs its conditions"),
        (Wanted("plurality", 1, {"A": 1}), {"caps": {"A": 1}}, "no caps"),
        (Wanted("hare", 1, {"A": 1}), {"districts": {"1": {"A": 1}}}, "Districts need"),
        (Wanted("hare", 1, {"A": 1}, (Threshold(share="5"),)), {}, "not between 0 and 1"),
        (Wanted("hare", 1, {"A": 1}, (Threshold(share="five"),)), {}, "not a number"),
        (Wanted("hare", 1, {"A": 1}, (Threshold(share="0.1", base=("cast",)),)), {}, "'cast'"),
        (Wanted("hare", 1, {"A": 1}, (Threshold(share="0.1", level="canton"),)), {}, "not given out at that level"),
        (Wanted("hare", 1, {"A": 1}, (Threshold(share="0.1", area="X"),)), {}, "no figures"),
        (Wanted("majority", 1, {"A": 1}), {"conditions": (Condition(),)}, "neither"),
        (Wanted("referendum", 0, {"A": 1}), {"conditions": (Condition(share="1/2"),)}, "names no selection"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(wanted: Wanted, more: dict[str, Any], match: str) -> None:
    with pytest.raises(RuleError, match=match):
        solve(wanted, **more)


def test_the_rules_of_the_built_in_night_come_out_of_its_definition() -> None:
    """The definition's own rule, with the published votes: the list seats of the authority, and a district's winner."""
    definition = open_recording("kz-2023").definition()
    contest = next(item for item in definition.contests if item.rule is not None and item.rule.seats == 69)
    problem = problem_of(contest, Figures(votes=KZ_VOTES))
    assert problem is not None
    assert problem.no_seats == AGAINST
    assert given(decided(apportion(problem))) == KAZAKHSTAN[0].expected["hare"]
    district = next(item for item in definition.contests if item.rule is not None and item.rule.method == "plurality")
    standing = [selection.id for selection in district.selections if can_win(selection)]
    votes = {selection.id: 10 for selection in district.selections} | {standing[0]: 11}
    problem = problem_of(district, Figures(votes=votes))
    assert problem is not None
    assert given(decided(apportion(problem))) == {standing[0]: 1}
    assert problem_of(replace(contest, rule=None), Figures(votes=KZ_VOTES)) is None


def test_seats_of_areas_come_from_the_definition() -> None:
    contest = open_recording("kz-2023").definition().contests[0]
    selections = tuple(replace(item, list_candidates=3) for item in contest.selections[:2])
    one, other = (item.id for item in selections)
    rule = Rule(
        method="dhondt",
        seats=7,
        law="made up",
        allocations=(Allocation(area="X", seats=5), Allocation(area="Y", seats=2)),
    )
    made_up = replace(contest, selections=selections, rule=rule)
    where = {name: Area(figures=Figures(votes={one: 90, other: 20})) for name in ("X", "Y")}
    problem = problem_of(made_up, Figures(votes={one: 180, other: 40}), where)
    assert problem is not None
    result = decided(apportion(problem))
    assert decided(result.areas["X"]).seats == {one: 3, other: 2}, "four of five, were there as many candidates"
    assert result.seats == {one: 5, other: 2}
    with pytest.raises(RuleError, match="in Y, without figures"):
        problem_of(made_up, Figures(votes={}), {"X": where["X"]})


def test_nothing_is_accepted_before_the_first_vote() -> None:
    """At least half of no votes at all: nobody has voted yes, in the whole or in an area that has not counted yet."""
    half = Condition(share="1/2", of="yes", strict=False)
    nothing, all_yes = Figures(votes={"yes": 0, "no": 0}), Figures(votes={"yes": 5, "no": 0})
    whole = apportion(Problem(method="referendum", seats=0, figures=nothing, conditions=(half,)))
    assert decided(whole).accepted is False
    of_areas = replace(half, level="canton", areas_needed=2)
    areas = {name: Area(figures=figures, level="canton") for name, figures in (("X", all_yes), ("Y", nothing))}
    both = apportion(Problem(method="referendum", seats=0, figures=all_yes, areas=areas, conditions=(half, of_areas)))
    assert decided(both).accepted is False
