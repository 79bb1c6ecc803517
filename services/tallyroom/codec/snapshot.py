"""What a snapshot holds, as types: schemas/v1/snapshot.schema.json and the OpenAPI document are made from here.

The results room makes documents of plain objects and gateways pass their bytes on, so nothing is encoded by these types. A test
validates real snapshots of whole nights against them with every unknown field refused: a field that is not described here
turns it red. Readers of a snapshot must ignore fields that they do not know; so the schema allows them.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tallyroom.codec.compared import DeclarationChanged, Differences, Impossible, OurFigures, Register, TurnoutArea
from tallyroom.codec.events import Control, Declaration, Environment, Estimate, Participation
from tallyroom.codec.shown import BodyResult, ContestResult, Correction, Figures, Names, Number, Sha256, Share, Time
from tallyroom.codec.snapshot_desk import Call, Released


class Hashes(Struct, frozen=True):
    """What the figures come from: hash of all documents, of the definition in force, the build, the start definition."""

    content: Sha256
    definition: Sha256
    build: str
    configuration: Sha256


class UnitApart(Struct, frozen=True, kw_only=True):
    """A unit in no total: its last report stands apart, or was refused and waits. ``at``: milliseconds."""

    unit: str
    area: str | None
    group: str | None
    state: Literal["held", "annulled", "not_opened", "cancelled", "waiting"]
    code: str | None
    reason: str | None
    voters_registered: Number | None
    ballots_cast: Number | None
    version: Number | None
    at: int | None


class UnitsApart(Struct, frozen=True, kw_only=True):
    """Units of a contest that are in no total: how many, by state, and by name."""

    contest: str
    count: Number
    states: Figures
    units: list[UnitApart]


class FlagShown(Struct, frozen=True, kw_only=True):
    """A doubt about accepted or refused figures. ``unit`` null: about the area."""

    code: str
    contest: str
    area: str
    unit: str | None
    text: str
    figures: dict[str, int]
    accepted: bool
    at: Time | None
    count_group: str | None = None
    version: Number | None = None
    partition: Number | None = None
    offset: Number | None = None


class Flags(Struct, frozen=True):
    """Plausibility flags: how many are open and settled, by code, and the newest."""

    open: Figures
    settled: Figures
    listed: list[FlagShown]


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
    fields: list[Any] = [(name, *given) if isinstance(given, tuple) else (name, given) for name, given in more.items()]
    for member, same in found.items():
        needed = len(same) == len(events) and all(item.required for item in same)
        fields.append((member, same[0].type) if needed else (member, same[0].type | None, None))
    return msgspec.defstruct(name, fields, kw_only=True, namespace={"__doc__": text})


TurnoutShown: Any = _shown(
    "TurnoutShown",
    "A turnout bulletin: beside the count, never in it. `turnout` as published, `share` of the register that is named.",
    Participation,
    share=Share | None,
    share_denominator=Register,
    flags=list[str],
)
EstimateShown: Any = _shown("EstimateShown", "An exit poll or projection of a pollster, once released.", Estimate)
DeclaredShown: Any = _shown(
    "DeclaredShown",
    "The authority's own word: an act (`declaration`) or totals of an area (`control`).",
    Declaration,
    Control,
    kind=str,
    computed=OurFigures | None,
    difference=Differences | None,
    agrees=bool | None,
    changed=DeclarationChanged | None,
    impossible=(Impossible | None, None),
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
    turnout_by_area: list[TurnoutArea]
    estimates: list[EstimateShown]
    declared: list[DeclaredShown]
    bodies: list[BodyResult]
    decided: dict[str, list[DecidedQuestion]]
    calls: list[Call]
    released: Released
    units_apart: list[UnitsApart]
    flags: Flags


class StreamRevision(Head, frozen=True, kw_only=True):
    """Data of a `revision` event of the stream: the whole (``full``) or what changed since the event before."""

    full: bool
    notes: Names | None = None
    attribution: Names | None = None
    turnout: list[TurnoutShown] | None = None
    turnout_by_area: list[TurnoutArea] | None = None
    estimates: list[EstimateShown] | None = None
    declared: list[DeclaredShown] | None = None
    bodies: list[BodyResult] | None = None
    decided: dict[str, list[DecidedQuestion]] | None = None
    calls: list[Call] | None = None
    released: Released | None = None
    units_apart: list[UnitsApart] | None = None
    flags: Flags | None = None


class ContestCorrections(Struct, frozen=True):
    """Every correction of a contest, in the order in which they were reported."""

    contest: str
    corrections: list[Correction]


class CorrectionsList(Struct, frozen=True, kw_only=True):
    """All corrections of the contests that were asked for."""

    election: str
    environment: Environment
    revision: Number
    contests: list[ContestCorrections]
    stale_since: Time | None = None


class UnitsApartList(Struct, frozen=True, kw_only=True):
    """All units apart of the contests that were asked for."""

    election: str
    environment: Environment
    revision: Number
    contests: list[UnitsApart]
    stale_since: Time | None = None


class UnitDefined(Struct, frozen=True, kw_only=True):
    """A unit as the definition has it."""

    id: str
    names: Names
    kind: str
    voters_registered: Number | None


class UnitParts(Struct, frozen=True):
    """How many parts of the unit are in its figures."""

    reported: Number
    expected: Number


class UnitReturn(Struct, frozen=True, kw_only=True):
    """The unit's newest accepted report in a contest. Figures are there only while they are in the totals."""

    contest: str
    area: str
    count_group: str | None
    state: Literal[
        "expected", "closed", "counted", "partial", "held", "annulled", "not_opened", "cancelled", "retracted", "embargoed",
        "frozen",
    ]  # fmt: skip
    version: Number | None = None
    kind: str | None = None
    reported_at: Time | None = None
    parts: UnitParts | None = None
    voters_registered: Number | None = None
    ballots: Figures = {}
    counts: Figures = {}


class UnitPage(Struct, frozen=True, kw_only=True):
    """A unit and what it said."""

    election: str
    environment: Environment
    revision: Number
    unit: UnitDefined
    contests: list[UnitReturn]


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """A revision that was shown. ``contests``: those that it changed."""

    revision: Number
    generated_at: Time
    clock: Time | None
    as_of: dict[str, dict[str, Number]]
    definition: Sha256
    hashes: Hashes
    contests: list[str]


class HistoryList(Struct, frozen=True, kw_only=True):
    """Revisions that this gateway has shown, oldest first. ``first``: how far back it remembers."""

    election: str
    environment: Environment
    revision: Number
    first: Number
    revisions: list[HistoryEntry]


class StreamCondition(Struct, frozen=True):
    """Data of a `condition` event of the stream: whether what was sent is current (``stale_since`` null)."""

    environment: Environment
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
