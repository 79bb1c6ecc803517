"""How many votes would change an outcome: the numbers that stand beside every ``decided``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """The smallest numbers of votes that change where something stands; None: no number does.

    ``new_votes``: further votes for the other side (ballots, where a ballot carries several marks).
    ``struck_off``: votes of the own side taken out of the count altogether.
    ``moved``: votes of the own side that turn out to be the other side's.
    """

    new_votes: int | None
    struck_off: int | None
    moved: int | None


NEVER = Flips(new_votes=None, struck_off=None, moved=None)
