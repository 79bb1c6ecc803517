"""For the auditor: whether a contest's plausibility rules refuse a report, where its definition lets them.

They are matters of judgement, not of arithmetic: the rules that the fold asks (docs/plausibility.md) are asked here as well.
"""

from collections.abc import Mapping

from tallyroom.tabulation.doubts import after_amendment, after_report, refusal
from tallyroom.tabulation.plan import ContestPlan, Leaf, Plan
from tallyroom.tabulation.plausible import Flagged
from tallyroom.tabulation.recount import Held, Key, state
from tallyroom.tabulation.supersede import Refused, split


class Suspicions:
    """Flags that units of contests carry in which a rule may refuse; other contests are not looked at."""

    def __init__(self) -> None:
        self._flags: dict[Key, tuple[Flagged, ...]] = {}

    def objection(
        self, plan: Plan, key: Key, states: tuple[Held | None, Held], *, explained: bool, by_hand: bool
    ) -> Refused | None:
        """Why the definition refuses the report, if it does; else the unit carries its flags from here on.

        ``states``: what the unit said before and says now. ``explained``: the report gives a reason. ``by_hand``: operators
        let it through.
        """
        leaf = _leaf(plan, key)
        if leaf is None:
            return None
        before, now = (None if held is None else state(held, leaf.plan.length) for held in states)
        assert now is not None  # noqa: S101 - for the type checker: the second of `states` is never None
        steps = (None if before is None else split(leaf, before)[1], split(leaf, now)[1])
        carried = self._flags.get(key, ())
        flags = after_report(leaf, steps, now, carried, (), explained)
        refused = None if by_hand else refusal(leaf, flags, carried)
        if refused is None:
            self._flags[key] = flags
        return refused

    def amended(self, was: Plan, now: Plan, units: Mapping[Key, Held]) -> None:
        """The definition changed around units that sent nothing new."""
        for key, held in units.items():
            former, leaf = _leaf(was, key), _leaf(now, key)
            carried = self._flags.get(key, ())
            if former is not None and leaf is not None and (carried or former.registered != leaf.registered):
                known = state(held, leaf.plan.length)
                self._flags[key] = after_amendment(leaf, known, split(leaf, known)[1], carried)


def refusing(contest: ContestPlan) -> bool:
    """Whether any plausibility rule of the contest refuses."""
    return bool(contest.rules.refuse)


def _leaf(plan: Plan, key: Key) -> Leaf | None:
    contest = plan.contests[key[0]]
    return plan.leaf(contest, key[1], key[2]) if refusing(contest) else None
