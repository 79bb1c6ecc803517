"""How the operators' desk of an election works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRules:
    """``persons``: how many different people every act of the desk must name; None: two when live, else one."""

    persons: int | None = None
