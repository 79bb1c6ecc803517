"""The expected end of a recorded night, by the simplest means: keep the newest report of each unit, add them up.

It shares no code with `tallyroom.tabulation` except the amended definition and its keys, so that the two can be compared in tests.
It covers what docs/exactly-once.md says of totals; it does not say why a report is refused, only that it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tallyroom.codec.definition import chain_hash, definition_hash
from tallyroom.codec.events import Amendment, AnyEvent, Report
from tallyroom.codec.operators import judge_proofs
from tallyroom.codec.signatures import Headers
from tallyroom.domain.election import (
    CandidateVotes,
    Closure,
    Contest,
    Definition,
    Identity,
    Relation,
    Severity,
    Signatures,
)
from tallyroom.tabulation.amend import AmendmentError, amend
from tallyroom.tabulation.plan import Plan

Place = tuple[str, str, str | None]
"""(contest, unit, count group)."""
_YEARS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
"""Election times outside of these are typing errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenTotals:
    """A contest's root area at the end of the night. A unit counts once for each count group of the contest."""

    counts: Mapping[str, int]
    ballots: Mapping[str, int]
    units_reported: int
    units_expected: int
    units_partial: int = 0
    units_held: int = 0
    units_annulled: int = 0
    units_not_opened: int = 0
    units_cancelled: int = 0
    voters_registered: int = 0


@dataclass(slots=True)
class GoldenFold:
    """Feed it every decodable event in order of arrival, then ask for the totals."""

    definition: Definition
    _chains: list[str] = field(init=False)
    _newest: dict[Place, Report] = field(init=False, default_factory=dict)
    _contests: dict[str, Contest] = field(init=False)
    _registers: dict[str, int | None] = field(init=False)
    _plan: Plan | None = field(init=False, default=None)  # for the keys, where events or decisions must be signed

    def __post_init__(self) -> None:
        self._chains = [definition_hash(self.definition)]
        self._adopt(self.definition)

    def add(self, event: AnyEvent, value: bytes, headers: Headers = ()) -> None:
        """Take an event in; ``value``: its bytes as sent (they make the definition chain and are what is signed)."""
        if self._plan is not None and judge_proofs(self._plan, event, value, headers) is not None:
            return
        if isinstance(event, Report):
            self._report(event)
        elif isinstance(event, Amendment) and event.previous == self._chains[-1]:
            try:
                amended = amend(self.definition, event.to_domain())
            except AmendmentError:
                return
            self._chains.append(chain_hash(self._chains[-1], value))
            self._adopt(amended)

    def totals(self) -> dict[str, GoldenTotals]:
        """Root totals by contest id."""
        return {contest.id: self._contest(contest) for contest in self.definition.contests}

    def _adopt(self, definition: Definition) -> None:
        self.definition = definition
        self._contests = {contest.id: contest for contest in definition.contests}
        self._registers = {unit.id: unit.registered for unit in definition.units}
        asked = definition.signatures is Signatures.REQUIRED or definition.operators
        self._plan = Plan(definition, "") if asked else None

    def _report(self, report: Report) -> None:
        contest = self._contests.get(report.contest)
        if contest is None or not self._admissible(report, contest) or not self._plausible(report, contest):
            return
        place = (report.contest, report.unit, report.count_group)
        before = self._newest.get(place)
        if before is None or report.version > before.version:
            self._newest[place] = report

    def _admissible(self, report: Report, contest: Contest) -> bool:
        """Whether the report may speak for its unit at all."""
        definition = self.definition
        return (
            report.election == definition.election
            and report.environment == definition.environment
            and _YEARS[0] < report.reported_at < _YEARS[1]
            and report.source == contest.unit_sources.get(report.unit, contest.source)
            and report.unit in contest.units
            and report.unit not in contest.closed_units
            and (report.definition is None or report.definition in self._chains)
            and (report.round is None or report.round == contest.round)
            and (report.count_group in contest.count_groups if contest.count_groups else report.count_group is None)
        )

    def _plausible(self, report: Report, contest: Contest) -> bool:
        """Whether the report's figures are complete and, if they are to count, add up."""
        if report.parts is not None and report.parts.reported > report.parts.expected:
            return False
        accounting = contest.accounting
        apart = report.kind == "retraction" or report.disposition != "counted"
        if apart and not report.counts and not report.ballots:
            return True
        if set(report.counts) != {s.id for s in contest.selections} or set(report.ballots) != set(accounting.measures):
            return False
        if apart:  # counts in no total: that is why many a sheet is held
            return True
        strict = accounting.cast_over_registered is Severity.ERROR and not contest.count_groups
        if strict and accounting.cast is not None:
            register = self._register(report)
            if register is not None and report.ballots[accounting.cast] > register:
                return False
        return all(_holds(identity, report, contest) for identity in accounting.identities) and _inside(report, contest)

    def _register(self, report: Report) -> int | None:
        return self._registers[report.unit] if report.registered is None else report.registered

    def _leaves(self, contest: Contest) -> Iterator[Place]:
        for unit in contest.units:
            for group in contest.count_groups or (None,):
                yield contest.id, unit, group

    def _contest(self, contest: Contest) -> GoldenTotals:
        counts = dict.fromkeys((selection.id for selection in contest.selections), 0)
        ballots = dict.fromkeys(contest.accounting.measures, 0)
        units = dict.fromkeys(("counted", "partial", "held", "annulled", "not_opened", "cancelled"), 0)
        expected = registered = 0
        for place in self._leaves(contest):
            report, closure = self._newest.get(place), contest.closed_units.get(place[1])
            if closure is None:
                expected += 1
            registered += self._voters(place, report, contest)
            if report is None or report.kind == "retraction" or closure is Closure.MERGED:
                continue
            if report.disposition == "counted":
                for name, number in report.counts.items():
                    counts[name] += number
                for name, number in report.ballots.items():
                    ballots[name] += number
            if closure is None:
                partial = report.parts is not None and report.parts.reported < report.parts.expected
                units["partial" if report.disposition == "counted" and partial else report.disposition] += 1
        _reassign(contest, counts, ballots)
        return GoldenTotals(
            counts=counts,
            ballots=ballots,
            units_reported=units["counted"],
            units_expected=expected,
            units_partial=units["partial"],
            units_held=units["held"],
            units_annulled=units["annulled"],
            units_not_opened=units["not_opened"],
            units_cancelled=units["cancelled"],
            voters_registered=registered,
        )

    def _voters(self, place: Place, report: Report | None, contest: Contest) -> int:
        """The unit's voters, once: with its first count group, as that group reported them or as they are defined."""
        _, unit, group = place
        if group is not None and group != contest.count_groups[0]:
            return 0
        defined = self._registers[unit] or 0
        if report is None or report.registered is None or report.kind == "retraction":
            return defined
        closure = contest.closed_units.get(unit)
        if closure is Closure.MERGED or (closure is not None and report.disposition != "counted"):
            return defined
        return report.registered


def _sum(name: str, report: Report, contest: Contest) -> int:
    """A measure, or the votes of all selections that are not part of another one's."""
    if name != "selections":
        return report.ballots[name]
    beside = contest.accounting.candidate_votes is CandidateVotes.BESIDE
    return sum(report.counts[s.id] for s in contest.selections if beside or s.parent is None)


def _holds(identity: Identity, report: Report, contest: Contest) -> bool:
    total = _sum(identity.total, report, contest)
    parts = sum(_sum(name, report, contest) for name in identity.parts)
    marks = contest.accounting.marks_per_ballot
    if marks > 1 and identity.parts == ("selections",):
        return marks * total >= parts
    return total == parts if identity.relation is Relation.EQUAL else total >= parts


def _inside(report: Report, contest: Contest) -> bool:
    """Where candidate votes are part of their list's votes, they are all of them."""
    if contest.accounting.candidate_votes is CandidateVotes.BESIDE:
        return True
    inside: dict[str, int] = {}
    for selection in contest.selections:
        if selection.parent is not None:
            inside[selection.parent] = inside.get(selection.parent, 0) + report.counts[selection.id]
    return all(report.counts[parent] == votes for parent, votes in inside.items())


def _reassign(contest: Contest, counts: dict[str, int], ballots: dict[str, int]) -> None:
    """Move the votes of withdrawn selections to where the definition says that they count, heirs of heirs included."""
    counts_as = {selection.id: selection.counts_as for selection in contest.selections}
    given = dict(counts)
    for name, heir in counts_as.items():
        if heir is None:
            continue
        while (following := counts_as.get(heir)) is not None:
            heir = following
        counts[name] -= given[name]
        if heir != "invalid":
            counts[heir] += given[name]
            continue
        for measure, change in (("valid", -given[name]), ("invalid", given[name])):
            if measure in ballots:
                ballots[measure] += change
