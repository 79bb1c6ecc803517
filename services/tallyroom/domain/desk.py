"""How the operators' desk of an election works."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person who decides at the desk. ``key``: public, Ed25519, base64; ``name``: what the public may know, None: the id alone.

    ``revoked_at``: since when the key is in other hands, for people. A key that has it proves nothing any more.
    """

    id: str
    key: str
    name: str | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRules:
    """``persons``: how many different people every act of the desk must name; None: two when live, else one.

    ``operators``: who these people may be, each proven by a signature; none: names are text, and prove nothing.
    """

    persons: int | None = None
    operators: tuple[Operator, ...] = ()
