"""For the auditor: whether a contest's plausibility rules refuse a report, where its definition lets them.

They are matters of judgement, not of arithmetic: the rules that the fold asks (docs/plausibility.md) are asked here as well.
"""

from tallyroom.tabulation.doubts import doubts, refusal
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.recount import Held, Key, state
from tallyroom.tabulation.supersede import Refused, split


def suspicion(plan: Plan, key: Key, states: tuple[Held | None, Held], *, explained: bool) -> Refused | None:
    """Why the contest's definition refuses the report, if it does.

    ``states``: what the unit said before and says now. ``explained``: the report gives a reason.
    """
    contest = plan.contests[key[0]]
    leaf = plan.leaf(contest, key[1], key[2]) if contest.rules.refuse else None
    if leaf is None:
        return None
    before, now = states
    known = state(now, contest.length)
    figures = split(leaf, known)[1]
    steps = (None if before is None else split(leaf, state(before, contest.length))[1], figures)
    return refusal(leaf, doubts(leaf, steps, known, (), explained))
