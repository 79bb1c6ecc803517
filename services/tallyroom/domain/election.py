"""The election definition: what is voted on, where, by which rule. Terms follow NIST SP 1500-100 v2.

Every type is a frozen value. `tallyroom.codec.definition` reads and writes them as JSON; `docs/definition.md` explains each field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.plausibility import Plausibility
from tallyroom.domain.rule import Allocation as Allocation
from tallyroom.domain.rule import Condition as Condition
from tallyroom.domain.rule import Join as Join
from tallyroom.domain.rule import Rule as Rule
from tallyroom.domain.rule import RunoffRule as RunoffRule
from tallyroom.domain.rule import Threshold as Threshold
from tallyroom.domain.sources import Signatures as Signatures
from tallyroom.domain.sources import Source as Source
from tallyroom.domain.sources import SourceKey as SourceKey

Names = Mapping[str, str]
"""Text by language tag (BCP 47), e.g. ``{"kk": "...", "ru": "...", "en": "..."}``."""


class Environment(StrEnum):
    """What the figures are. Nothing but ``live`` may ever be shown as a result of a real night without saying so."""

    LIVE = "live"
    TEST = "test"
    SIMULATION = "simulation"


class Scope(StrEnum):
    """Whether the definition covers the electorate that its rules are about."""

    WHOLE = "whole"
    PART = "part"  # shows no threshold, seats or house: a part of the votes cannot say


class UnitKind(StrEnum):
    """Kinds of reporting units."""

    PRECINCT = "precinct"
    POSTAL = "postal"
    OVERSEAS = "overseas"
    ADVANCE = "advance"
    CONTROL = "control"


class Role(StrEnum):
    """What a selection stands for. Only parties and candidates can lead, win or take seats."""

    PARTY = "party"
    CANDIDATE = "candidate"
    AGAINST_ALL = "against_all"
    BLANK = "blank"
    OTHER = "other"  # an aggregate or placeholder


class SelectionStatus(StrEnum):
    """Whether a selection still stands."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A region, constituency, municipality ...: a node of the unit tree above the reporting units."""

    id: str
    level: str
    names: Names
    codes: Mapping[str, str] = field(default_factory=dict)  # e.g. {"iso_3166_2": "KZ-71"}
    time_zone: str | None = None  # IANA name with the offset rules of the election's day
    registered: int | None = None  # the authority's register of the area, where it differs from the sum of its units
    weight: str = "1"  # how much it counts where a condition asks for a number of areas: "1/2" for a Swiss half-canton
    notes: Names = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterPool:
    """The smallest set of units that its voters cannot leave; bounds on outstanding ballots are made per pool.

    ``registered`` C, every voter of it; ``may_be_added`` G, voters who may still be added on the day; ``may_vote_away`` W, ballots
    that may surface away from home, at units without a roll too. None: unknown, and then no bound that needs it is stated.
    """

    id: str
    names: Names = field(default_factory=dict)
    registered: int | None = None
    may_be_added: int | None = None
    may_vote_away: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingUnit:
    """A precinct, polling station, tally sheet ...: the smallest thing that reports. ``registered`` None: no roll that is known."""

    id: str
    kind: UnitKind = UnitKind.PRECINCT
    names: Names = field(default_factory=dict)
    registered: int | None = None
    pool: str | None = None
    time_zone: str | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A party, list, candidate or other choice on the ballot. ``parent``: candidate -> list -> alliance."""

    id: str
    names: Names
    role: Role = Role.PARTY
    status: SelectionStatus = SelectionStatus.ACTIVE
    abbreviations: Names = field(default_factory=dict)
    colour: str | None = None  # #rrggbb
    parent: str | None = None
    party: str | None = None  # of a candidate: the party's id, for houses made of several contests
    counts_as: str | None = None  # of a withdrawn selection: "invalid", or the selection that inherits its votes
    list_candidates: int | None = None  # candidates on the list: the most seats it can fill
    labels: tuple[str, ...] = ()  # e.g. "placeholder", "winner-from-memory"


class Relation(StrEnum):
    """How a total relates to the sum of its parts."""

    EQUAL = "="
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """``total relation sum(parts)``; names are measures, or ``selections`` for the sum of the counts."""

    total: str
    parts: tuple[str, ...]
    relation: Relation = Relation.EQUAL


class CandidateVotes(StrEnum):
    """Whether candidate votes are part of their list's votes or come on top of them."""

    INSIDE = "inside"
    BESIDE = "beside"


class Severity(StrEnum):
    """What happens to a report that breaks a rule."""

    ERROR = "error"  # quarantined
    WARNING = "warning"  # accepted and flagged


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Which figures besides the counts a report carries, and how they must add up.

    ``measures``: names of the ballot figures, from cast, issued, valid, invalid, blank, null, challenged (others allowed).
    ``cast``: the measure that is shown as ballots cast. ``share_base``: what shares are shares of, a sum of measures and/or
    ``selections``. ``marks_per_ballot`` > 1 relaxes ``valid = selections`` to ``selections <= marks x valid``.
    """

    measures: tuple[str, ...]
    cast: str | None
    share_base: tuple[str, ...] = ("selections",)
    identities: tuple[Identity, ...] = ()
    marks_per_ballot: int = 1
    candidate_votes: CandidateVotes = CandidateVotes.INSIDE
    cast_over_registered: Severity = Severity.WARNING
    labels: Mapping[str, Names] = field(default_factory=dict)  # measure -> what it really is


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousCounts:
    """An earlier result of an area or unit, for swing."""

    counts: Mapping[str, int]
    base: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousResult:
    """The contest's earlier result, matched to today's selections, areas and units."""

    names: Names
    areas: Mapping[str, PreviousCounts] = field(default_factory=dict)
    units: Mapping[str, PreviousCounts] = field(default_factory=dict)


class ReleaseKind(StrEnum):
    """What an embargo is about."""

    COUNTS = "counts"
    TURNOUT = "turnout"
    ESTIMATES = "estimates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """When something of a contest may become public; None: all areas, all kinds. The most particular one holds."""

    at: datetime
    area: str | None = None
    kind: ReleaseKind | None = None


class Closure(StrEnum):
    """Why a unit is no longer expected."""

    CLOSED = "closed"  # what it reported stays
    MERGED = "merged"  # counted with another unit: what it reported is withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One question put to voters, with its own unit set and area tree.

    ``areas``: area id -> parent area id (None for the root: exactly one). ``units``: reporting unit id -> area id.
    ``source``: the one authoritative source of its reports; ``unit_sources`` names another one for single units.
    """

    id: str
    names: Names
    selections: tuple[Selection, ...]
    accounting: Accounting
    areas: Mapping[str, str | None]
    units: Mapping[str, str]
    source: str
    unit_sources: Mapping[str, str] = field(default_factory=dict)
    rule: Rule | None = None
    release_at: datetime | None = None
    releases: tuple[Release, ...] = ()
    round: int | None = None
    count_groups: tuple[str, ...] = ()
    closed_units: Mapping[str, Closure] = field(default_factory=dict)  # units that are no longer expected
    previous: PreviousResult | None = None
    plausibility: Plausibility | None = None  # None: the defaults
    labels: tuple[str, ...] = ()
    notes: Names = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority:
    """A majority line of a body."""

    seats: int
    names: Names


class Overhang(StrEnum):
    """What becomes of districts won beyond a party's share of a compensatory house (`tallyroom.apportionment.mixed`)."""

    KEPT = "kept"  # the house grows by them
    LEVELLED = "levelled"  # the house grows until shares hold again
    ABSORBED = "absorbed"  # the other parties' list seats shrink
    DROPPED = "dropped"  # the winners stay out


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """District seats are counted against the share of the whole house that ``lists`` (a contest of the body) gives.

    ``tolerated`` seats of overhang are not levelled; ``largest``: the largest house that levelling may lead to.
    """

    lists: str
    overhang: Overhang = Overhang.KEPT
    tolerated: int = 0
    largest: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A house made of contests. ``parties``: selection id of any contest -> party id under which its seats are added.

    Contests stand beside each other (Kazakhstan: 69 + 29) unless ``compensation`` says that lists make up for districts.
    ``weights``: seats that a contest's winner takes at once, where it is not the contest's own number (an electoral college).
    """

    id: str
    names: Names
    seats: int
    contests: tuple[str, ...]
    majorities: tuple[Majority, ...] = ()
    parties: Mapping[str, str] = field(default_factory=dict)
    party_names: Mapping[str, Names] = field(default_factory=dict)  # of parties that are no selection anywhere
    weights: Mapping[str, int] = field(default_factory=dict)
    compensation: Compensation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole election as its night starts. Amendments in the log change it (`tallyroom.domain.events.Amendment`)."""

    election: str
    environment: Environment
    names: Names
    date: date
    time_zones: tuple[str, ...]
    languages: tuple[str, ...]
    sources: tuple[Source, ...]
    areas: tuple[Area, ...]
    units: tuple[ReportingUnit, ...]
    contests: tuple[Contest, ...]
    scope: Scope = Scope.WHOLE
    pools: tuple[VoterPool, ...] = ()
    bodies: tuple[Body, ...] = ()
    release_at: datetime | None = None
    polls_close: str | None = None  # "20:00" by the clocks of each unit's place, for units that do not say when
    attribution: Names = field(default_factory=dict)  # who made the figures, under which licence
    notes: Names = field(default_factory=dict)  # shown wherever the figures are shown
    signatures: Signatures = Signatures.NONE
    desk: DeskRules | None = None
    schema: str = "tallyroom.definition/v1"

    @property
    def persons(self) -> int:
        """How many different people an act of the desk must name."""
        if self.desk is not None and self.desk.persons is not None:
            return self.desk.persons
        return 2 if self.environment is Environment.LIVE else 1

    @property
    def operators(self) -> tuple[Operator, ...]:
        """Who may decide at the desk, each by a key; none: names are text."""
        return () if self.desk is None else self.desk.operators
