"""Electoral thresholds: an exact share of a stated base, compared in integers, so that 4.999 % never counts as 5 %.

Kazakhstan: 5 % of the votes for parties and against all; if one party alone passes, the runner-up is admitted as well
(Constitutional Law on Elections, Art. 97-1). Germany: 5 % of valid second votes, or three districts won, national
minorities exempt (BWahlG § 6 (3) as in force in 2021). Netherlands: one whole quota, 1/150 (Kieswet Art. P 7 (2)).
Sweden: 4 % of the whole or 12 % of the constituency (Vallag, chapter 14). Spain: 3 % of the constituency (LOREG Art. 163).
Poland: 5 %, coalitions 8 %, national minorities exempt (Kodeks wyborczy Art. 196 and 197).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tallyroom.apportionment.model import Bar, Figures, Problem, RuleError, Standing, Tie
from tallyroom.apportionment.quotas import best
from tallyroom.domain.checks import SELECTIONS
from tallyroom.domain.election import Threshold

TAKES_NO_SEATS: Final = "takes no seats"


@dataclass(frozen=True, slots=True)
class Admission:
    """Who takes part. ``tie``: equal votes for the last place that a minimum number of parties opens."""

    standings: Mapping[str, Standing]
    bars: tuple[Bar, ...]
    tie: Tie | None = None


def base_of(names: Iterable[str], figures: Figures) -> int:
    """The sum of the figures that a base names. Raises RuleError on a name that has no figure."""
    total = 0
    for name in names:
        if name == SELECTIONS:
            total += sum(figures.votes.values())
        elif name in figures.measures:
            total += figures.measures[name]
        else:
            known = ", ".join(sorted({SELECTIONS, *figures.measures}))
            raise RuleError(f"A base names {name!r}, for which there is no figure.", f"give it, or use one of: {known}")
    return total


def fraction(text: str, what: str) -> Fraction:
    """An exact share between 0 and 1 from ``"1/20"`` or ``"0.05"``. Raises RuleError."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise RuleError(f"{what} {text!r} is not a number.", 'write it exactly, such as "1/20" or "0.05"') from error
    if not 0 <= value <= 1:
        raise RuleError(f"{what} {text!r} is not between 0 and 1.", 'five percent are "0.05"')
    return value


def reaches(part: int, share: Fraction, of: int, strict: bool) -> bool:
    """part / of >= share (strict: >), in integers. Of nothing nobody has a share: an empty area has not voted yes."""
    left, right = part * share.denominator, share.numerator * of
    return left > right if strict or _of_nothing(share, of) else left >= right


def needed(share: Fraction, of: int, strict: bool) -> int:
    """The smallest number of votes that reaches ``share`` of ``of``."""
    whole, rest = divmod(share.numerator * of, share.denominator)
    return whole + 1 if strict or rest or _of_nothing(share, of) else whole


def _of_nothing(share: Fraction, of: int) -> bool:
    return not of and share > 0


def admit(problem: Problem, area: str | None = None) -> Admission:
    """Who takes part in the allocation of the whole, or of ``area`` where thresholds of a level are judged on their own.

    All thresholds bind, each or one of its alternatives. Raises RuleError.
    """
    figures = problem.areas[area].figures if area is not None else problem.figures
    names = [name for name in {**problem.figures.votes, **figures.votes} if name not in problem.no_seats]
    standings = {name: Standing(passed=True, why="no threshold") for name in names}
    bars: list[Bar] = []
    ties: list[Tie] = []
    for threshold in problem.thresholds:
        bars += _bars(threshold, problem, area)
        judged, tie = _judge(threshold, names, problem, area)
        ties += [tie] if tie is not None else []
        for name in names:
            if standings[name].passed:
                standings[name] = judged[name]
    out = {name: Standing(passed=False, why=TAKES_NO_SEATS) for name in sorted(problem.no_seats)}
    return Admission({**standings, **out}, tuple(bars), ties[0] if ties else None)


def _judge(
    threshold: Threshold, names: list[str], problem: Problem, area: str | None
) -> tuple[dict[str, Standing], Tie | None]:
    """One threshold with its exemptions, alternatives, and the minimum number of parties."""
    judged = {name: _one(threshold, name, problem, area) for name in names}
    missing = threshold.minimum_parties - sum(standing.passed for standing in judged.values())
    if missing <= 0:
        return judged, None
    votes = _figures(threshold, problem, area).votes
    waiting = {name: votes.get(name, 0) for name in names if not judged[name].passed and votes.get(name, 0) > 0}
    won, tie = best(waiting, missing, f"admission as one of at least {threshold.minimum_parties}")
    for name in won:
        why = f"{judged[name].why}, admitted: at least {threshold.minimum_parties} take part"
        judged[name] = Standing(passed=True, why=why, share=judged[name].share)
    return judged, tie


def _one(threshold: Threshold, name: str, problem: Problem, area: str | None) -> Standing:
    """Whether one selection passes a threshold or an alternative of it, ignoring the minimum number of parties."""
    figures, bar = _figures(threshold, problem, area), _bar(threshold, problem, area)
    votes = figures.votes.get(name, 0)
    share = Fraction(votes, bar.of) if bar.of else None
    if name in threshold.exempt:
        return Standing(passed=True, why="exempt", share=share)
    if reaches(votes, bar.share, bar.of, bar.strict):
        return Standing(passed=True, why=f"{votes:,} votes, {bar.needed:,} needed", share=share)
    wins = problem.district_wins.get(name, 0)
    if threshold.district_wins is not None and wins >= threshold.district_wins:
        return Standing(passed=True, why=f"{wins} districts won, {threshold.district_wins} needed", share=share)
    others = [_one(alternative, name, problem, area) for alternative in threshold.alternatives]
    passed = next((other for other in others if other.passed), None)
    if passed is not None:
        return Standing(passed=True, why=f"alternative: {passed.why}", share=share)
    return Standing(passed=False, why=f"{votes:,} votes, {bar.needed:,} needed", share=share)


def _figures(threshold: Threshold, problem: Problem, area: str | None) -> Figures:
    """The figures that a threshold is about: of a named area, of the area at hand, or of the whole."""
    named = threshold.area if threshold.area is not None else (area if _local(threshold, problem, area) else None)
    if named is None:
        return problem.figures
    if named not in problem.areas:
        raise RuleError(f"A threshold is about area {named!r}, which has no figures.", "give the area with its votes")
    return problem.areas[named].figures


def _local(threshold: Threshold, problem: Problem, area: str | None) -> bool:
    """Whether a threshold is judged in the area at hand. Raises RuleError if it has to be and no area is there."""
    if threshold.level is None:
        return False
    if area is None or problem.areas[area].level != threshold.level:
        raise RuleError(
            f"A threshold holds in each {threshold.level!r}, and seats are not given out at that level.",
            "give areas of that level with their votes and seats, or leave `level` out",
        )
    return True


def _bar(threshold: Threshold, problem: Problem, area: str | None) -> Bar:
    figures = _figures(threshold, problem, area)
    share, of = fraction(threshold.share, "Threshold share"), base_of(threshold.base, figures)
    where = area if threshold.level is not None else threshold.area
    least = needed(share, of, threshold.strict)
    return Bar(share=share, strict=threshold.strict, base=threshold.base, of=of, needed=least, area=where)


def _bars(threshold: Threshold, problem: Problem, area: str | None) -> list[Bar]:
    """The threshold in votes, and its alternatives after it."""
    rest = [bar for alternative in threshold.alternatives for bar in _bars(alternative, problem, area)]
    return [_bar(threshold, problem, area), *rest]
