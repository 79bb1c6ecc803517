"""The record of decided questions, carried from the last published revision to the next."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tallyroom.results.decided import Moment, Seen, follow
from tallyroom.results.documents import BESIDE, contest_name
from tallyroom.results.facts import Place
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Column, Row

_MEMBER: Final = "decided"
DECIDED: Final = f"{BESIDE}{_MEMBER}"
"""Name of the document. It alone depends on the revisions before: it is read from the last one, so that a restart loses nothing."""


def next_record(
    published: Mapping[str, bytes],
    made: Mapping[str, Any],
    totals: Mapping[Place, Row],
    expected: Mapping[str, int],
    moment: Moment,
    plan: Plan,
) -> dict[str, Any]:
    """The document after a revision.

    ``published``: the last revision's documents; ``made``: those derived anew; ``expected``: units by contest.
    """
    before = msgspec.json.decode(published[DECIDED])[_MEMBER] if DECIDED in published else {}
    seen = {
        name: Seen(made[contest_name(name)], _reported(totals.get((name, contest.root))), expected[name])
        for name, contest in plan.contests.items()
        if contest_name(name) in made
    }
    return {_MEMBER: follow(before, seen, moment)}


def _reported(row: Row | None) -> int:
    return 0 if row is None else row[Column.COMPLETE]
