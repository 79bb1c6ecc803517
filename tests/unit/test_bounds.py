"""Bounds on the figures of kz-2023 and at the edges of what they claim."""

from fractions import Fraction
from typing import Final

import pytest

from tallyroom.bounds.flips import NEVER, Flips
from tallyroom.bounds.outstanding import NOTHING, UNKNOWN, Outstanding, PoolFigures, outstanding, together, unit_room
from tallyroom.bounds.seats import MOST_OPEN, ListRace, seat_ranges
from tallyroom.bounds.threshold import Between, Line, State, entering, quorum, threshold
from tallyroom.bounds.winner import Place, plurality, top

VOTES: Final = {
    "AMANAT": 3431510, "AUYL": 693938, "RESPUBLICA": 547154, "AQJOL": 535139, "QHP": 432920, "JSDP": 331058,
    "BAYTAQ": 146431,
}  # fmt: skip
VALID: Final = 6366441  # with votes against all
ROLL: Final = 12035578
ISSUED: Final = 6521860
ADDED: Final = 3028
AWAY: Final = 12765
FIVE: Final = Line(Fraction(1, 20))
NONE: Final = Line(Fraction(0))


def race(**changes: object) -> ListRace:
    """The list race of kz-2023 with everything in."""
    given: dict[str, object] = {
        "method": "hare", "seats": 69, "counts": VOTES, "base": VALID, "outstanding": 0, "line": FIVE,
    }  # fmt: skip
    return ListRace(**{**given, **changes})  # type: ignore[arg-type]


def exactly(*seats: int) -> dict[str, Between]:
    """Ranges of one number each, in the order of the parties."""
    return {name: Between(number, number) for name, number in zip(VOTES, seats, strict=True)}


def test_jsdp_is_above_and_three_numbers_say_how_far() -> None:
    bound = threshold(FIVE, VOTES["JSDP"], VALID, 0)
    assert bound.state is State.DECIDED_ABOVE
    assert bound.votes_needed == 318_323
    assert bound.flips == Flips(new_votes=254_720, struck_off=13_407, moved=12_736)


def test_with_all_votes_in_and_the_last_unit_open_all_six_lists_stand() -> None:
    figures = PoolFigures(
        in_totals=ISSUED, open_units=1, open_room=0, registered=ROLL, may_be_added=ADDED, may_vote_away=AWAY
    )
    out = outstanding(figures).register
    assert out == 15_793
    assert seat_ranges(race(outstanding=out)) == exactly(40, 8, 6, 6, 5, 4, 0)
    assert entering(FIVE, VOTES.values(), VALID, out) == Between(6, 6)


def test_dhondt_would_give_the_largest_one_more() -> None:
    assert seat_ranges(race(method="dhondt")) == exactly(41, 8, 6, 6, 5, 3, 0)


@pytest.mark.parametrize(
    ("party", "electorate", "per_mille"),
    [("JSDP", ROLL, 979), ("JSDP", ISSUED, 962), ("AUYL", ROLL, 615), ("AUYL", ISSUED, 464)],
)
def test_parties_close_when_this_much_of_a_proportional_count_is_in(
    party: str, electorate: int, per_mille: int
) -> None:
    """Of a night without voters added or away from home: G = W = 0."""

    def closed(part: int) -> bool:
        left = electorate * (1000 - part) // 1000
        return FIVE.sure(VOTES[party] * part // 1000, VALID * part // 1000, left)

    assert not closed(per_mille)
    assert closed(per_mille + 1)


def test_room_of_a_unit_is_never_negative_and_unknown_without_a_roll() -> None:
    assert (unit_room(10, 4), unit_room(10, 12), unit_room(None, 4)) == (6, 0, None)


def pool(**changes: int | None) -> PoolFigures:
    """Ten units of 100 voters, four of them open."""
    given: dict[str, int | None] = {
        "in_totals": 450, "open_units": 4, "open_room": 400, "registered": 1000, "may_be_added": 20,
        "may_vote_away": 30, "issued": 700,
    }  # fmt: skip
    return PoolFigures(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "register", "issued"),
    [
        (pool(), 450, 270),  # min(1000 + 20 - 450, 400 + 20 + 30), min(700 + 20 - 450, 450)
        (pool(open_room=None), 570, 270),
        (pool(may_vote_away=None), 570, 270),
        (pool(registered=None), 450, 270),
        (pool(registered=None, open_room=None), None, 270),
        (pool(issued=None), 450, 450),
        (pool(may_be_added=None), None, None),
        (pool(open_units=0, may_be_added=None), 0, 0),
    ],
)
def test_terms_with_unknown_members_drop_out(figures: PoolFigures, register: int | None, issued: int | None) -> None:
    assert outstanding(figures) == Outstanding(register=register, issued=issued)


def test_a_cap_below_what_is_in_is_no_evidence() -> None:
    assert outstanding(pool(issued=400)) == Outstanding(register=450, issued=None, contradicted=("issued",))
    assert outstanding(pool(registered=400)) == Outstanding(register=None, issued=None, contradicted=("register",))
    both = outstanding(pool(registered=400, issued=400))
    assert both == Outstanding(register=None, issued=None, contradicted=("register", "issued"))


def test_pools_add_up_and_one_without_a_bound_leaves_none() -> None:
    one, stale = outstanding(pool()), outstanding(pool(issued=400))
    assert together([one, one, NOTHING]) == Outstanding(register=900, issued=540)
    assert together([one, stale]) == Outstanding(register=900, issued=None, contradicted=("issued",))
    assert together([one, UNKNOWN]) == UNKNOWN
    assert together([]) == NOTHING


def test_without_a_bound_nothing_is_decided() -> None:
    assert threshold(FIVE, 5, 100, None).state is State.ABOVE
    assert threshold(FIVE, 4, 100, None).state is State.BELOW
    assert threshold(FIVE, 0, 0, None).state is State.BELOW
    assert not plurality({"a": 99, "b": 0}, None).sure
    found = top({"a": 99, "b": 0}, 1, None)
    assert not any(bound.sure_in or bound.sure_out for bound in found.values())


def test_exactly_on_the_line_passes_unless_more_is_asked_for() -> None:
    assert threshold(FIVE, 5, 100, 0).flips == Flips(new_votes=1, struck_off=1, moved=1)
    strict = threshold(Line(Fraction(1, 20), strict=True), 5, 100, 0)
    assert (strict.state, strict.votes_needed) == (State.DECIDED_BELOW, 6)
    assert strict.flips == Flips(new_votes=1, struck_off=1, moved=1)


def test_nothing_can_be_struck_off_that_is_not_there() -> None:
    assert threshold(FIVE, 7, 7, 0).flips == Flips(new_votes=134, struck_off=None, moved=7)
    assert threshold(FIVE, 0, 7, 0).flips == Flips(new_votes=1, struck_off=None, moved=1)
    assert threshold(FIVE, 0, 0, 0).flips == Flips(new_votes=1, struck_off=None, moved=None)
    assert threshold(NONE, 0, 0, 0).flips == NEVER


def test_a_quorum_is_of_the_voters_on_the_roll() -> None:
    half = Line(Fraction(1, 2))
    assert quorum(half, 52, 100, 4, 30) is State.DECIDED_ABOVE
    assert quorum(half, 51, 100, 4, 30) is State.OPEN
    assert quorum(half, 19, 100, 4, 30) is State.DECIDED_BELOW
    assert quorum(half, 51, 100, None, 30) is State.ABOVE
    assert quorum(half, 19, 100, None, 30) is State.DECIDED_BELOW
    assert quorum(half, 49, 100, 4, None) is State.BELOW


def test_a_lead_as_large_as_what_is_out_may_go_to_lots() -> None:
    assert not plurality({"a": 10, "b": 4}, 6).sure
    assert plurality({"a": 10, "b": 4}, 5).sure
    bound = plurality({"a": 10, "b": 4, "c": 4}, 0)
    assert bound.to_tie == Flips(new_votes=6, struck_off=6, moved=3)
    assert bound.to_lose == Flips(new_votes=7, struck_off=7, moved=4)
    assert plurality({}, 0).leaders == ()
    assert plurality({"a": 0}, 9).sure


def test_several_marks_let_several_rivals_grow_at_once() -> None:
    counts = {"a": 10, "b": 7, "c": 7, "d": 0}
    one, two = (top(counts, 2, 3, marks)["a"] for marks in (1, 2))
    assert one.sure_in
    assert not two.sure_in
    assert (one.flips.new_votes, two.flips.new_votes) == (6, 3)
    assert top(counts, 2, 3)["d"].sure_out
    assert top(counts, 2, 3)["b"].place is Place.LOTS
    assert all(bound.sure_in for bound in top(counts, 4, 3).values())


def test_an_exempt_list_takes_seats_below_the_threshold() -> None:
    counts = {"a": 96, "minority": 4}
    free = race(counts=counts, base=100, seats=25, exempt=frozenset({"minority"}))
    assert seat_ranges(free) == {"a": Between(24, 24), "minority": Between(1, 1)}
    bound = race(counts=counts, base=100, seats=25)
    assert seat_ranges(bound) == {"a": Between(25, 25), "minority": Between(0, 0)}


def test_nothing_is_claimed_where_a_rule_is_not_covered() -> None:
    assert seat_ranges(race(method="sainte-lague")) is None
    assert seat_ranges(race(minimum_parties=7)) is None
    assert seat_ranges(race(minimum_parties=6)) is not None


def test_a_tie_for_the_last_seat_is_a_range() -> None:
    for method in ("hare", "dhondt"):
        tied = race(method=method, counts={"a": 5, "b": 5}, base=10, seats=3)
        assert seat_ranges(tied) == {"a": Between(1, 2), "b": Between(1, 2)}


def test_a_rival_that_leaves_may_cost_a_list_a_seat() -> None:
    """Hare, 2 seats: with all that is out, 9 of 9:29 is worth no seat; 9 of 9:29:7 has the larger remainder."""
    counts = {"a": 8, "b": 2, "c": 29, "d": 7}
    ranges = seat_ranges(race(counts=counts, base=46, seats=2, line=Line(Fraction(1, 6)), outstanding=1))
    assert ranges == {"a": Between(0, 1), "b": Between(0, 0), "c": Between(1, 2), "d": Between(0, 1)}


def test_lists_that_cannot_pass_together_are_not_counted_together() -> None:
    """c needs both votes to pass: a stays out then, and only against a as well would the remainder of c be worth a seat."""
    ranges = seat_ranges(
        race(counts={"a": 3, "b": 20, "c": 2, "d": 13}, base=38, seats=5, line=Line(Fraction(1, 10)), outstanding=2)
    )
    assert ranges is not None
    assert ranges["c"] == Between(0, 0)


def test_many_open_lists_get_the_loose_bound() -> None:
    counts = {"strong": 60, **{f"small{number}": 3 for number in range(MOST_OPEN + 1)}}
    base = sum(counts.values())
    ranges = seat_ranges(race(counts=counts, base=base, seats=10, outstanding=4))
    assert ranges is not None
    assert ranges["strong"] == Between(10 * 60 // (base + 4), 10)
    assert ranges["small0"] == Between(0, 2)  # 10 * 7 / (7 + 60), rounded up
