"""What may stand in the log, as the pure rooms see it: reports as a protocol, amendments as values, refusals by code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from tallyroom.domain.desk import Operator
from tallyroom.domain.election import ReportingUnit, Selection, SelectionStatus, SourceKey


class Kind(StrEnum):
    """Why a report was sent. Only a retraction changes what happens: it withdraws the unit's counts."""

    COUNTED = "counted"
    RECOUNT = "recount"
    REPEAT = "repeat"
    CORRECTION = "correction"
    RETRACTION = "retraction"


class Disposition(StrEnum):
    """What becomes of a unit's counts."""

    COUNTED = "counted"  # in the totals
    HELD = "held"  # in no total, with a reason, public; outstanding
    ANNULLED = "annulled"  # complete, in no total, shown apart
    NOT_OPENED = "not_opened"
    CANCELLED = "cancelled"


class Refusal(StrEnum):
    """Why an event went to quarantine. Each code is explained, with what to do, in docs/quarantine.md."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    SCHEMA = "schema"
    WRONG_PARTITION = "wrong_partition"
    WRONG_ELECTION = "wrong_election"
    WRONG_ENVIRONMENT = "wrong_environment"
    DEFINITION_MISMATCH = "definition_mismatch"
    UNKNOWN_CONTEST = "unknown_contest"
    UNKNOWN_UNIT = "unknown_unit"
    CLOSED_UNIT = "closed_unit"
    UNKNOWN_SOURCE = "unknown_source"
    WRONG_SOURCE = "wrong_source"
    UNKNOWN_COUNT_GROUP = "unknown_count_group"
    WRONG_ROUND = "wrong_round"
    UNKNOWN_SELECTION = "unknown_selection"
    MISSING_SELECTION = "missing_selection"
    UNKNOWN_MEASURE = "unknown_measure"
    MISSING_MEASURE = "missing_measure"
    ACCOUNTING = "accounting"
    CAST_OVER_REGISTERED = "cast_over_registered"
    PARTS = "parts"
    INVALID_SHARE = "invalid_share"  # this and the next five: only where the contest's plausibility says so
    SWING = "swing"
    DIGIT_JUMP = "digit_jump"
    ONE_SELECTION = "one_selection"
    EXACT_DOUBLE = "exact_double"
    EMPTIED = "emptied"
    EQUIVOCATION = "equivocation"
    INVALID_AMENDMENT = "invalid_amendment"
    UNKNOWN_AREA = "unknown_area"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    EXPIRED_KEY = "expired_key"
    OPERATORS = "operators"
    SOURCE_FROZEN = "source_frozen"


SOFT: Final = frozenset(
    {
        Refusal.ACCOUNTING, Refusal.PARTS, Refusal.CAST_OVER_REGISTERED, Refusal.INVALID_SHARE, Refusal.SWING,
        Refusal.DIGIT_JUMP, Refusal.ONE_SELECTION, Refusal.EXACT_DOUBLE, Refusal.EMPTIED,
    }
)  # fmt: skip
"""Refusals of figures that are implausible and yet can be counted: the report says whose they are, for which unit of which
contest, and every figure that a row needs. An operator may release such a report, and a source may be accepted with a flag:
then the flag of the same name stands beside the totals. All other refusals are hard: what they refuse has no place in a row
(unreadable, unknown unit or selection, a figure missing) or no right to one (wrong source, wrong log, a version taken)."""


RELEASABLE: Final = SOFT | {Refusal.EQUIVOCATION, Refusal.SOURCE_FROZEN}
"""What operators may release by name (docs/quarantine.md): soft refusals, the other content of a version that was taken, and what
a frozen source sent. Everything else has to be corrected where it came from, or the definition amended."""

FLAGGING: Final = frozenset({Refusal.ACCOUNTING})
"""What becomes a flag once a source is accepted with a flag: sheets that do not add up. Parts and registers still refuse, since
they catch typing errors (x 10) that such a source makes like any other."""


class Parts(Protocol):
    """How many of a unit's parts are in."""

    @property
    def reported(self) -> int: ...
    @property
    def expected(self) -> int: ...


class Event(Protocol):
    """What every event carries."""

    @property
    def id(self) -> str: ...
    @property
    def election(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def reported_at(self) -> datetime: ...


class Report(Event, Protocol):
    """A full replacement of one unit's counts in one contest (docs/events.md). The wire struct is one as it is:

    converting each of millions of reports into a second type measured 1.3 µs apiece, a tenth of the whole budget.
    """

    @property
    def contest(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def disposition(self) -> str: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def ballots(self) -> Mapping[str, int]: ...
    @property
    def registered(self) -> int | None: ...
    @property
    def parts(self) -> Parts | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def count_group(self) -> str | None: ...
    @property
    def round(self) -> int | None: ...
    @property
    def definition(self) -> str | None: ...
    @property
    def released(self) -> str | None: ...
    @property
    def release_reason(self) -> str | None: ...
    @property
    def operators(self) -> Sequence[str]: ...


class DeskAct(Event, Protocol):
    """A named act of the operators."""

    @property
    def act(self) -> str: ...
    @property
    def operators(self) -> Sequence[str]: ...
    @property
    def contest(self) -> str | None: ...
    @property
    def area(self) -> str | None: ...
    @property
    def selection(self) -> str | None: ...
    @property
    def target_source(self) -> str | None: ...
    @property
    def target(self) -> str | None: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def count_group(self) -> str | None: ...
    @property
    def version(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUnit:
    """A new unit; ``contests``: contest id -> area id."""

    unit: ReportingUnit
    contests: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseUnit:
    """The unit will not report (any more): no longer expected; what it reported stays. ``contest`` None: in all."""

    unit: str
    contest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenUnit:
    """A closed unit is expected again. ``contest`` None: in all."""

    unit: str
    contest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeUnits:
    """``units`` are counted with ``into``: closed, their registers added to it; what they reported is withdrawn."""

    units: tuple[str, ...]
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveUnit:
    """The unit belongs to another area of the contest, its counts with it."""

    unit: str
    contest: str
    area: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReregisterUnit:
    """The unit's register is another one."""

    unit: str
    registered: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSelection:
    """A new selection at the end of the contest's ballot."""

    contest: str
    selection: Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawSelection:
    """The selection no longer stands. ``counts_as``: "invalid", a selection id that inherits its votes, or None: shown as it is."""

    contest: str
    selection: str
    status: SelectionStatus = SelectionStatus.WITHDRAWN
    counts_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddKey:
    """The source signs with this key as well."""

    source: str
    key: SourceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKey:
    """The key vouches for nothing that stands behind this. ``revoked_at``: since when it is in other hands, for people."""

    source: str
    key: str
    revoked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOperator:
    """One more person who may decide at the desk."""

    operator: Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeOperator:
    """The operator's key proves nothing that stands behind this. ``revoked_at``: since when it is in other hands, for people."""

    operator: str
    revoked_at: datetime


Change = (
    AddUnit
    | CloseUnit
    | ReopenUnit
    | MergeUnits
    | MoveUnit
    | ReregisterUnit
    | AddSelection
    | WithdrawSelection
    | AddKey
    | RevokeKey
    | AddOperator
    | RevokeOperator
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A change of the definition, written to every partition. ``previous``: the chain hash it continues."""

    id: str
    previous: str
    changes: tuple[Change, ...] = field(default=())
