"""Apportionment on real elections: the seats that were given are the seats that come out."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from tallyroom.apportionment.model import Mixed, Outcome
from tallyroom.codec.apportion import decode_problem
from tallyroom.domain.election import Condition, Overhang, Threshold
from tests.support.seats import (
    AGAINST,
    DE_733,
    DE_736,
    DE_THRESHOLD,
    DE_VALID,
    DE_VOTES,
    KAZAKHSTAN,
    KZ_VOTES,
    NL_SEATS,
    SIX,
    Case,
    Wanted,
    decided,
    given,
    lots,
    named,
    solve,
    with_seats,
)
from tests.support.shared import SHARED, archived_night

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "docs" / "examples" / "apportion"
ALL: Final = [
    pytest.param(case, method, id=f"{case.name}, {method}") for case in KAZAKHSTAN for method in case.expected
]
KZ_5: Final = (Threshold(share="1/20"),)


@pytest.mark.parametrize(("case", "method"), ALL)
def test_kazakhstan(case: Case, method: str) -> None:
    thresholds = (Threshold(share=case.share, minimum_parties=2),) if case.share is not None else ()
    result = decided(solve(Wanted(method, case.seats, case.votes, thresholds), no_seats=case.against))
    assert given(result) == with_seats(case.expected[method])
    assert result.total == case.seats
    assert not result.unfilled


def test_kazakhstan_2023_step_by_step() -> None:
    result = decided(solve(Wanted("hare", 69, KZ_VOTES, KZ_5), no_seats=AGAINST))
    quota = result.shared.quota if result.shared is not None else None
    assert quota is not None
    assert quota.value == Fraction(5_971_719, 69)
    assert quota.whole == named(SIX, 39, 8, 6, 6, 5, 3)
    assert quota.remainder_seats == ("JSDP", "AMANAT")
    assert [round(float(quota.quotients[name]), 6) for name in ("AMANAT", "QHP", "JSDP")] == [
        39.649252,
        5.002158,
        3.825197,
    ]
    assert quota.quotients["QHP"] * quota.value == KZ_VOTES["QHP"]


@pytest.mark.parametrize(
    ("measure", "base", "needed", "over"), [("selections", 0, 318_323, 12_735), ("issued", 6_521_860, 326_093, 4_965)]
)
def test_how_far_the_sixth_party_is_over_the_threshold(measure: str, base: int, needed: int, over: int) -> None:
    threshold = Threshold(share="0.05", base=(measure,))
    result = decided(solve(Wanted("hare", 69, KZ_VOTES, (threshold,), {"issued": base}), no_seats=AGAINST))
    assert result.bars[0].needed == needed
    assert KZ_VOTES["JSDP"] - needed == over
    assert result.standings["JSDP"].passed
    below = {**KZ_VOTES, "JSDP": needed - 1, "BAYTAQ": KZ_VOTES["BAYTAQ"] + over + 1}
    assert not decided(solve(Wanted("hare", 69, below, (threshold,), {"issued": base}))).standings["JSDP"].passed


def test_karaganda_shares_are_of_all_votes_with_against_all() -> None:
    votes = named(
        "AMANAT AUYL AQJOL QHP BAYTAQ RESPUBLICA AGAINST_ALL", 231_843, 57_998, 48_323, 46_790, 27_590, 27_292, 8_905
    )
    result = decided(solve(Wanted("hare", 10, votes, KZ_5), no_seats=AGAINST))
    shares = [round(100 * float(held.share), 2) for held in result.standings.values() if held.share is not None]
    assert shares == [51.67, 12.92, 10.77, 10.43, 6.15, 6.08]
    assert sum(held.passed for held in result.standings.values()) == 6


def test_kazakhstan_2023_house_is_lists_beside_districts() -> None:
    wins = {"AMANAT": 22, "independent": 7}
    wanted = Wanted("hare", 69, KZ_VOTES, KZ_5)
    house = decided(solve(wanted, no_seats=AGAINST, mixed=Mixed(compensatory=False), district_wins=wins))
    assert given(house) == {**named(SIX, 62, 8, 6, 6, 5, 4), "independent": 7}
    assert house.total == 98
    assert house.lists["AMANAT"] == 40
    assert house.district_seats == wins


def test_germany_2021_in_a_house_of_733() -> None:
    wanted = Wanted("sainte-lague", 733, DE_VOTES, (DE_THRESHOLD,), {"valid": DE_VALID})
    result = decided(solve(wanted, district_wins={"LINKE": 3}))
    assert result.seats == DE_733
    assert result.standings["LINKE"].why == "3 districts won, 3 needed"
    assert result.standings["SSW"].why == "exempt"
    without = decided(solve(wanted, district_wins={"LINKE": 2}))
    assert without.seats["LINKE"] == 0


@pytest.mark.parametrize(
    ("overhang", "tolerated", "total", "csu"),
    [
        (Overhang.LEVELLED, 3, 736, 45),
        (Overhang.KEPT, 0, 609, 45),
        (Overhang.ABSORBED, 0, 598, 45),
        (Overhang.DROPPED, 0, 598, 34),
    ],
)
def test_germany_2021_by_what_becomes_of_overhang(overhang: Overhang, tolerated: int, total: int, csu: int) -> None:
    """From 598 seats, with the 45 districts of the CSU: the law of that day, and what other rules would have made of them."""
    mixed = Mixed(compensatory=True, overhang=overhang, tolerated=tolerated)
    wanted = Wanted("sainte-lague", 598, DE_VOTES, (DE_THRESHOLD,), {"valid": DE_VALID})
    house = decided(solve(wanted, mixed=mixed, district_wins={"CSU": 45, "LINKE": 3}))
    assert (house.total, house.seats["CSU"]) == (total, csu)
    assert house.unseated == ({"CSU": 45 - csu} if csu < 45 else {})
    if overhang is Overhang.LEVELLED:
        assert house.seats == DE_736


def netherlands(more: int) -> Outcome:
    """The Tweede Kamer of 2023, with ``more`` votes for D66."""
    votes = dict(decode_problem((EXAMPLES / "dhondt.json").read_bytes(), "dhondt.json").figures.votes)
    assert sum(votes.values()) == 10_432_726
    return solve(Wanted("dhondt", 150, {**votes, "D66": votes["D66"] + more}, (Threshold(share="1/150"),)))


def test_netherlands_2023() -> None:
    result = decided(netherlands(0))
    assert given(result) == NL_SEATS
    assert result.total == 150


@pytest.mark.parametrize(("more", "d66"), [(157, 9), (159, 10), (160, 10)])
def test_netherlands_2023_and_the_160_votes_that_d66_missed(more: int, d66: int) -> None:
    """160 votes were reported; by the party votes that we have, 158 would have meant a lot, and 159 the seat."""
    assert decided(netherlands(more)).seats["D66"] == d66


def test_netherlands_2023_one_vote_between_the_two_is_a_lot() -> None:
    drawn = lots(netherlands(158))
    assert (drawn.selections, drawn.seats) == (("D66", "SP"), 1)
    assert (drawn.sure.seats["D66"], drawn.sure.seats["SP"]) == (9, 4)
    assert drawn.sure.total == 149


def test_netherlands_2023_from_the_archived_night() -> None:
    """Municipalities without the last corrections and votes from abroad: 73,276 votes fewer, and the same 150 seats."""
    manifest = json.loads((archived_night("nl-tk2023") / "manifest.json").read_text("utf-8"))
    votes: dict[str, int] = manifest["totals_in_this_set"]
    result = decided(solve(Wanted("dhondt", 150, votes, (Threshold(share="1/150"),))))
    assert sum(votes.values()) == manifest["valid_votes"]
    assert sorted(given(result).values(), reverse=True) == sorted(NL_SEATS.values(), reverse=True)


def test_brazil_2022_in_two_rounds() -> None:
    half = (Condition(share="1/2", base=("valid",)),)
    first = Wanted("majority", 1, named("LULA BOLSONARO", 57_259_504, 51_072_345), measures={"valid": 118_229_719})
    result = decided(solve(first, conditions=half))
    assert result.runoff == ("LULA", "BOLSONARO")
    assert (result.total, result.unfilled) == (0, 1)
    second = Wanted("majority", 1, named("LULA BOLSONARO", 60_345_999, 58_206_354), measures={"valid": 118_552_353})
    assert given(decided(solve(second, conditions=half))) == {"LULA": 1}


def test_our_copies_of_the_figures_are_those_of_the_facts() -> None:
    path = SHARED / "facts" / "kz2023.json"
    if not path.is_file():
        pytest.skip("../shared/facts is not here")
    facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
    calculated = facts["seat_calculations"]
    expected = {case.name: case for case in KAZAKHSTAN}
    assert expected["Mazhilis 2023"].expected["hare"] == calculated["official"]
    assert expected["Mazhilis 2023"].expected["dhondt"] == calculated["dhondt"]
    for method, seats in calculated["no_threshold"].items():
        assert expected["Mazhilis 2023 without a threshold"].expected[method.replace("_", "-")] == seats
    for case, name in zip(facts["rule_fixtures"]["cases"], ("Mazhilis 2004", "Mazhilis 2021"), strict=True):
        assert (expected[name].votes, expected[name].expected["hare"]) == (case["votes"], case["official"])
        assert expected[name].expected["dhondt"] == case["dhondt"]
    for block, name in zip(facts["maslikhat_2023"], ("Astana", "Almaty", "Kostanay"), strict=False):
        ours = expected[f"{name} maslikhat 2023"]
        assert (ours.votes, ours.seats) == (block["votes"], block["list_seats_total"])
        assert ours.expected["hare"] == block["published_seats"]
        assert ours.expected["dhondt"] == block["dhondt"]
    germany, netherlands, _ = facts["other_nights"]
    assert (germany["second_votes"], germany["computed_733"]) == (DE_VOTES, DE_733)
    assert germany["seats_final"] == {**DE_736, "total": 736}
    assert netherlands["seats"] == NL_SEATS
