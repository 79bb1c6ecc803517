"""Thresholds, numbers entering, quorums and flips against every way the outstanding votes can fall. Seeds name the cases."""

import random
from fractions import Fraction

import pytest

from tallyroom.bounds.threshold import Line, State, entering, flips, quorum, threshold
from tests.support.outcomes import SHARES, arrivals, ballots, elections, first, passes

pytestmark = pytest.mark.parametrize(
    ("seed", "cases"), [(1, 400), pytest.param(2023, 5_000, marks=pytest.mark.slow)], ids=["few", "thousands"]
)


def line_of(chance: random.Random, lowest: int = 0) -> Line:
    """Any threshold."""
    return Line(chance.choice((*SHARES[lowest:], Fraction(2, 3), Fraction(1))), chance.random() < 0.4)


def near(chance: random.Random, line: Line, base: int) -> int:
    """A count in 0..base that is often right at the line."""
    at = int(line.share * base) + chance.choice((-1, 0, 0, 1))
    return min(base, max(0, at)) if chance.random() < 0.7 else chance.randint(0, base)


def state(ends: set[bool]) -> State:
    """What all the ends say."""
    if len(ends) == 2:
        return State.OPEN
    return State.DECIDED_ABOVE if ends.pop() else State.DECIDED_BELOW


def test_a_threshold_is_decided_when_every_arrival_says_the_same(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        line, base, out = line_of(chance), chance.choice((0, 1, 5, 20, 40, 61)), chance.randint(0, 7)
        count = near(chance, line, base)
        ends = {passes(count + own, base + own + others, line.share, line.strict) for own, others in arrivals(out, 2)}
        bound = threshold(line, count, base, out)
        assert bound.state is state(ends), (line, count, base, out)
        assert bound.passing is passes(count, base, line.share, line.strict)
        enough = range(base + 2)
        needed = first(enough, (passes(have, base, line.share, line.strict) for have in enough))
        assert bound.votes_needed == needed or not base


def test_a_threshold_with_several_marks_is_decided_when_every_set_of_ballots_says_the_same(
    seed: int, cases: int
) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        line, marks, out = line_of(chance), chance.randint(1, 3), chance.choice((0, 1, 2, 2, 3))
        counts = [chance.randint(0, 9) for _ in range(4)]
        ends = [
            {passes(final[name], sum(final), line.share, line.strict) for final in elections(counts, out, marks)}
            for name in range(4)
        ]
        entered = [
            sum(passes(count, sum(final), line.share, line.strict) for count in final)
            for final in elections(counts, out, marks)
        ]
        for name, count in enumerate(counts):
            assert threshold(line, count, sum(counts), out, marks).state is state(ends[name]), (line, counts, out)
        between = entering(line, counts, sum(counts), out, marks)
        assert between.minimum <= min(entered), (line, counts, out, marks)
        assert max(entered) <= between.maximum, (line, counts, out, marks)


def test_as_many_enter_as_the_arrivals_let_in(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        line, out = line_of(chance, lowest=1), chance.randint(0, 5)
        counts = [chance.randint(0, chance.choice((3, 9))) for _ in range(chance.randint(1, 4))]
        base = sum(counts) + chance.choice((0, 1, 6))
        entered = [
            sum(
                passes(count + more, base + sum(added), line.share, line.strict)
                for count, more in zip(counts, added, strict=False)
            )
            for added in arrivals(out, len(counts) + 1)
        ]
        between = entering(line, counts, base, out)
        assert (between.minimum, between.maximum) == (min(entered), max(entered)), (line, counts, base, out)


def test_flips_are_the_smallest_numbers_that_change_sides(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        line, base = line_of(chance), chance.choice((0, 1, 4, 12, 30))
        count = near(chance, line, base)
        others = base - count
        above = passes(count, base, line.share, line.strict)

        def flipped(own: int, whole: int, line: Line = line, above: bool = above) -> bool:
            return passes(own, whole, line.share, line.strict) is not above

        many = 700  # more than any number needed: at most b/a or b/(b-a) votes for each of 30
        found = flips(line, count, base)
        new = first(range(many), (flipped(count + (0 if above else n), base + n) for n in range(many)))
        can = min(count if above else others, base - 1)
        struck = first(range(can + 1), (flipped(count - (n if above else 0), base - n) for n in range(can + 1)))
        can = count if above else others
        moved = first(range(can + 1), (flipped(count + (-n if above else n), base) for n in range(can + 1)))
        assert (found.new_votes, found.struck_off, found.moved) == (new, struck, moved), (line, count, base)


def test_a_quorum_is_decided_when_every_arrival_and_every_added_voter_says_the_same(seed: int, cases: int) -> None:
    chance = random.Random(seed)
    for _ in range(cases):
        line, register = line_of(chance), chance.choice((1, 10, 30))
        added, out = chance.randint(0, 4), chance.randint(0, 6)
        count = near(chance, line, register)
        ends = {
            passes(count + own, register + more, line.share, line.strict)
            for own in range(out + 1)
            for more in range(added + 1)
        }
        assert quorum(line, count, register, added, out) is state(ends), (line, count, register, added, out)
        unknown = quorum(line, count, register, None, None)
        assert unknown is (State.ABOVE if passes(count, register, line.share, line.strict) else State.BELOW)


def test_ballots_are_all_there_are(seed: int, cases: int) -> None:
    """Of the helper: 2 of 3 candidates at most, so 1 + 3 + 3 ballots."""
    assert len(ballots(3, 2)) == 7
    assert len(list(elections([0, 0, 0], 2, 2))) == 28, (seed, cases)
