"""Wire form of every event that may stand in the log. docs/events.md explains each field; schemas/v1 is made from here.

One JSON object an event, ``type`` names which. Unknown fields are refused; ``ext`` is the only place for them.
Times are RFC 3339 with a zone. A report is a full replacement of one unit's counts in one contest.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tallyroom.codec.strict import strict
from tallyroom.domain import events as domain
from tallyroom.domain.desk import Operator
from tallyroom.domain.election import ReportingUnit, Selection, SelectionStatus, SourceKey

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Count = Annotated[int, Meta(ge=0, le=10**12)]
"""A figure. The bound keeps the sum of four million units within 64 bits: a typing error must not overflow a total."""
Time = Annotated[datetime, Meta(tz=True)]
Environment = Literal["live", "test", "simulation"]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
"""SHA-256, lower-case hex."""
Place = Annotated[str, Meta(pattern=r"^[0-9]{1,9}:[0-9]{1,18}$(?!\n)")]
"""PARTITION:OFFSET of a record in the events topic."""
Figures = dict[Id, Count]
Text = Annotated[str, Meta(max_length=4096)]
Names = dict[str, str]
Share = Annotated[str, Meta(pattern=r"^(0(\.[0-9]{1,12})?|1(\.0{1,12})?)$(?!\n)")]
"""A share as a decimal string between 0 and 1."""

MAX_DEPTH: Final = 32
MAX_DETAIL: Final = 1000
MAX_EVENT_BYTES: Final = 1_000_000
"""Largest event: Kafka's own default limit of a message. Checked before anything is parsed."""


class Evidence(Struct, frozen=True, forbid_unknown_fields=True):
    """A document behind an event: its SHA-256 (hex) and where it can be had."""

    sha256: Hash
    url: str


class PartsIn(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """How many parts of the unit are in these counts."""

    reported: Count
    expected: Annotated[int, Meta(ge=1, le=2**31)]


class Previous(Struct, frozen=True, forbid_unknown_fields=True):
    """What the source says the figures were before this version."""

    counts: Figures = {}
    ballots: Figures = {}


class Event(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What every event carries. ``reported_at`` is election time: when the source said so."""

    id: Id
    election: Id
    environment: Environment
    source: Id
    reported_at: Time
    evidence: tuple[Evidence, ...] = ()
    ext: dict[str, Any] = {}


class Report(Event, frozen=True, kw_only=True, tag="report", omit_defaults=True):
    """One unit's counts in one contest, replacing all earlier versions. ``registered`` only if it changed."""

    contest: Id
    unit: Id
    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    counts: Figures
    ballots: Figures = {}
    kind: Literal["counted", "recount", "repeat", "correction", "retraction"] = "counted"
    disposition: Literal["counted", "held", "annulled", "not_opened", "cancelled"] = "counted"
    registered: Count | None = None
    parts: PartsIn | None = None
    count_group: Id | None = None
    round: Annotated[int, Meta(ge=1, le=99)] | None = None
    reason: Text | None = None
    previous: Previous | None = None
    definition: Hash | None = None
    released: Place | None = None  # a quarantined report sent again by decision of ``operators``
    release_reason: Text | None = None
    operators: tuple[str, ...] = ()


class Participation(Event, frozen=True, kw_only=True, tag="participation", omit_defaults=True):
    """A turnout bulletin: ballots issued or cast in an area or unit by a time. Never mixed with counts.

    ``turnout``: as published, where no count was (a decimal share of ``registered``).
    """

    measure: Literal["issued", "cast"]
    as_of: Time
    area: Id | None = None
    unit: Id | None = None
    contest: Id | None = None
    ballots: Count | None = None
    registered: Count | None = None
    turnout: Share | None = None
    version: Annotated[int, Meta(ge=1)] = 1


class Control(Event, frozen=True, kw_only=True, tag="control", omit_defaults=True):
    """A total that the authority declares for an area: shown beside ours and compared, never summed."""

    contest: Id
    area: Id
    counts: Figures = {}
    ballots: Figures = {}
    registered: Count | None = None
    units_reported: Count | None = None
    round: Annotated[int, Meta(ge=1, le=99)] | None = None
    version: Annotated[int, Meta(ge=1)] = 1


class Estimate(Event, frozen=True, kw_only=True, tag="estimate", omit_defaults=True):
    """An exit poll or projection by a named pollster: apart from counts in every output, from ``release_at`` on."""

    pollster: Id
    names: Names
    method: Literal["exit_poll", "projection", "quick_count", "poll"]
    contest: Id
    release_at: Time
    shares: dict[Id, Share]
    area: Id | None = None
    turnout: Share | None = None
    sample: Count | None = None
    places: Count | None = None
    margin: Share | None = None
    commissioner: str | None = None
    version: Annotated[int, Meta(ge=1)] = 1


ResultsStatus = Literal[
    "pre-election", "unofficial-partial", "unofficial-complete", "certified", "correction", "recount", "suspended",
    "annulled", "uncontested", "postponed",
]  # fmt: skip


class Declaration(Event, frozen=True, kw_only=True, tag="declaration", omit_defaults=True):
    """An act of the authority about a contest, area or body."""

    act: Literal[
        "result", "winner", "seats", "status", "certification", "suspension", "annulment", "postponement",
        "uncontested", "recount", "embargo_lifted", "embargo_extended",
    ]  # fmt: skip
    final: bool = False
    contest: Id | None = None
    area: Id | None = None
    body: Id | None = None
    kind: Literal["counts", "turnout", "estimates"] | None = None  # of an embargo: what it is about; None: everything
    status: ResultsStatus | None = None
    winner: Id | None = None
    winners: tuple[Id, ...] = ()  # where several win
    elected: tuple[Id, ...] = ()  # who takes a seat, where that is not the same as winning (Germany since 2023)
    seats: Figures = {}
    release_at: Time | None = None
    text: Names = {}
    operators: tuple[str, ...] = ()  # who entered it, if the desk did


class Desk(Event, frozen=True, kw_only=True, tag="desk", omit_defaults=True):
    """A named, timed act of the operator. ``operators``: who did it (two by default when live)."""

    act: Literal["freeze", "thaw", "release", "reject", "accept_with_flag", "accept_strictly", "call", "uncall"]
    operators: Annotated[tuple[str, ...], Meta(min_length=1)]
    contest: Id | None = None
    area: Id | None = None
    unit: Id | None = None
    count_group: Id | None = None
    selection: Id | None = None
    target_source: Id | None = None
    target: Place | None = None  # of release and reject: where the quarantined event stands
    version: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None  # of reject: the report's, where it has a unit
    text: Names = {}
    reason: Text | None = None


_UnitWire: Any = strict(ReportingUnit)
_SelectionWire: Any = strict(Selection)
_KeyWire: Any = strict(SourceKey)
_OperatorWire: Any = strict(Operator)


class _Change(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="change", omit_defaults=True):
    """One change of the definition."""


class AddUnit(_Change, frozen=True, kw_only=True, tag="add_unit"):
    """A unit that the definition did not know; ``contests``: contest id -> area id."""

    unit: _UnitWire
    contests: dict[str, Id]


class CloseUnit(_Change, frozen=True, kw_only=True, tag="close_unit"):
    """The unit will not report any more; what it reported stays."""

    unit: Id
    contest: Id | None = None


class ReopenUnit(_Change, frozen=True, kw_only=True, tag="reopen_unit"):
    """A unit that was closed by mistake is expected again (a merged one is not: its register is another unit's)."""

    unit: Id
    contest: Id | None = None


class MergeUnits(_Change, frozen=True, kw_only=True, tag="merge_units"):
    """The units are counted with another one from now on."""

    units: Annotated[tuple[Id, ...], Meta(min_length=1)]
    into: Id


class MoveUnit(_Change, frozen=True, kw_only=True, tag="move_unit"):
    """The unit belongs to another area of the contest."""

    unit: Id
    contest: Id
    area: Id


class ReregisterUnit(_Change, frozen=True, kw_only=True, tag="reregister_unit"):
    """The unit's register is another one."""

    unit: Id
    registered: Count | None


class AddSelection(_Change, frozen=True, kw_only=True, tag="add_selection"):
    """A selection that the definition did not know, at the end of the ballot."""

    contest: Id
    selection: _SelectionWire


class WithdrawSelection(_Change, frozen=True, kw_only=True, tag="withdraw_selection", omit_defaults=True):
    """The selection no longer stands; ``counts_as`` says what its votes count as."""

    contest: Id
    selection: Id
    status: SelectionStatus = SelectionStatus.WITHDRAWN
    counts_as: Id | None = None


class AddKey(_Change, frozen=True, kw_only=True, tag="add_key"):
    """The source signs with this key as well."""

    source: Id
    key: _KeyWire


class RevokeKey(_Change, frozen=True, kw_only=True, tag="revoke_key"):
    """The key vouches for nothing that stands behind this; ``revoked_at``: since when it is in other hands."""

    source: Id
    key: Id
    revoked_at: Time


class AddOperator(_Change, frozen=True, kw_only=True, tag="add_operator"):
    """One more person who may decide at the desk."""

    operator: _OperatorWire


class RevokeOperator(_Change, frozen=True, kw_only=True, tag="revoke_operator"):
    """The operator's key proves nothing that stands behind this; ``revoked_at``: since when it is in other hands."""

    operator: Id
    revoked_at: Time


_UnitChange = AddUnit | CloseUnit | ReopenUnit | MergeUnits | MoveUnit | ReregisterUnit
Change = _UnitChange | AddSelection | WithdrawSelection | AddKey | RevokeKey | AddOperator | RevokeOperator


class Amendment(Event, frozen=True, kw_only=True, tag="amendment", omit_defaults=True):
    """A change of the definition, written to every partition. ``previous``: the chain hash that it continues."""

    previous: Hash
    changes: Annotated[tuple[Change, ...], Meta(min_length=1)]
    reason: Text | None = None
    operators: tuple[str, ...] = ()

    def to_domain(self) -> domain.Amendment:
        """The same, as the pure rooms know it."""
        changes = tuple(
            msgspec.convert(change, getattr(domain, type(change).__name__), from_attributes=True)
            for change in self.changes
        )
        return domain.Amendment(id=self.id, previous=self.previous, changes=changes)


AnyEvent = Report | Amendment | Participation | Control | Estimate | Declaration | Desk
Aside = Participation | Control | Estimate | Declaration | Desk
"""Events that change no total: kept in the partition's journal for the results that need them."""

EVENT_TYPES: Final = (Report, Amendment, Participation, Control, Estimate, Declaration, Desk)
_decoder: Final = msgspec.json.Decoder(AnyEvent)
_encoder: Final = msgspec.json.Encoder()


class Undecodable(ValueError):
    """The bytes are no event. ``refusal`` is the code for the quarantine; the text says where and why."""

    def __init__(self, refusal: domain.Refusal, detail: str) -> None:
        super().__init__(detail)
        self.refusal = refusal


decode_known: Final = _decoder.decode
"""The bare decoder for hot loops: raises msgspec.DecodeError, UnicodeDecodeError or RecursionError, which ``explain`` names."""


def decode_event(data: bytes) -> AnyEvent:
    """The event in ``data``. Raises Undecodable."""
    if len(data) > MAX_EVENT_BYTES:
        raise Undecodable(domain.Refusal.TOO_LARGE, f"{len(data)} bytes, at most {MAX_EVENT_BYTES} are taken")
    try:
        event: AnyEvent = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explain(error) from error
    if event.ext and not fits(event.ext):
        raise too_deep()
    return event


def explain(error: Exception) -> Undecodable:
    """What a failure of the decoder means: valid JSON that does not fit the schema, or no JSON at all."""
    if isinstance(error, msgspec.ValidationError):
        return Undecodable(domain.Refusal.SCHEMA, str(error)[:MAX_DETAIL])
    if isinstance(error, RecursionError):
        return too_deep()
    return Undecodable(domain.Refusal.NOT_JSON, str(error)[:MAX_DETAIL])


def too_deep() -> Undecodable:
    """Nesting that the decoder would accept or refuse depending on its own stack: one verdict for every worker."""
    return Undecodable(domain.Refusal.SCHEMA, f"`ext` is nested more than {MAX_DEPTH} levels deep")


def fits(ext: dict[str, Any]) -> bool:
    """Whether an ``ext`` object stays within the depth that is taken: objects and arrays within each other, itself included."""
    level: list[dict[str, Any] | list[Any]] = [ext]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False


def encode_event(event: AnyEvent) -> bytes:
    """The event as JSON: fields in schema order, defaults left out."""
    encoded: bytes = _encoder.encode(event)
    return encoded


def everywhere(event: AnyEvent) -> bool:
    """Whether the event is written to every partition, since verdicts of each may depend on it: amendments, acts about a source."""
    return isinstance(event, Amendment) or (isinstance(event, Desk) and event.target_source is not None)


def partition_key(event: AnyEvent) -> bytes:
    """The record key: contest|unit of the payload; for events without a unit contest|area, or the pollster.

    Amendments and acts about a source have no key of their own: they are written to every partition.
    """
    match event:
        case Report():
            text = f"{event.contest}|{event.unit}"
        case Desk() if event.target_source is not None:
            text = "desk"
        case Desk() if event.unit is not None:
            text = f"{event.contest or ''}|{event.unit}"
        case Participation():
            text = f"{event.contest or ''}|{event.unit or event.area or ''}"
        case Estimate():
            text = event.pollster
        case Amendment():
            text = "amendment"
        case _:
            text = f"{event.contest or ''}|{event.area or ''}"
    return text.encode()
