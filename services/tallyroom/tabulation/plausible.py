"""Plausibility of one unit's reports: rules that look at its newest figures, at those before them, and at the definition.

They cost an ordinary report two comparisons (`Rules.odd`) and, if it supersedes another, a third; one that grows by a quarter, some
sums more (`Rules.leaps`). Only what these find strange is looked at closely. What looks across units or at the clock is in
`tallyroom.tabulation.watch`.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from operator import sub
from typing import TYPE_CHECKING, Final, NamedTuple

from tallyroom.domain.checks import SELECTIONS
from tallyroom.domain.election import PreviousCounts, Relation
from tallyroom.domain.plausibility import OF_REPORTS, Flag, Plausibility
from tallyroom.tabulation.rows import picked

if TYPE_CHECKING:  # a plan holds its contests' rules
    from tallyroom.tabulation.plan import ContestPlan, Figures

NO_LIMIT: Final = 1 << 62
"""Ballots cast of a unit whose register is not known."""
_TIMES: Final = 10
_FEW: Final = 10
"""Figures below it are ten times as high by chance."""
_GROWTH: Final = (5, 4)
"""A step that adds less than a quarter to a unit's figures is an ordinary one."""


class Flagged(NamedTuple):
    """Figures that are doubtful: which rule says so, in plain English, and the figures it looked at."""

    code: Flag
    text: str
    figures: Mapping[str, int]


class Rules:
    """The rules of one contest with their thresholds as integers."""

    def __init__(self, contest: "ContestPlan") -> None:
        self._contest = contest
        self.settings = contest.contest.plausibility or Plausibility()
        self.refuse = frozenset(self.settings.refuse)
        self._on = OF_REPORTS - frozenset(self.settings.off)
        self._invalid_at = self._rejected()
        one = Fraction(self.settings.one_selection)
        self._one = one.numerator, one.denominator  # as integers: this is asked of every report that grows
        self._invalid = Fraction(self.settings.invalid_share)
        self._swing = Fraction(self.settings.swing)
        over = 1 + Fraction(self.settings.over_register)
        self._over = over.numerator, over.denominator
        self._summed = tuple(contest.figures.index(name) for name in contest.summed)
        self._votes = picked(self._summed)
        previous = contest.contest.previous
        self._previous: Mapping[str, PreviousCounts] = previous.units if previous and Flag.SWING in self._on else {}
        large = len(contest.selections) >= self.settings.identical_figures
        self.compares = large and Flag.IDENTICAL_COUNTS not in self.settings.off  # its units with each other
        self.odd = self._compile()
        self._ordinary_step = self._compile_ordinary_step()
        self.leaps = self._compile_leaps()

    def most_cast(self, registered: int | None, group: str | None) -> int:
        """Ballots cast above which a unit with this register is over it; groups of one unit share a register: no limit."""
        if registered is None or group is not None or Flag.CAST_OVER_REGISTERED not in self._on:
            return NO_LIMIT
        return self.limit(registered)

    def limit(self, registered: int) -> int:
        """Ballots cast that a register allows, the tolerance included."""
        part, whole = self._over
        return registered * part // whole

    def of_state(self, unit: str, figures: "Figures", most_cast: int, registered: int | None) -> Iterator[Flagged]:
        """What is doubtful about figures as they stand. ``most_cast``: see there."""
        yield from self._over_register(figures, most_cast, registered)
        yield from self._invalid_share(figures)
        previous = self._previous.get(unit)
        if previous is not None:
            yield from self._swings(figures, previous)

    def of_step(self, old: "Figures", new: "Figures") -> Iterator[Flagged]:
        """What is doubtful about the step from one version to the next: at most one rule speaks, the most particular one."""
        if self._ordinary_step(old, new):
            return
        old_votes, new_votes = self._votes(old), self._votes(new)
        before, after = sum(old_votes), sum(new_votes)
        if after - before < self.settings.minimum or not before:
            return
        for rule in (
            self._multiple(old, new),
            self._digit(old_votes, new_votes),
            self._one_sided(old_votes, new_votes),
        ):
            for flagged in rule:
                if flagged.code in self._on:
                    yield flagged
                    return

    def emptied(self, old: "Figures", new: "Figures") -> Iterator[Flagged]:
        """A unit that had votes and brings none any more."""
        before = sum(self._votes(old))
        if before and not any(new) and Flag.EMPTIED in self._on:
            yield Flagged(
                Flag.EMPTIED, f"The unit had {before} votes and reports none now.", {"before": before, "now": 0}
            )

    def watches(self, unit: str) -> bool:
        """Whether the unit has a previous result to be compared with."""
        return unit in self._previous

    def _compile(self) -> Callable[["Figures", int], bool]:
        """A function of figures and the most ballots cast: whether `of_state` is worth asking, in two comparisons."""
        cast_at, minimum = self._contest.cast_at, self.settings.minimum
        if cast_at is None:
            return lambda figures, most_cast: False
        high, low = self._invalid.numerator, self._invalid.denominator
        if Flag.INVALID_SHARE not in self._on or not self._invalid_at:
            return lambda figures, most_cast: figures[cast_at] > most_cast
        if len(self._invalid_at) == 1:
            at = self._invalid_at[0]
            return lambda figures, most_cast: (
                figures[cast_at] > most_cast
                or (figures[at] * low > figures[cast_at] * high and figures[cast_at] >= minimum)
            )

        def odd(figures: "Figures", most_cast: int) -> bool:
            cast = figures[cast_at]
            rejected = sum(figures[at] for at in self._invalid_at)
            return cast > most_cast or (rejected * low > cast * high and cast >= minimum)

        return odd

    def _compile_ordinary_step(self) -> Callable[["Figures", "Figures"], bool]:
        """A function of figures before and now: whether they are some and grew by no more than `_GROWTH`.

        Where every vote is in one of the measures, that one says it alone; else it takes the sum of all figures.
        """
        high, low = _GROWTH
        tied = [at for at, measure in enumerate(self._contest.measures) if self._holds_all_votes(measure)]
        if tied:
            at = tied[0]
            return lambda old, new: 0 < new[at] * low <= old[at] * high
        return lambda old, new: 0 < sum(new) * low <= sum(old) * high

    def _compile_leaps(self) -> Callable[["Figures", "Figures"], bool]:
        """A function of figures before and now: False if neither `of_step` nor `emptied` has anything to say.

        Growing counts are what half of a night's reports bring: this answers for most of them without a loop of our own.
        """
        ordinary, votes_of, least = self._ordinary_step, self._votes, self.settings.minimum
        part, whole = self._one

        def leaps(old: "Figures", new: "Figures") -> bool:
            if ordinary(old, new):
                return False
            before, after = votes_of(old), votes_of(new)
            had, has = sum(before), sum(after)
            added = has - had
            if not had or not has or added < least:
                return had > 0 == has
            if max(map(sub, after, before)) * whole >= part * added or not sum(new) % sum(old):
                return True  # all that was added is at least what the votes grew by
            for votes, now in zip(before, after):  # noqa: B905, SIM110  # a third of what any() and strict take
                if now >= 9 * votes >= 9 * _FEW:
                    return True
            return False

        return leaps

    def _holds_all_votes(self, measure: str) -> bool:
        """Whether identities make the measure a sum with all votes in it."""
        accounting = self._contest.contest.accounting
        equal = [identity for identity in accounting.identities if identity.relation is Relation.EQUAL]
        parts, known = {identity.total: identity.parts for identity in equal}, set[str]()
        waiting = [measure]
        while waiting:
            name = waiting.pop()
            if name not in known:
                known.add(name)
                waiting += parts.get(name, ())
        return SELECTIONS in known and accounting.marks_per_ballot == 1

    def _rejected(self) -> tuple[int, ...]:
        return tuple(self._contest.figures.index(n) for n in self.settings.invalid if n in self._contest.measures)

    def _over_register(self, figures: "Figures", most_cast: int, registered: int | None) -> Iterator[Flagged]:
        if self._contest.cast_at is None or figures[self._contest.cast_at] <= most_cast or registered is None:
            return
        cast = figures[self._contest.cast_at]
        yield Flagged(
            Flag.CAST_OVER_REGISTERED,
            f"{cast} ballots cast, {registered} voters registered.",
            {"cast": cast, "registered": registered},
        )
        if Flag.DIGIT_JUMP not in self._on:
            return
        for at in self._summed:
            votes = figures[at]
            if votes > max(most_cast, _TIMES * _FEW) and cast - votes + votes // _TIMES <= most_cast:
                name = self._contest.figures[at]
                text = f"{votes} votes for {name} are more than the register allows; with a digit less they would fit."
                yield Flagged(Flag.DIGIT_JUMP, text, {name: votes, "registered": registered})

    def _invalid_share(self, figures: "Figures") -> Iterator[Flagged]:
        if self._contest.cast_at is None or not self._invalid_at or Flag.INVALID_SHARE not in self._on:
            return
        cast, rejected = figures[self._contest.cast_at], sum(figures[at] for at in self._invalid_at)
        if cast >= self.settings.minimum and rejected > self._invalid * cast:
            text = f"{rejected} of {cast} ballots are rejected, more than {self.settings.invalid_share} of them."
            yield Flagged(Flag.INVALID_SHARE, text, {"rejected": rejected, "cast": cast})

    def _swings(self, figures: "Figures", previous: PreviousCounts) -> Iterator[Flagged]:
        now, then = sum(self._votes(figures)), previous.base or sum(previous.counts.values())
        if min(now, then) < self.settings.minimum:
            return
        swung: dict[str, int] = {}
        for name, votes in previous.counts.items():
            if name in self._contest.expected_keys:
                count = figures[self._contest.figures.index(name)]
                if abs(Fraction(count, now) - Fraction(votes, then)) > self._swing:
                    swung |= {name: count, f"{name} before": votes}
        if swung:
            names = ", ".join(name for name in swung if not name.endswith(" before"))
            text = f"Shares changed by more than {self.settings.swing} since the previous election: {names}."
            yield Flagged(Flag.SWING, text, {**swung, SELECTIONS: now, f"{SELECTIONS} before": then})

    def _multiple(self, old: "Figures", new: "Figures") -> Iterator[Flagged]:
        """Every figure is the same multiple of what it was: the same sheets, loaded again."""
        times, rest = divmod(sum(new), sum(old))
        if rest or not 2 <= times <= _TIMES or sum(map(bool, old)) < 2:
            return
        if all(after == times * before for before, after in zip(old, new, strict=True)):
            before, after = sum(self._votes(old)), sum(self._votes(new))
            text = f"Every figure is exactly {times} times what the version before said."
            yield Flagged(Flag.EXACT_DOUBLE, text, {"times": times, "before": before, "now": after})

    def _digit(self, old: "Figures", new: "Figures") -> Iterator[Flagged]:
        """One selection is ten times as high as before (9.5 to 11 times), the others together are not."""
        before, after = sum(old), sum(new)
        for at, (votes, now) in enumerate(zip(old, new, strict=True)):
            if votes >= _FEW and 19 * votes <= 2 * now < 22 * votes and (after - now) < 2 * (before - votes):
                name = self._contest.summed[at]
                text = f"{name} has {now} votes after {votes}, the others hardly more than before: a digit too many?"
                yield Flagged(Flag.DIGIT_JUMP, text, {f"{name} before": votes, name: now})

    def _one_sided(self, old: "Figures", new: "Figures") -> Iterator[Flagged]:
        """Nearly everything that was added went to one selection."""
        added = [max(0, now - before) for before, now in zip(old, new, strict=True)]
        total, most = sum(added), max(added)
        part, whole = self._one
        least = self.settings.minimum
        if total >= least and sum(old) >= least and most * whole >= part * total:
            name = self._contest.summed[added.index(most)]
            text = f"{most} of {total} votes added went to {name}."
            yield Flagged(Flag.ONE_SELECTION, text, {name: most, "added": total})
