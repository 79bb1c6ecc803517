"""Who leads a district or a first round, whether that is decided, and how many votes would change it."""

from collections.abc import Mapping
from typing import Any

from tallyroom.bounds.flips import Flips
from tallyroom.bounds.winner import PluralityBound, plurality
from tallyroom.results.outcome.outstanding import Levels
from tallyroom.results.outcome.thresholds import flips_document


def sure_by(votes: Mapping[str, int], levels: Levels) -> tuple[PluralityBound, str | None]:
    """The race for first place, and the level at which the leader is sure (None: it is not)."""
    bound = plurality(votes, None)
    for by, most in (("register", levels.bound.register), ("issued", levels.bound.issued)):
        bound = plurality(votes, most)
        if bound.sure:
            return bound, by
    return bound, None


def winner_document(votes: Mapping[str, int], levels: Levels) -> dict[str, Any]:
    """The race of one seat by plurality. ``selection`` is null before the first vote and in a tie, which lots would settle.

    ``flip_*``: votes that would at least put it to lots.
    """
    bound, by = sure_by(votes, levels)
    counted = any(votes.values()) or len(votes) == 1
    leaders = bound.leaders if counted else ()
    return winner(leaders, bound.margin, by if leaders else None, bound.to_tie)


def winner(leaders: tuple[str, ...], margin: int, by: str | None, flips: Flips) -> dict[str, Any]:
    """A winner as the snapshot shows it."""
    single = leaders[0] if len(leaders) == 1 else None
    return {
        "selection": single,
        "tied": list(leaders) if len(leaders) > 1 else [],
        "margin": margin if single is not None else 0,
        "state": "decided" if by is not None and single is not None else "open",
        "decided_by": by if single is not None else None,
        **flips_document(flips),
    }
