"""The rule of a contest: how votes become seats or a winner, as its law says it. Part of the election definition."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A minimum share of ``base`` within ``area`` (None: the whole contest). ``share``: exact, ``"1/20"`` or ``"0.05"``.

    ``alternatives``: passing any of them is enough (12 % locally instead of 4 % nationally). ``exempt``: selections it does not
    bind. ``minimum_parties``: how many are admitted even below it. ``strict``: more than the share, not at least.
    """

    share: str
    base: tuple[str, ...] = ("selections",)
    area: str | None = None
    level: str | None = None  # in each area of this level on its own (12 % in a constituency)
    strict: bool = False
    exempt: tuple[str, ...] = ()
    minimum_parties: int = 0
    district_wins: int | None = None  # alternative by seats won in districts (Germany: 3)
    alternatives: tuple["Threshold", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Seats given out within an area."""

    area: str
    seats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a majority or quorum: ``share`` of ``base``, and ``lead`` over the next, in ``areas_needed`` areas.

    ``base``: measures, ``selections`` or ``registered``.
    """

    share: str | None = None
    of: str | None = None  # the selection or measure whose share it is; None: the leading selection's
    base: tuple[str, ...] = ("selections",)
    lead: str | None = None
    strict: bool = True
    level: str | None = None
    areas_needed: int | None = None


class Join(StrEnum):
    """How conditions combine."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunoffRule:
    """Who goes on to a second round: the first ``places``, and everyone else with ``share`` of ``base`` (at least)."""

    places: int = 2
    share: str | None = None
    base: tuple[str, ...] = ("selections",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How votes become seats or a winner, with the law it comes from.

    ``method``: hare, droop, dhondt, sainte-lague, modified-sainte-lague, plurality, majority, referendum, ranked, none.
    """

    method: str
    seats: int
    law: str
    allocations: tuple[Allocation, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    conditions: tuple[Condition, ...] = ()
    join: Join = Join.ALL
    runoff: RunoffRule | None = None  # None: the first two
    marks: int = 1
    first_divisor: str | None = None
    certainty: str | None = None
