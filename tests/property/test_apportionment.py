"""What holds of every apportionment, whatever the votes. Generators lean to ties, zeroes and houses larger than the field."""

from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from votelib.evaluate.core import Tie as VotelibTie
from votelib.evaluate.proportional import HighestAverages, LargestRemainder

from tallyroom.apportionment.lists import AVERAGES
from tallyroom.apportionment.model import Apportionment, LotsRequired, Mixed, Outcome
from tallyroom.apportionment.thresholds import needed, reaches
from tallyroom.domain.election import Overhang, Threshold
from tests.support.seats import Wanted, solve

LISTS: Final = ("hare", "droop", *sorted(AVERAGES))
NAMES: Final = "ABCDEF"
THEIRS: Final = {
    "hare": LargestRemainder("hare"),
    "droop": LargestRemainder("droop"),
    "dhondt": HighestAverages("d_hondt"),
    "sainte-lague": HighestAverages("sainte_lague"),
}

counts = st.one_of(
    st.integers(0, 12),  # many ties
    st.sampled_from([0, 0, 30, 60, 90, 120]),  # ties in proportion
    st.integers(0, 400),
)
votes = st.lists(counts, min_size=1, max_size=6).map(lambda found: dict(zip(NAMES, found, strict=False)))
methods = st.sampled_from(LISTS)
seats = st.integers(0, 20)
quick = settings(max_examples=150, deadline=None)


def parts(outcome: Outcome) -> tuple[Apportionment, tuple[str, ...], int]:
    """What is sure, who may draw, and for how many seats."""
    if isinstance(outcome, LotsRequired):
        return outcome.sure, outcome.selections, outcome.seats
    return outcome, (), 0


def bounds(outcome: Outcome) -> tuple[dict[str, int], dict[str, int]]:
    """Least and most seats of each, over all ways that a lot can fall."""
    sure, level, _ = parts(outcome)
    return dict(sure.seats), {name: count + (name in level) for name, count in sure.seats.items()}


@quick
@given(methods, votes, seats)
def test_every_seat_is_given_unfilled_or_drawn_for(method: str, cast: dict[str, int], house: int) -> None:
    sure, level, drawn = parts(solve(Wanted(method, house, cast)))
    assert sure.total + sure.unfilled + drawn == house
    assert all(count >= 0 for count in sure.seats.values())
    assert not [name for name, count in sure.seats.items() if count and not cast[name]]
    assert len(level) > drawn if drawn else not level
    assert sure.unfilled == (house if not any(cast.values()) else 0)


@quick
@given(methods, votes, seats, st.permutations(NAMES))
def test_names_and_their_order_decide_nothing(method: str, cast: dict[str, int], house: int, names: list[str]) -> None:
    other = dict(zip(NAMES, names, strict=True))
    renamed = {other[name]: cast[name] for name in reversed(cast)}
    sure, level, drawn = parts(solve(Wanted(method, house, cast)))
    sure_too, level_too, drawn_too = parts(solve(Wanted(method, house, renamed)))
    assert {other[name]: count for name, count in sure.seats.items()} == sure_too.seats
    assert (sorted(other[name] for name in level), drawn) == (list(level_too), drawn_too)


@quick
@given(methods, votes, seats)
def test_level_votes_are_treated_alike(method: str, cast: dict[str, int], house: int) -> None:
    least, most = bounds(solve(Wanted(method, house, cast)))
    for one in cast:
        for other in cast:
            if cast[one] == cast[other]:
                assert (least[one], most[one]) == (least[other], most[other])
            if cast[one] > cast[other]:
                assert least[one] >= least[other]


@quick
@given(st.sampled_from(sorted(AVERAGES)), votes, seats)
def test_a_larger_house_costs_nobody_a_seat_by_averages(method: str, cast: dict[str, int], house: int) -> None:
    before, after = bounds(solve(Wanted(method, house, cast))), bounds(solve(Wanted(method, house + 1, cast)))
    for name in cast:
        assert before[0][name] <= after[0][name]
        assert before[1][name] <= after[1][name]


def test_by_remainders_a_larger_house_can_cost_a_seat() -> None:
    """The Alabama paradox: known of the method, and so to be seen here too."""
    cast = {"A": 6, "B": 6, "C": 2}
    assert bounds(solve(Wanted("hare", 10, cast)))[0]["C"] == 2
    assert bounds(solve(Wanted("hare", 11, cast)))[0]["C"] == 1


@quick
@given(st.sampled_from(sorted(AVERAGES)), votes, votes, seats)
def test_who_gains_votes_loses_no_seat_to_who_loses_votes(
    method: str, cast: dict[str, int], later: dict[str, int], house: int
) -> None:
    later = {name: later.get(name, cast[name]) for name in cast}
    before, after = bounds(solve(Wanted(method, house, cast))), bounds(solve(Wanted(method, house, later)))
    up = [name for name in cast if later[name] >= cast[name] > 0]
    down = [name for name in cast if 0 < later[name] <= cast[name]]
    for one in up:
        for other in down:
            lost = after[1][one] < before[0][one]
            assert not (lost and after[0][other] > before[1][other])


@quick
@given(methods, votes, seats, st.sampled_from(NAMES), st.integers(1, 60))
def test_more_votes_never_cost_their_own_selection_a_seat(
    method: str, cast: dict[str, int], house: int, name: str, more: int
) -> None:
    if name in cast and method != "droop":  # its quota jumps by whole votes
        before = bounds(solve(Wanted(method, house, cast)))
        after = bounds(solve(Wanted(method, house, {**cast, name: cast[name] + more})))
        assert after[0][name] >= before[0][name]
        assert after[1][name] >= before[1][name]


@quick
@given(votes, st.integers(1, 20))
def test_by_hare_everyone_has_the_quota_rounded_down_or_up(cast: dict[str, int], house: int) -> None:
    least, most = bounds(solve(Wanted("hare", house, cast)))
    for name, count in cast.items():
        if any(cast.values()):
            whole, rest = divmod(count * house, sum(cast.values()))
            assert whole <= least[name] <= most[name] <= whole + (rest > 0)


@quick
@given(st.sampled_from(["hare", *sorted(AVERAGES)]), votes, st.integers(1, 20), st.permutations(NAMES))
def test_a_lot_may_fall_any_way_and_the_sure_seats_stand(
    method: str, cast: dict[str, int], house: int, order: list[str]
) -> None:
    """A vote or two in millions breaks every tie in the order that we like; who wins then is one that was to draw."""
    sure, level, drawn = parts(solve(Wanted(method, house, cast)))
    nudged = {name: count * 10**8 + (order.index(name) if count else 0) for name, count in cast.items()}
    broken = solve(Wanted(method, house, nudged))
    if isinstance(broken, LotsRequired):  # quota remainders can stay level although votes differ
        assert set(broken.selections) <= set(level)
        return
    extra = {name: broken.seats[name] - sure.seats[name] for name in cast}
    assert sum(extra.values()) == drawn
    assert all(count == 0 or (count == 1 and name in level) for name, count in extra.items())


@quick
@given(st.sampled_from(sorted(THEIRS)), votes, st.integers(1, 20))
def test_an_independent_implementation_gives_the_same_seats(method: str, cast: dict[str, int], house: int) -> None:
    able = {name: count for name, count in cast.items() if count}
    if not able:
        return
    sure, level, drawn = parts(solve(Wanted(method, house, able)))
    theirs = THEIRS[method].evaluate(able, house)
    ties = {key: count for key, count in theirs.items() if isinstance(key, VotelibTie)}
    if sum(theirs.values()) < house:
        assert method == "droop", "with hardly more votes than seats, they leave seats open and we do not"
        return
    assert {name: theirs.get(name, 0) for name in able} == dict(sure.seats)
    assert [(sorted(tie), count) for tie, count in ties.items()] == ([(list(level), drawn)] if drawn else [])


@quick
@given(methods, votes, seats, st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6)))
def test_no_list_has_more_seats_than_candidates(
    method: str, cast: dict[str, int], house: int, caps: dict[str, int]
) -> None:
    sure, level, drawn = parts(solve(Wanted(method, house, cast), caps=caps))
    most = {name: sure.seats[name] + (name in level) for name in cast}
    assert all(most[name] <= cap for name, cap in caps.items() if name in cast)
    assert sure.total + sure.unfilled + drawn == house
    room = [name for name, count in cast.items() if count and most[name] < caps.get(name, house + 1)]
    assert not (sure.unfilled and room)


@quick
@given(st.integers(0, 500), st.fractions(0, 1, max_denominator=40), st.booleans())
def test_votes_needed_are_the_fewest_that_pass(base: int, share: Fraction, strict: bool) -> None:
    fewest = needed(share, base, strict)
    assert reaches(fewest, share, base, strict)
    assert not fewest or not reaches(fewest - 1, share, base, strict)


@quick
@given(votes, st.integers(0, 4), st.sampled_from(["1/20", "1/4", "3/5", "1"]))
def test_the_minimum_number_of_parties_takes_part(cast: dict[str, int], fewest: int, share: str) -> None:
    threshold = Threshold(share=share, minimum_parties=fewest, strict=True)
    outcome = solve(Wanted("dhondt", 9, cast, (threshold,)))
    sure, _, drawn = parts(outcome)
    passed = [name for name, held in sure.standings.items() if held.passed]
    voted = [name for name, count in cast.items() if count]
    if isinstance(outcome, LotsRequired) and "admission" in outcome.at:
        assert len(passed) + drawn == fewest
        assert not sure.total
    else:
        assert len(passed) >= min(fewest, len(voted))
    out = [cast[name] for name in cast if name not in passed]
    assert min((cast[name] for name in passed), default=10**9) >= max(out, default=0)


few = st.lists(st.integers(1, 40), min_size=1, max_size=6).map(lambda found: dict(zip(NAMES, found, strict=False)))
"""Votes of everyone: by none, no house is large enough to level."""
wins = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6))


@quick
@given(st.sampled_from(list(Overhang)), st.sampled_from(sorted(AVERAGES)), few, st.integers(0, 20), wins)
def test_a_compensatory_house_seats_its_district_winners(
    overhang: Overhang, method: str, cast: dict[str, int], house: int, won: dict[str, int]
) -> None:
    mixed = Mixed(compensatory=True, overhang=overhang)
    sure, _, drawn = parts(solve(Wanted(method, house, cast), mixed=mixed, district_wins=won))
    if overhang is Overhang.DROPPED:
        outside = sum(count for name, count in won.items() if name not in cast)
        assert sure.total + sure.unfilled + drawn == max(house, outside)
        return
    assert all(sure.seats.get(name, 0) >= count for name, count in won.items() if not drawn)
    assert sure.total + sure.unfilled + drawn >= house
    if overhang is Overhang.ABSORBED:
        assert sure.total + sure.unfilled + drawn == max(house, sum(won.values()))


@pytest.mark.parametrize("method", LISTS)
def test_nobody_voted(method: str) -> None:
    sure, _, drawn = parts(solve(Wanted(method, 5, {"A": 0, "B": 0})))
    assert (sure.total, sure.unfilled, drawn) == (0, 5, 0)
