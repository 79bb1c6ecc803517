"""What a snapshot holds, as types: schemas/v1/snapshot.schema.json and the OpenAPI document are made from here.

The results room makes documents of plain objects and gateways pass their bytes on, so nothing is encoded by these types. A test
validates real snapshots of whole nights against them with every unknown field refused: a field that is not described here
turns it red. Readers of a snapshot must ignore fields that they do not know; so the schema allows them.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tallyroom.codec.events import Control, Declaration, Environment, Estimate, Participation, ResultsStatus

Number = Annotated[int, Meta(ge=0)]
Share = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]{6}$")]
"""A decimal string, six digits, never rounded across a line that decides something."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Names = dict[str, str]
"""Text by BCP 47 tag."""
Time = Annotated[datetime, Meta(tz=True)]
Figures = dict[str, Number]


class Hashes(Struct, frozen=True):
    """What the figures come from: hash of all documents, of the definition in force, the build, the start definition."""

    content: Sha256
    definition: Sha256
    build: str
    configuration: Sha256


class Leading(Struct, frozen=True):
    """Who leads (several: a tie) and by how many votes."""

    selections: list[str]
    margin: Number


class ShareDenominator(Struct, frozen=True):
    """What shares are shares ``of`` (names joined by +), and how many that are."""

    of: str
    value: Number


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


Pair = Annotated[list[Number], Meta(min_length=2, max_length=2)]
"""[before, now]."""


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
    fell: dict[str, Pair] = {}
    changed: dict[str, Pair] = {}


class Corrections(Struct, frozen=True):
    """How many accepted reports corrected figures, and the latest of them."""

    count: Number
    latest: list[Correction]


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


class Undone(Struct, frozen=True, kw_only=True):
    """A decision that a later correction undid, and the revision that did."""

    answer: str | int | bool
    by: str
    since: Time | None
    revision: Number
    until: Time | None
    until_revision: Number


class DecidedQuestion(Struct, frozen=True, kw_only=True):
    """A question that no outstanding ballot can change any more, since which revision. ``answer`` null: a correction opened it."""

    question: str
    selection: str | None
    answer: str | int | bool | None
    by: str | None
    since: Time | None
    revision: Number | None
    units_reported: Number | None
    units_expected: Number | None
    undone: list[Undone]


LEFT_OUT: Final = frozenset({"type", "election", "environment", "evidence", "ext", "operators"})
"""Members of an event that are not shown beside the counts."""


def _shown(name: str, text: str, *events: type[Struct], **more: Any) -> Any:
    """Events as they stand beside the counts: their fields without the envelope; what only some of them have is optional."""
    found: dict[str, list[Any]] = {}
    for event in events:
        for field in msgspec.structs.fields(event):
            if field.name not in LEFT_OUT | more.keys():
                found.setdefault(field.name, []).append(field)
    fields: list[Any] = list(more.items())
    for member, same in found.items():
        needed = len(same) == len(events) and all(item.required for item in same)
        fields.append((member, same[0].type) if needed else (member, same[0].type | None, None))
    return msgspec.defstruct(name, fields, kw_only=True, namespace={"__doc__": text})


TurnoutShown: Any = _shown("TurnoutShown", "A turnout bulletin: beside the count, never in it.", Participation)
EstimateShown: Any = _shown("EstimateShown", "An exit poll or projection of a pollster, once released.", Estimate)
DeclaredShown: Any = _shown(
    "DeclaredShown",
    "The authority's own word: an act (`declaration`) or totals of an area (`control`).",
    Declaration,
    Control,
    kind=str,
)


class Head(Struct, frozen=True, kw_only=True):
    """What every publication says of itself, and the contests that it holds."""

    election: str
    environment: Environment
    revision: Annotated[int, Meta(ge=1)]
    generated_at: Time
    clock: Time | None
    as_of: dict[str, dict[str, Number]]
    definition: Sha256
    store_id: str
    hashes: Hashes
    events: Figures
    quarantined: Figures
    contests: list[ContestResult]
    stale_since: Time | None = None


class Snapshot(Head, frozen=True, kw_only=True):
    """A published revision: the whole election, or the contests and areas that were asked for."""

    notes: Names
    attribution: Names
    turnout: list[TurnoutShown]
    estimates: list[EstimateShown]
    declared: list[DeclaredShown]
    bodies: list[BodyResult]
    decided: dict[str, list[DecidedQuestion]]


class StreamRevision(Head, frozen=True, kw_only=True):
    """Data of a `revision` event of the stream: the whole (``full``) or what changed since the event before."""

    full: bool
    notes: Names | None = None
    attribution: Names | None = None
    turnout: list[TurnoutShown] | None = None
    estimates: list[EstimateShown] | None = None
    declared: list[DeclaredShown] | None = None
    bodies: list[BodyResult] | None = None
    decided: dict[str, list[DecidedQuestion]] | None = None


class StreamCondition(Struct, frozen=True):
    """Data of a `condition` event of the stream: whether what was sent is current (``stale_since`` null)."""

    revision: Number
    stale_since: Time | None


class ElectionEntry(Struct, frozen=True):
    """An election that the gateway serves, with the addresses of its resources."""

    election: str
    environment: Environment
    names: Names
    revision: Number
    generated_at: Time
    definition: str
    snapshot: str
    stream: str


class Elections(Struct, frozen=True):
    """The elections that a gateway serves: one."""

    elections: list[ElectionEntry]


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was not answered (RFC 9457). docs/http.md lists every ``type``; further members depend on it."""

    type: Annotated[str, Meta(pattern="^urn:tallyroom:problem:[a-z-]+$")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    instance: str
