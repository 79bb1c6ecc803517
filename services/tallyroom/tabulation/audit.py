"""The verdicts once more, for the auditor: every rule written down a second time, plainly, from the documents.

Nothing here is shared with the fold that makes the totals but the definition, how an amendment changes it, and the opinion of the
plausibility rules where a contest's definition lets one refuse. The rules are
those of docs/exactly-once.md and docs/quarantine.md, in the order in which they are asked there; speed is no aim. A rule that
one of the two readings has and the other lacks shows as a difference (tests/property/test_audit.py).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final
from unicodedata import normalize

from tallyroom.domain.election import CandidateVotes, Contest, Definition, Relation, Severity
from tallyroom.domain.events import Amendment, Event, Refusal, Report
from tallyroom.domain.partition import partition_of
from tallyroom.domain.plausibility import Plausibility
from tallyroom.tabulation.amend import AmendmentError, amend
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.recount import Held, Key, Register, Sheet, fallen
from tallyroom.tabulation.suspicion import suspicion

_SINCE: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNTIL: Final = datetime(2100, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_SELECTIONS: Final = "selections"  # in an identity: all votes

Objection = tuple[Refusal, bool]
"""A reason to refuse, and whether it holds."""


class Book:
    """What one partition's prefix amounts to: newest accepted report of every unit, refusals by reason, fate of every event."""

    def __init__(self, definition: Definition, chain: str, partition: int, partitions: int) -> None:
        self.partition, self.partitions = partition, partitions
        self.chains = {chain}
        self.units: dict[Key, Held] = {}
        self.refusals: Counter[Refusal] = Counter()
        self.fates: Counter[str] = Counter()
        self.clock = 0  # newest election time, ms since 1970
        self.frozen: set[str] = set()  # sources whose reports wait
        self.flagging: set[str] = set()  # sources whose sheets count although they do not add up
        self._said: dict[str, bytes] = {}  # content of every accepted event that is no report, by id
        self._judge_by(definition, chain)

    def _judge_by(self, definition: Definition, chain: str) -> None:
        self.definition, self.chain = definition, chain
        self.plan = Plan(definition, chain)  # for what is asked of the same code: signatures and plausibility
        self.chains.add(chain)
        self.sheets = {contest.id: Sheet(contest) for contest in definition.contests}
        self._contests = {contest.id: contest for contest in definition.contests}
        self._registers = {unit.id: unit.registered for unit in definition.units}
        self._areas = {area.id for area in definition.areas}
        self._may_send = {source.id: source.may_report for source in definition.sources}

    def refuse(self, refusal: Refusal) -> Refusal:
        """Count a refusal."""
        self.refusals[refusal] += 1
        return refusal

    # -- reports

    def report(self, report: Report) -> Refusal | str:
        """Judge a report and keep it if it is its unit's newest: the refusal, or what became of it."""
        objections: tuple[Callable[[Report], Iterator[Objection]], ...] = (
            self._place, self._origin, self._figures, self._plausible,
        )  # fmt: skip
        for part in objections:
            for refusal, holds in part(report):
                if holds:
                    return self.refuse(refusal)
        return self._newer(report)

    def _place(self, report: Report) -> Iterator[Objection]:
        """Does the report belong here at all?"""
        yield Refusal.WRONG_ELECTION, report.election != self.definition.election
        yield Refusal.WRONG_ENVIRONMENT, report.environment != str(self.definition.environment)
        contest = self._contests.get(report.contest)
        yield Refusal.UNKNOWN_CONTEST, contest is None
        groups = self._contests[report.contest].count_groups
        unknown = report.count_group not in groups if groups else report.count_group is not None
        yield Refusal.UNKNOWN_COUNT_GROUP, unknown
        yield Refusal.WRONG_PARTITION, self._misplaced(f"{report.contest}|{report.unit}".encode())
        yield Refusal.UNKNOWN_UNIT, report.unit not in self._contests[report.contest].units

    def _misplaced(self, key: bytes) -> bool:
        return partition_of(key, self.partitions) != self.partition

    def _origin(self, report: Report) -> Iterator[Objection]:
        """May this source say this here, now?"""
        contest = self._contests[report.contest]
        expected = contest.unit_sources.get(report.unit, contest.source)
        yield Refusal.UNKNOWN_SOURCE, report.source != expected and report.source not in self._may_send
        yield Refusal.WRONG_SOURCE, report.source != expected
        yield Refusal.DEFINITION_MISMATCH, report.definition is not None and report.definition not in self.chains
        yield Refusal.WRONG_ROUND, report.round is not None and report.round != contest.round
        yield Refusal.CLOSED_UNIT, report.unit in contest.closed_units
        if report.released is not None or report.operators:
            yield Refusal.OPERATORS, self._too_few(report.operators)
        else:
            yield Refusal.SOURCE_FROZEN, report.source in self.frozen

    def _too_few(self, operators: Sequence[str]) -> bool:
        """Whether the decision lacks different people: spelling, width and spacing of a name make no other person."""
        names = [" ".join(normalize("NFKC", name).casefold().split()) for name in operators]
        different = set(names) - {""}
        return len(different) < len(names) or len(different) < self.definition.persons

    def unsigned(self, event: Event | Report, kind: str, signed: Sequence[str]) -> bool:
        """Whether people decided this, the definition knows their keys, and not exactly those have signed whom it names.

        ``signed``: for each signature that came with the record the operator whose it is; empty if it does not hold.
        """
        operators = self.definition.operators
        named: Sequence[str] = getattr(event, "operators", ())
        decided = kind in ("desk", "amendment") or named or getattr(event, "released", None) is not None
        if not operators or not decided:
            return False
        able = {operator.id for operator in operators if operator.revoked_at is None}
        return Counter(signed) != Counter(set(named)) or not able.issuperset(named)

    def _figures(self, report: Report) -> Iterator[Objection]:
        """Is every figure there, none unknown, and do those that count add up?"""
        contest = self._contests[report.contest]
        if _says_nothing(report):
            return
        selections, measures = self.sheets[contest.id].selections, self.sheets[contest.id].measures
        yield Refusal.UNKNOWN_SELECTION, any(name not in selections for name in report.counts)
        yield Refusal.UNKNOWN_MEASURE, any(name not in measures for name in report.ballots)
        yield Refusal.MISSING_SELECTION, any(name not in report.counts for name in selections)
        yield Refusal.MISSING_MEASURE, any(name not in report.ballots for name in measures)
        if _counts(report) and report.released is None and report.source not in self.flagging:
            yield Refusal.ACCOUNTING, not all(adds_up(contest, {**report.ballots, **report.counts}))

    def _plausible(self, report: Report) -> Iterator[Objection]:
        """Can it be so?"""
        yield Refusal.SCHEMA, not _SINCE < report.reported_at < _UNTIL
        if report.released is not None:
            return  # operators looked at it
        yield Refusal.PARTS, report.parts is not None and report.parts.reported > report.parts.expected
        contest = self._contests[report.contest]
        cast, register = contest.accounting.cast, report.registered
        if register is None:
            register = self._registers[report.unit]
        if (
            contest.accounting.cast_over_registered is Severity.ERROR
            and cast is not None
            and register is not None
            and not contest.count_groups
            and _counts(report)
        ):
            tolerance = 1 + Fraction((contest.plausibility or Plausibility()).over_register)
            yield Refusal.CAST_OVER_REGISTERED, report.ballots[cast] > int(register * tolerance)

    def _newer(self, report: Report) -> Refusal | str:
        """The unit rule: newer wins, older is late, the same version must say the same."""
        sheet = self.sheets[report.contest]
        key = (report.contest, report.unit, report.count_group)
        held, before = _held(report, sheet), self.units.get(key)
        if before is not None and held.version < before.version:
            return self._met("late")
        if before is not None and held.version == before.version:
            if _same(before, held):
                return self._met("duplicates")
            if report.released is None:  # else operators said which of two contents is right
                return self.refuse(Refusal.EQUIVOCATION)
        if report.released is None:
            doubt = suspicion(self.plan, key, (before, held), explained=report.reason is not None)
            if doubt is not None:
                return self.refuse(doubt.refusal)
        self.units[key] = held
        self.clock = max(self.clock, held.at)
        if before is not None:
            self.fates["superseded"] += 1
            self.fates["decreases"] += len(fallen(sheet, report.unit, self.register(key), before, held))
        return self._met("accepted")

    def register(self, key: Key) -> Register:
        """The defined register behind a leaf: its unit's, with the unit's first count group only."""
        contest, unit, group = key
        secondary = group is not None and group != self._contests[contest].count_groups[0]
        return Register(0 if secondary else self._registers[unit], secondary)

    def _met(self, fate: str) -> str:
        self.fates[fate] += 1
        return fate

    # -- everything else

    def aside(self, event: Event, kind: str, key: bytes | None, content: bytes) -> Refusal | str:
        """Judge an event that changes no total.

        ``key``: where it belongs, None: in every partition; ``content``: what makes two of one id the same.
        """
        refusal = self._objection(event, kind, key, content)
        if refusal is not None:
            return refusal
        self._said[event.id] = content
        self.clock = max(self.clock, milliseconds(event.reported_at))
        if kind == "desk":
            self._obey(event)
        return self._met("aside")

    def _obey(self, event: Event) -> None:
        """Acts about a source change what is taken of it from here on."""
        act, source = (getattr(event, name, None) for name in ("act", "target_source"))
        into = self.frozen if act in ("freeze", "thaw") else self.flagging
        if source is not None and act in ("freeze", "accept_with_flag"):
            into.add(source)
        if source is not None and act in ("thaw", "accept_strictly"):
            into.discard(source)

    def amendment(self, event: Event, change: Amendment, chain: str, content: bytes) -> Refusal | str:
        """Judge an amendment, which stands in every partition, and read on by the definition that it makes."""
        refusal = self._objection(event, "amendment", None, content)
        if refusal is not None:
            return refusal
        if change.previous != self.chain:
            return self.refuse(Refusal.INVALID_AMENDMENT)
        try:
            self._judge_by(amend(self.definition, change), chain)
        except AmendmentError:
            return self.refuse(Refusal.INVALID_AMENDMENT)
        self._said[event.id] = content
        return self._met("amendments")

    def _objection(self, event: Event, kind: str, key: bytes | None, content: bytes) -> Refusal | str | None:
        """Why the event is not taken, if it is not: known already, or refused."""
        if event.id in self._said:
            same = self._said[event.id] == content
            return self._met("duplicates") if same else self.refuse(Refusal.EQUIVOCATION)
        for refusal, holds in self._aside_objections(event, kind, key):
            if holds:
                return self.refuse(refusal)
        return None

    def _aside_objections(self, event: Event, kind: str, key: bytes | None) -> Iterator[Objection]:
        yield Refusal.WRONG_PARTITION, key is not None and self._misplaced(key)
        yield Refusal.WRONG_ELECTION, event.election != self.definition.election
        yield Refusal.WRONG_ENVIRONMENT, event.environment != str(self.definition.environment)
        yield Refusal.UNKNOWN_SOURCE, event.source not in self._may_send
        yield Refusal.WRONG_SOURCE, kind not in self._may_send[event.source]
        yield Refusal.SCHEMA, not 1970 < event.reported_at.year < 2100
        said: dict[str, Any] = {name: getattr(event, name, None) for name in _NAMED}
        if kind == "participation":
            empty = said["ballots"] is None and said["turnout"] is None
            yield Refusal.SCHEMA, empty or (said["area"] is not None and said["unit"] is not None)
        if kind == "desk" or said["operators"] or (kind == "amendment" and self.definition.operators):
            yield Refusal.OPERATORS, self._too_few(said["operators"])
        yield Refusal.SCHEMA, kind == "desk" and meaningless(said["act"], said)
        contest = self._contests.get(said["contest"] or "")
        yield Refusal.UNKNOWN_CONTEST, said["contest"] is not None and contest is None
        yield Refusal.UNKNOWN_UNIT, said["unit"] is not None and said["unit"] not in self._registers
        yield Refusal.UNKNOWN_AREA, said["area"] is not None and said["area"] not in self._areas
        if contest is not None:
            known = {selection.id for selection in contest.selections}
            yield Refusal.UNKNOWN_SELECTION, any(name not in known for name in _selections_named(said, kind))
            measures = said["ballots"] if kind == "control" else ()
            yield Refusal.UNKNOWN_MEASURE, any(name not in contest.accounting.measures for name in measures)
        target = said["target_source"]
        yield Refusal.UNKNOWN_SOURCE, target is not None and target not in self._may_send


_NAMED: Final = (
    "contest", "unit", "area", "ballots", "turnout", "counts", "shares", "winner", "winners", "elected", "selection",
    "target_source", "target", "act", "operators",
)  # fmt: skip


def meaningless(act: str, said: Mapping[str, Any]) -> bool:
    """Whether an act of the desk lacks what it is about, or is about two things. A thaw of nothing thaws publication."""
    about = {name for name in ("contest", "target_source", "target", "selection") if said[name] is not None}
    source = "target_source" in about
    match act:
        case "freeze":
            return ("contest" in about) is source
        case "thaw":
            return "contest" in about and source
        case "accept_with_flag" | "accept_strictly":
            return not source or "contest" in about
        case "release" | "reject":
            return source or "target" not in about
        case "call" | "uncall":
            return source or not {"contest", "selection"} <= about
        case _:
            return source


def _selections_named(said: Mapping[str, Any], kind: str) -> Iterable[str]:
    """Every selection that an event about a contest names."""
    figures = {"control": "counts", "estimate": "shares"}
    several = [said["winners"], said["elected"], said[figures[kind]] if kind in figures else ()]
    single = [name for name in (said["winner"], said["selection"]) if name is not None]
    return [*single, *(name for names in several for name in names or ())]


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970, exactly, fractions cut off."""
    return (at - _SINCE) // _MS


def _counts(report: Report) -> bool:
    """Whether the report's figures go into totals."""
    return report.kind != "retraction" and report.disposition == "counted"


def _says_nothing(report: Report) -> bool:
    """Whether the report rightly comes without any figure: a unit that did not open has none."""
    return not _counts(report) and not report.counts and not report.ballots


def _held(report: Report, sheet: Sheet) -> Held:
    said = {**report.ballots, **report.counts}
    return Held(
        version=report.version,
        at=milliseconds(report.reported_at),
        kind=str(report.kind),
        disposition=str(report.disposition),
        parts=(1, 1) if report.parts is None else (report.parts.reported, report.parts.expected),
        registered=report.registered,
        figures=tuple(said.get(name, 0) for name in sheet.figures),
    )


def _same(before: Held, now: Held) -> bool:
    """Whether two reports of one version say the same; a selection added in between had no votes before."""
    missing = len(now.figures) - len(before.figures)
    return before._replace(at=0, figures=before.figures + (0,) * missing) == now._replace(at=0)


def adds_up(contest: Contest, said: Mapping[str, int]) -> Iterator[bool]:
    """Each accounting identity of the contest, and whether these figures satisfy it."""
    accounting = contest.accounting
    inside = accounting.candidate_votes is CandidateVotes.INSIDE
    votes = sum(said[item.id] for item in contest.selections if not (inside and item.parent is not None))
    for identity in accounting.identities:
        parts = sum(votes if name == _SELECTIONS else said[name] for name in identity.parts)
        total = said[identity.total]
        if accounting.marks_per_ballot > 1 and identity.parts == (_SELECTIONS,):
            yield parts <= accounting.marks_per_ballot * total
        elif identity.relation is Relation.EQUAL:
            yield parts == total
        else:
            yield parts <= total
    for parent in {item.parent for item in contest.selections if item.parent is not None} if inside else ():
        yield said[parent] == sum(said[item.id] for item in contest.selections if item.parent == parent)
