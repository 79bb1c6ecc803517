"""What a snapshot says of a contest, its areas and the bodies that it belongs to, as types (`tallyroom.codec.snapshot`)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tallyroom.codec.events import ResultsStatus
from tallyroom.codec.snapshot_desk import FrozenMark

Number = Annotated[int, Meta(ge=0)]
Share = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]{6}$")]
"""A decimal string, six digits, never rounded across a line that decides something."""
Estimated = Annotated[str, Meta(pattern=r"^[01]\.[0-9]{4}$")]
"""A decimal string of four digits: an estimate has no more."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Names = dict[str, str]
"""Text by BCP 47 tag."""
Time = Annotated[datetime, Meta(tz=True)]
Figures = dict[str, Number]


class Leading(Struct, frozen=True):
    """Who leads (several: a tie) and by how many votes."""

    selections: list[str]
    margin: Number


class ShareDenominator(Struct, frozen=True):
    """What shares are shares ``of`` (names joined by +), and how many that are."""

    of: str
    value: Number


class SwingSide(Struct, frozen=True):
    """Shares of what is compared, then or now, and what they are shares of (votes or ballots)."""

    base: Number
    shares: dict[str, Share | None]


class Swing(Struct, frozen=True, kw_only=True):
    """How shares moved since last time among what is compared (``of``); ``difference``: now less then, null: not there then."""

    of: str
    units: Number | None
    then: SwingSide
    now: SwingSide
    difference: dict[str, Annotated[str, Meta(pattern=r"^[+-]?[0-9]+\.[0-9]{6}$")] | None]


class AreaResult(Struct, frozen=True, kw_only=True):
    """One area of a contest. ``null`` says that there is no such figure; it is not 0. docs/http.md explains every field."""

    area: str
    level: str
    status: ResultsStatus
    units_reported: Number
    units_expected: Number
    units_partial: Number
    units_held: Number
    units_annulled: Number
    units_not_opened: Number
    units_cancelled: Number
    units_without_register: Number
    voters_registered: Number | None
    voters_registered_reported: Number
    voters_registered_held: Number
    ballots_cast: Number | None
    ballots_cast_held: Number
    ballots_cast_annulled: Number
    ballots: Figures
    turnout_reported: Share | None
    counts: Figures
    shares: dict[str, Share | None]
    share_denominator: ShareDenominator
    leading: Leading | None
    frozen: FrozenMark | None = None
    swing: Swing | None = None


Pair = Annotated[list[Number], Meta(min_length=2, max_length=2)]
"""[before, now]."""


class Difference(Struct, frozen=True, rename={"with_it": "with"}):
    """What would be without the correction, and what is with it."""

    without: Any
    with_it: Any


class Effect(Struct, frozen=True, kw_only=True):
    """What corrections did to the contest; what is missing would be the same without them."""

    shares: dict[str, Difference] = {}
    seats: dict[str, Difference] = {}
    leading: Difference | None = None
    passed: Difference | None = None
    lots_required: Difference | None = None
    runoff: Difference | None = None
    accepted: Difference | None = None
    error: str | None = None


class Correction(Struct, frozen=True, kw_only=True):
    """An accepted report that corrected its unit. ``fell``, ``changed``: figure -> [before, now]; ``at``: milliseconds."""

    partition: Number
    offset: Number
    contest: str
    unit: str
    area: str
    version: Number
    superseded: Number
    at: int
    kind: str
    reason: str | None = None
    group: str | None = None
    fell: dict[str, Pair] = {}
    changed: dict[str, Pair] = {}
    effect: Effect | None = None


class Corrections(Struct, frozen=True):
    """How many accepted reports corrected figures, the latest of them, and what all of them together did."""

    count: Number
    latest: list[Correction]
    effect: Effect | None


class Outstanding(Struct, frozen=True):
    """How many ballots may still come (docs/bounds.md), by the register, by ballots declared as issued, and as an estimate.

    ``contradicted``: levels that the counts have overtaken, and which bound nothing.
    """

    register: Number | None
    issued: Number | None
    expected: Number | None
    contradicted: list[str]


class Flips(Struct, frozen=True, kw_only=True):
    """Votes that would put it on the other side: new ones, struck off, moved to another selection. Null: no number does."""

    flip_new_votes: Number | None = None
    flip_corrected_votes: Number | None = None
    flip_moved_votes: Number | None = None


class ThresholdSelection(Flips, frozen=True, kw_only=True):
    """Where a selection stands. ``decided_by``: the level that it rests on, null while it is open."""

    state: Literal["above", "below", "open", "decided-above", "decided-below", "exempt"]
    decided_by: str | None


class Entering(Struct, frozen=True):
    """Between how many and how many selections will pass."""

    minimum: Number
    maximum: Number


class ThresholdResult(Struct, frozen=True, kw_only=True):
    """A threshold over ``base``: who is over it, and whether outstanding ballots can change that."""

    share: str
    strict: bool
    base: str
    base_votes: Number
    votes_needed: Number
    exempt: list[str]
    minimum_parties: Number
    entering: Entering | None
    selections: dict[str, ThresholdSelection]


class SeatCount(Struct, frozen=True):
    """Seats as it stands, and what no outstanding ballot can take or give."""

    now: Number
    certain_min: Number
    certain_max: Number


class Tie(Struct, frozen=True):
    """Selections that lots must be drawn between, for how many seats."""

    selections: list[str]
    seats: Number
    at: Any


class Lots(Struct, frozen=True):
    """Ties that decide seats; never resolved by order."""

    selections: list[str]
    seats: Number
    ties: list[Tie]


class RuleShown(Struct, frozen=True):
    """The rule that seats or winner follow, with its law and how sure we are of it."""

    method: str
    seats: Number
    law: str | None
    certainty: str | None = None


class ConditionResult(Struct, frozen=True):
    """A condition of a majority or referendum, in words and numbers."""

    condition: str
    holds: bool
    part: Any
    of: Any
    state: Literal["open", "decided"]


class Runoff(Struct, frozen=True):
    """Who would go on to a second round."""

    selections: list[str]
    state: Literal["open", "decided"]


class ApportionmentResult(Struct, frozen=True, kw_only=True):
    """What the counts mean by the contest's rule. ``error``: why it cannot be computed; then nothing else is there."""

    rule: RuleShown
    error: str | None = None
    bounded_by: Literal["register", "issued"] | None = None
    seats: dict[str, SeatCount] | None = None
    unfilled: Number | None = None
    lots_required: Lots | None = None
    threshold: ThresholdResult | None = None
    thresholds: list[ThresholdResult] = []
    conditions: list[ConditionResult] = []
    accepted: bool | None = None
    state: Literal["open", "decided"] | None = None
    runoff: Runoff | None = None
    areas: dict[str, dict[str, Number]] = {}


class WinnerResult(Flips, frozen=True, kw_only=True):
    """The race of one seat. ``selection`` null: nothing counted, a tie (``tied``), or nobody elected yet."""

    selection: str | None
    tied: list[str]
    margin: Number
    state: Literal["open", "decided"]
    decided_by: str | None


class Projected(Struct, frozen=True):
    """A projected share of all votes with the ends of its interval."""

    share: Estimated
    lower: Estimated
    upper: Estimated


class Projection(Struct, frozen=True, kw_only=True):
    """A projection of the votes that are still out. It is no count and decides nothing; docs/projection.md says how it is made.

    ``interval``: how often it is meant to hold the end; ``areas``: how many it rests on; ``counted``: share of the votes expected.
    """

    method: str
    interval: str
    areas: Number
    votes_expected: Number
    counted: Estimated
    selections: dict[str, Projected]


class ContestResult(Struct, frozen=True, kw_only=True):
    """One contest. Under embargo it has ``embargoed_until`` and only the areas that are released before the whole."""

    contest: str
    status: ResultsStatus
    areas: list[AreaResult]
    embargoed_until: Time | None = None
    leading: Leading | None = None
    corrections: Corrections | None = None
    outstanding: Outstanding | None = None
    apportionment: ApportionmentResult | None = None
    winner: WinnerResult | None = None
    projection: Projection | None = None
    frozen: FrozenMark | None = None


class BodyParty(SeatCount, frozen=True):
    """A party's seats in a house, and how many of now come from contests of each method."""

    by_method: Figures


class Majority(Struct, frozen=True):
    """A line of the house: which party has it alone now, for certain, or still may."""

    seats: Number
    now: list[str]
    certain: list[str]
    possible: list[str]


class BodyResult(Struct, frozen=True, kw_only=True):
    """A house made of contests. ``parties`` null: not public yet, or a part of an electorate."""

    body: str
    seats: Number
    parties: dict[str, BodyParty] | None
    open: Number | None = None
    majorities: list[Majority] = []
    error: str | None = None
