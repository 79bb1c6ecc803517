"""What is asked of an apportionment and what it answers. Everything is a frozen value; votes are integers, shares fractions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tallyroom.domain.election import Condition, Join, Overhang, Threshold
from tallyroom.domain.errors import TallyroomError


class RuleError(TallyroomError):
    """The rule contradicts itself or its figures: it cannot be computed. Whose fault: the author of the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts of one electorate. ``votes``: selection -> votes. ``measures``: bases a rule may name (valid, cast, registered)."""

    votes: Mapping[str, int]
    measures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An allocation area (constituency, canton) with its own figures and seats.

    ``weight``: how much it counts where a condition asks for a number of areas (1/2 for a Swiss half-canton).
    """

    figures: Figures
    seats: int = 0
    caps: Mapping[str, int] = field(default_factory=dict)
    level: str = "area"
    weight: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runoff:
    """Who goes on to a second round: the first ``places``, and everyone else with ``share`` of ``base`` (at least)."""

    places: int = 2
    share: Fraction | None = None
    base: tuple[str, ...] = ("selections",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """The district half of a mixed house.

    ``compensatory`` False: list seats on top of district seats (parallel). True: district seats are counted against the share
    of the whole house, and ``overhang`` says what happens where they are too many; ``tolerated`` seats of overhang are not
    levelled. ``largest``: the largest house that levelling may lead to.
    """

    compensatory: bool
    overhang: Overhang = Overhang.KEPT
    tolerated: int = 0
    largest: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One apportionment.

    ``no_seats``: selections that are in the base and take no seats (against all, blank). ``caps``: selection -> most seats it
    can fill. ``districts``: district -> selection -> votes. ``parties``: candidate of a district -> party. ``district_wins``:
    party -> districts won, used in place of ``districts``. With ``areas``, ``seats`` is their sum and ``figures`` the whole.
    """

    method: str
    seats: int
    figures: Figures
    thresholds: tuple[Threshold, ...] = ()
    no_seats: frozenset[str] = frozenset()
    caps: Mapping[str, int] = field(default_factory=dict)
    first_divisor: Fraction = Fraction(7, 5)
    areas: Mapping[str, Area] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    join: Join = Join.ALL
    runoff: Runoff | None = None
    mixed: Mixed | None = None
    districts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    parties: Mapping[str, str] = field(default_factory=dict)
    district_wins: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tie:
    """``seats`` to be shared out by lot among ``selections`` (sorted; always more of them than seats). ``at``: where it arose."""

    selections: tuple[str, ...]
    seats: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How a quota method came to its seats. ``quotients`` = votes / ``value`` = ``whole`` + ``remainders``."""

    value: Fraction
    quotients: Mapping[str, Fraction]
    whole: Mapping[str, int]
    remainders: Mapping[str, Fraction]
    remainder_seats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages:
    """How a divisor method came to its seats: the quotient of each one's last seat (None: no seat) and of its next one."""

    last: Mapping[str, Fraction | None]
    following: Mapping[str, Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Seats that one method gives: certain ``seats``, those nobody can fill, the working, and the tie left open, if any.

    ``capped``: selections that have as many seats as candidates, so that none could come to them any more.
    """

    seats: Mapping[str, int]
    unfilled: int = 0
    capped: tuple[str, ...] = ()
    quota: Quota | None = None
    averages: Averages | None = None
    tie: Tie | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A threshold in votes: ``needed`` is the smallest number that passes ``share`` of ``base`` = ``of`` votes or ballots."""

    share: Fraction
    strict: bool
    base: tuple[str, ...]
    of: int
    needed: int
    area: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a selection takes part, and why or why not in words. ``share``: of the first threshold's base."""

    passed: bool
    why: str
    share: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A condition of a majority or quorum that was looked at: ``part`` against ``of``, and whether it holds."""

    text: str
    holds: bool
    part: int | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Apportionment:
    """Seats per selection (0 included) and how they came about. Every seat is accounted for: given, or ``unfilled``.

    ``lists`` and ``district_seats`` are the two halves of a mixed house; ``unseated`` district winners that it has no seat for.
    ``runoff``: who goes on to a second round (empty: nobody has to). ``accepted``: of a referendum.
    """

    method: str
    seats: Mapping[str, int]
    unfilled: int = 0
    standings: Mapping[str, Standing] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    shared: Shared | None = None
    conditions: tuple[Held, ...] = ()
    accepted: bool | None = None
    runoff: tuple[str, ...] = ()
    areas: Mapping[str, "Apportionment | LotsRequired"] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)
    district_seats: Mapping[str, int] = field(default_factory=dict)
    unseated: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Seats given."""
        return sum(self.seats.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LotsRequired:
    """Figures alone cannot say who takes some seats: they go by lot, or as the law says. Never resolved by order.

    ``ties``: one for each place where it happened (several areas, several districts), never empty. ``sure``: everything that
    does not hang on a lot; its seats are certain, whoever wins.
    """

    ties: tuple[Tie, ...]
    sure: Apportionment

    @property
    def selections(self) -> tuple[str, ...]:
        """Everyone who takes part in a lot, sorted."""
        return tuple(sorted({name for tie in self.ties for name in tie.selections}))

    @property
    def seats(self) -> int:
        """Seats (or places in a second round) that hang on lots."""
        return sum(tie.seats for tie in self.ties)

    @property
    def at(self) -> str:
        """Where the ties arose."""
        return "; ".join(tie.at for tie in self.ties)


Outcome = Apportionment | LotsRequired


def outcome(result: Apportionment, *ties: Tie | None) -> Outcome:
    """The result, or the lots that it waits for."""
    found = tuple(tie for tie in ties if tie is not None)
    return LotsRequired(ties=found, sure=result) if found else result


def certain(made: Outcome) -> Apportionment:
    """Everything that does not hang on a lot."""
    return made.sure if isinstance(made, LotsRequired) else made
