"""What stands beside bulletins and declarations in a snapshot: shares, checks, our own figures and the difference."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tallyroom.codec.events import ResultsStatus
from tallyroom.codec.shown import Figures, Leading, Number, Share, Time

Difference = dict[str, int]


class Register(Struct, frozen=True):
    """What a turnout is a share of; ``value`` null: not known."""

    of: str
    value: Number | None


class LastBulletin(Struct, frozen=True, kw_only=True):
    """The last bulletin of an area and measure, as published."""

    id: str
    as_of: Time
    ballots: Number | None
    turnout: Annotated[str, Meta(pattern=r"^[01](\.[0-9]+)?$")] | None
    registered: Number | None


class ReportedTurnout(Struct, frozen=True, kw_only=True):
    """Ballots cast from reports, by the voters of the units that reported."""

    contest: str
    measure: str
    ballots_cast: Number
    turnout_reported: Share | None
    turnout_denominator: Register
    units_reported: Number
    units_expected: Number
    units_without_register: Number
    flags: list[str]


class BallotsRange(Struct, frozen=True):
    """Ballots that a bulletin can mean: a published share leaves a range."""

    least: Number
    most: Number


class TurnoutCheck(Struct, frozen=True, kw_only=True):
    """The last bulletin against the ballots counted. ``code`` null: nothing is wrong."""

    code: Literal["cast_above_bulletin", "cast_below_bulletin"] | None
    contest: str
    measure: str
    bulletin: str
    declared: BallotsRange
    counted: Number
    difference: int
    complete: bool


class TurnoutArea(Struct, frozen=True, kw_only=True):
    """Turnout of one area: bulletins by measure, reports by contest, and whether they agree."""

    area: str
    level: str
    bulletins: dict[str, LastBulletin]
    reports: list[ReportedTurnout]
    checks: list[TurnoutCheck]


class UnitsIn(Struct, frozen=True):
    """How many units are behind our figure."""

    reported: Number
    expected: Number


class OurFigures(Struct, frozen=True, kw_only=True):
    """Ours, of what the authority named: figures of a total, seats, or who leads."""

    counts: Figures = {}
    ballots: Figures = {}
    registered: Number | None = None
    units_reported: Number | None = None
    units: UnitsIn | None = None
    seats: Figures = {}
    leading: Leading | None = None


class Differences(Struct, frozen=True, kw_only=True):
    """Theirs less ours."""

    counts: Difference = {}
    ballots: Difference = {}
    registered: int | None = None
    units_reported: int | None = None
    seats: Difference = {}


class SeatsChanged(Struct, frozen=True):
    """Seats or votes before and now."""

    before: Number
    now: Number


class WinnerChanged(Struct, frozen=True):
    """Who was declared before and now."""

    before: str
    now: str


class VotesBetween(Struct, frozen=True):
    """Whether votes changed between two declarations. ``declared`` null: the authority declared no totals by both times."""

    declared: bool | None
    corrected_units: Number


class DeclarationChanged(Struct, frozen=True, kw_only=True, rename={"earlier": "from"}):
    """What is said otherwise than the last time about the same."""

    earlier: str
    reported_at: Time
    seats: dict[str, SeatsChanged] = {}
    winner: WinnerChanged | None = None
    figures: dict[str, SeatsChanged] = {}
    votes: VotesBetween | None = None


Impossible = ResultsStatus | Literal["open"]
"""Where a contest stood when a declared act could not be made."""
