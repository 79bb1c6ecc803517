"""A recording folded by the tabulation room, to be compared with the golden totals that the recording states."""

from dataclasses import dataclass

from tallyroom.codec.definition import chain_hash, definition_hash
from tallyroom.codec.events import Amendment, Report, decode_event, partition_key
from tallyroom.recordings.format import Recording
from tallyroom.recordings.golden import GoldenTotals
from tallyroom.tabulation.fold import PartitionFold, Tallies
from tallyroom.tabulation.notes import Note
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.rows import Column


@dataclass(frozen=True)
class Folded:
    """Root totals as tabulation makes them, the fate of the events, and the figures that fell."""

    totals: dict[str, GoldenTotals]
    tallies: Tallies
    decreases: list[Note]


def folded(recording: Recording) -> Folded:
    """Fold every event of the recording as one partition would."""
    definition = recording.definition()
    fold = PartitionFold(Plan(definition, definition_hash(definition)), 0, 1)
    for offset, timed in enumerate(recording.events()):
        event = decode_event(timed.value)
        if isinstance(event, Report):
            fold.report(event, partition_key(event), offset)
        elif isinstance(event, Amendment):
            fold.amend(event.to_domain(), chain_hash(fold.plan.chain, timed.value))
        else:
            fold.aside(event, str(event.__struct_config__.tag))
    totals = {contest: _root(fold, contest) for contest in fold.plan.contests}
    return Folded(totals, fold.tallies, fold.take().decreases)


def _root(fold: PartitionFold, contest: str) -> GoldenTotals:
    plan = fold.plan.contests[contest]
    row = fold.cells().get((contest, plan.root), (0,) * plan.width)
    groups = max(1, len(plan.contest.count_groups))
    registered = sum(fold.plan.units[unit].registered or 0 for unit in plan.contest.units)
    return GoldenTotals(
        counts={name: row[plan.column(name)] for name in plan.selections},
        ballots={name: row[plan.column(name)] for name in plan.measures},
        units_reported=row[Column.COMPLETE],
        units_expected=(len(plan.contest.units) - len(plan.contest.closed_units)) * groups,
        units_partial=row[Column.PARTIAL],
        units_held=row[Column.HELD],
        units_annulled=row[Column.ANNULLED],
        units_not_opened=row[Column.NOT_OPENED],
        units_cancelled=row[Column.CANCELLED],
        voters_registered=registered + row[Column.REGISTERED_CHANGE],
    )
