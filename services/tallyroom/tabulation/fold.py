"""The state of one partition as a pure function of its log prefix, folded report by report.

Verdicts look only at the prefix of the event's own partition and at the definition (docs/exactly-once.md). Nothing here reads
bytes, clocks or stores: the tabulator decodes and applies, the fold decides and sums.
"""

from collections.abc import Iterable, Mapping
from operator import lt
from typing import cast

from tallyroom.domain.events import FLAGGING, Amendment, DeskAct, Event, Refusal, Report
from tallyroom.domain.partition import partition_of
from tallyroom.tabulation.amend import AmendmentError, amend
from tallyroom.tabulation.changes import Changes
from tallyroom.tabulation.changes import Tallies as Tallies
from tallyroom.tabulation.desk import DeskState, too_few
from tallyroom.tabulation.doubts import after_amendment, after_report, doubt, doubts, refusal
from tallyroom.tabulation.heard import Heard
from tallyroom.tabulation.notes import Waits, note, wait_of
from tallyroom.tabulation.plan import ContestPlan, Figures, Leaf, Plan
from tallyroom.tabulation.plausible import Flagged
from tallyroom.tabulation.rows import COUNTERS, Row, minus, plus, total, widened
from tallyroom.tabulation.supersede import CONTENT, REGISTERED, Refused, State, Verdict, compare, split, state_of


class Cell:
    """An area's running totals within this partition, with the rows waiting to be summed into it."""

    __slots__ = ("added", "area", "contest", "counted", "removed", "uncounted", "values")

    def __init__(self, contest: ContestPlan, area: str, values: Row) -> None:
        self.contest = contest
        self.area = area
        self.values = values
        self.added: list[Figures] = []
        self.removed: list[Figures] = []
        self.counted: list[Row] = []  # counters that come and go with them, unless they are the same
        self.uncounted: list[Row] = []


class _Slot:
    """A leaf of this partition with its newest state and what it contributes; ``name`` is the leaf's."""

    __slots__ = ("cell", "contest", "counters", "figures", "flags", "leaf", "name", "source", "state", "unit")

    def __init__(self, leaf: Leaf, cell: Cell) -> None:
        self.leaf = leaf
        self.cell = cell
        self.name = leaf.name
        self.unit, self.contest, self.source = leaf.unit, leaf.plan.id, leaf.source
        self.state: State | None = None
        self.counters: Row = ()
        self.figures: Figures = ()
        self.flags: tuple[Flagged, ...] = ()

    def become(self, state: State) -> None:
        """Take over a state."""
        self.state = state
        self.counters, self.figures = split(self.leaf, state)


class PartitionFold:
    """Units and cells of one partition. Feed it events in offset order; take the changes whenever it suits."""

    def __init__(self, plan: Plan, partition: int, partitions: int) -> None:
        self.plan = plan
        self.partition = partition
        self.partitions = partitions
        self.tallies = Tallies()
        self.desk = DeskState()
        self._slots: dict[bytes, _Slot] = {}  # by record key of the ordinary case
        self._by_name: dict[str, _Slot] = {}
        self._cells: dict[tuple[str, str], Cell] = {}
        self._touched: set[Cell] = set()
        self._changes = Changes()
        self.waits = Waits()
        self.heard = Heard()

    def load(
        self,
        units: Iterable[tuple[str, State]],
        cells: Iterable[tuple[str, str, Row]],
        flags: Mapping[str, tuple[Flagged, ...]] | None = None,
    ) -> None:
        """Take over what a store holds: unit states and flags by leaf name, cells by contest and area.

        Raises KeyError for a foreign unit.
        """
        for name, state in units:
            self._slot_by_name(name).become(state)
        for name, carried in (flags or {}).items():
            self._by_name[name].flags = carried
        for contest, area, row in cells:
            cell = self._cell(self.plan.contests[contest], area)
            cell.values = widened(row, cell.contest.width)

    def report(self, report: Report, key: bytes | None, offset: int, *, lenient: bool = False) -> Verdict | Refused:
        """Judge a report and fold it in. A refused one changes nothing but the tallies.

        ``lenient``, and a report that operators released: what speaks softly against it (`tallyroom.domain.events.SOFT`) flags it
        instead of refusing it.
        """
        slot = self._slots.get(key) if key is not None else None
        if slot is None or slot.unit != report.unit or slot.contest != report.contest or report.count_group:
            found = self._find(report, key)
            if isinstance(found, Refused):
                return self._refuse_report(found, report, offset)
            slot = found
        leaf = slot.leaf
        if (
            report.source != slot.source
            or report.environment != self.plan.environment
            or report.election != self.plan.election
            or report.definition is not None
            or report.round is not None
            or leaf.closure is not None
            or report.released is not None
            or report.operators
            or (self.desk.frozen and report.source in self.desk.frozen)
        ):
            envelope = self._envelope(report, leaf)
            if envelope is not None:
                return self._refuse_report(envelope, report, offset)
        waived: list[Refused] | None = [] if lenient or report.released is not None else None
        state = state_of(report, leaf, waived)
        if isinstance(state, Refused) and self.desk.flagging and report.source in self.desk.flagging:
            waived = []
            state = state_of(report, leaf, waived, FLAGGING)
        if isinstance(state, Refused):
            return self._refuse_report(state, report, offset)
        return self._supersede(slot, state, report, offset, waived)

    def aside(self, event: Event, kind: str) -> None:
        """Count an event that changes no total. It moves the election clock; an act of the desk may change later verdicts."""
        self.tallies.aside += 1
        self.tallies.reported_at = max(self.tallies.reported_at, int(event.reported_at.timestamp() * 1000))
        if kind == "desk":
            act = cast(DeskAct, event)
            self.desk.take(act)
            self.waits.reject(act)

    def refuse(self, refused: Refused) -> Refused:
        """Count an event refused before it could be judged here (undecodable, wrong partition ...)."""
        return self._refuse(refused)

    def amend(self, amendment: Amendment, chain: str, offset: int = 0) -> Refused | None:
        """Change the definition from here on; ``chain`` is the hash reached. All cells are folded anew from the unit states."""
        if amendment.previous != self.plan.chain:
            detail = f"amendment {amendment.id} continues {amendment.previous[:12]}, this partition is at {self.plan.chain[:12]}"
            return self._refuse(Refused(Refusal.INVALID_AMENDMENT, detail))
        try:
            definition = amend(self.plan.definition, amendment)
            plan = Plan(definition, chain, self.plan.chains)
        except AmendmentError as error:
            return self._refuse(Refused(Refusal.INVALID_AMENDMENT, f"amendment {amendment.id}: {error}"))
        self.tallies.amendments += 1
        self._settle()
        self.replan(plan, offset)
        return None

    def replan(self, plan: Plan, offset: int = 0) -> None:
        """Judge by another definition from here on, and fold the cells anew under it."""
        units = [(name, slot, slot.state) for name, slot in self._by_name.items() if slot.state is not None]
        before = {place: cell.values for place, cell in self._cells.items()}
        waiting = set(self._changes.cells)
        self.plan = plan
        self._slots, self._by_name, self._cells = {}, {}, {}
        for place in before:
            contest = plan.contests[place[0]]
            self._cells[place] = Cell(contest, place[1], (0,) * contest.width)
        for name, former, state in units:
            slot = self._slot_by_name(name)
            slot.become(state)
            slot.flags = former.flags
            if former.flags or former.leaf.registered != slot.leaf.registered:
                self._carry(slot, after_amendment(slot.leaf, state, slot.figures, former.flags), state, offset)
            slot.cell.added.append(slot.figures)
            slot.cell.counted.append(slot.counters)
            self._touched.add(slot.cell)
        self._settle()
        # A cell that is the same as before need not be written for the amendment's sake, but may still wait to be written.
        for place, cell in self._cells.items():
            if place in waiting or widened(before.get(place, ()), cell.contest.width) != cell.values:
                self._changes.cells[place] = cell.values
            else:
                self._changes.cells.pop(place, None)

    def take(self) -> Changes:
        """Everything that changed since the last call, as absolute values."""
        self._settle()
        changes, self._changes = self._changes, Changes()
        return changes

    def units(self) -> Mapping[str, State]:
        """Newest state of every unit that reported, by leaf name."""
        return {name: slot.state for name, slot in self._by_name.items() if slot.state is not None}

    def flags(self) -> Mapping[str, tuple[Flagged, ...]]:
        """Flags that units carry, by leaf name; units without any are left out."""
        return {name: slot.flags for name, slot in self._by_name.items() if slot.flags}

    def cells(self) -> Mapping[tuple[str, str], Row]:
        """Totals by contest and area."""
        self._settle()
        return {place: cell.values for place, cell in self._cells.items()}

    def _supersede(
        self, slot: _Slot, state: State, report: Report, offset: int, waived: list[Refused] | None
    ) -> Verdict | Refused:
        leaf, previous = slot.leaf, slot.state
        tallies = self.tallies
        verdict: Verdict | Refused = Verdict.FIRST if previous is None else Verdict.SUPERSEDES
        if previous is not None and state[0] <= previous[0]:
            verdict = self._not_newer(leaf, (previous, state), report, offset)
            if verdict is not Verdict.SUPERSEDES:
                return verdict
        counters, figures = split(leaf, state)
        rules = leaf.plan.rules
        if (
            slot.flags
            or waived
            or leaf.compared
            or state[REGISTERED] >= 0
            or rules.odd(figures, leaf.most_cast)
            or (previous is not None and rules.leaps(slot.figures, figures))
        ):
            steps = (None if previous is None else slot.figures, figures)
            found = doubts(leaf, steps, state, waived, report.reason is not None)
            by_hand = report.released is not None or (waived is not None and report.source not in self.desk.flagging)
            refused = None if by_hand else refusal(leaf, found)
            if refused is not None:
                return self._refuse_report(refused, report, offset)
            self._carry(slot, after_report(steps, found, slot.flags), state, offset)
        cell = slot.cell
        waits = self.waits.names
        remarkable = (
            state[CONTENT]  # 0: kind and disposition are both the ordinary ones
            or report.released
            or (waits and slot.name in waits)
        )
        if previous is None:
            cell.counted.append(counters)
            self.heard.first(slot.contest, state[1])
        else:
            tallies.superseded += 1
            cell.removed.append(slot.figures)
            remarkable = remarkable or previous[CONTENT] or any(map(lt, figures, slot.figures))
            if counters is not slot.counters:
                cell.counted.append(counters)
                cell.uncounted.append(slot.counters)
                remarkable = remarkable or any(map(lt, counters, slot.counters))
        if remarkable:
            self._note(slot, state, report, offset)
        tallies.accepted += 1
        if state[1] > tallies.reported_at:
            tallies.reported_at = state[1]
        cell.added.append(figures)
        self._touched.add(cell)
        slot.state, slot.counters, slot.figures = state, counters, figures
        self._changes.units[slot.name] = state
        return verdict

    def _not_newer(self, leaf: Leaf, states: tuple[State, State], report: Report, offset: int) -> Verdict | Refused:
        """The verdict on a version that the unit has reported already, or an older one; ``states``: the unit's and the report's."""
        verdict = compare(*states, leaf)
        if isinstance(verdict, Refused):
            if report.released is not None:
                return Verdict.SUPERSEDES  # two contents of one version: operators say which of them is right
            return self._refuse_report(verdict, report, offset)
        if verdict is Verdict.DUPLICATE:
            self.tallies.duplicates += 1
        else:
            self.tallies.late += 1
            self.heard.older(leaf.plan.id, leaf.source)
        return verdict

    def _carry(self, slot: _Slot, flags: tuple[Flagged, ...], state: State, offset: int) -> None:
        """Write down the unit's flags if they are others than before."""
        if flags != slot.flags:
            self._changes.doubts.append(doubt((offset, slot.leaf), state, flags, slot.flags))
            slot.flags = flags

    def _note(self, slot: _Slot, state: State, report: Report, offset: int) -> None:
        """Write down which figures a correction changes, that the unit stands apart, and that it waits no more."""
        settles = bool(self.waits) and self.waits.settle(slot.name, state[0])
        found = note(slot.leaf, (slot.state, state), report, offset, settles)
        if found is not None:
            self.tallies.decreases += len(found.fell)
            self._changes.notes.append(found)

    def _refuse_report(self, refused: Refused, report: Report, offset: int) -> Refused:
        """Refuse a report, and list it as waiting unless its unit has said something newer."""
        wait = wait_of(report, str(refused.refusal), offset)
        slot = self._by_name.get(wait.name)
        newest = 0 if slot is None or slot.state is None else slot.state[0]
        new = wait.version > newest or (wait.version == newest and refused.refusal is Refusal.EQUIVOCATION)
        if new and self.waits.refuse(wait):
            self._changes.waits.append(wait)
        return self._refuse(refused)

    def _refuse(self, refused: Refused) -> Refused:
        self.tallies.quarantined += 1
        return refused

    def _find(self, report: Report, key: bytes | None) -> _Slot | Refused:
        """The slot of a report that the fast path did not find: a unit's first report, or something wrong."""
        if report.election != self.plan.election:
            return Refused(Refusal.WRONG_ELECTION, f"{report.contest}|{report.unit}: election {report.election!r}")
        if (
            report.environment != self.plan.environment
        ):  # before anything of the definition: a rehearsal has its own units
            detail = f"{report.contest}|{report.unit}: {report.environment} data in a {self.plan.environment} log"
            return Refused(Refusal.WRONG_ENVIRONMENT, detail)
        contest = self.plan.contests.get(report.contest)
        if contest is None:
            return Refused(Refusal.UNKNOWN_CONTEST, f"contest {report.contest!r} is not in the definition")
        group, groups = report.count_group, contest.contest.count_groups
        if (group is not None or groups) and group not in groups:
            return Refused(Refusal.UNKNOWN_COUNT_GROUP, f"count group {group!r}; {contest.id} counts {list(groups)}")
        leaf = self.plan.leaf(contest, report.unit, group)
        expected = f"{report.contest}|{report.unit}".encode()
        if partition_of(expected, self.partitions) != self.partition:
            right = partition_of(expected, self.partitions)
            detail = f"{report.contest}|{report.unit} belongs to partition {right}, not {self.partition}"
            return Refused(Refusal.WRONG_PARTITION, detail)
        if leaf is None:
            return Refused(Refusal.UNKNOWN_UNIT, f"unit {report.unit!r} is not expected in contest {contest.id}")
        slot = self._by_name.get(leaf.name)
        if slot is None:
            slot = self._by_name[leaf.name] = _Slot(leaf, self._cell(contest, leaf.area))
        if key == expected and group is None:
            self._slots[expected] = slot
        return slot

    def _envelope(self, report: Report, leaf: Leaf) -> Refused | None:
        """What is wrong with the report's origin, if anything is."""
        if report.election != self.plan.election:
            return Refused(Refusal.WRONG_ELECTION, f"{leaf.name}: election {report.election!r}")
        if report.environment != self.plan.environment:
            detail = f"{leaf.name}: {report.environment} data in a {self.plan.environment} log"
            return Refused(Refusal.WRONG_ENVIRONMENT, detail)
        if report.source != leaf.source:
            refusal = Refusal.WRONG_SOURCE if report.source in self.plan.may_report else Refusal.UNKNOWN_SOURCE
            return Refused(refusal, f"{leaf.name}: {report.source!r} reports, {leaf.source!r} is the source")
        if report.definition is not None and report.definition not in self.plan.chains:
            detail = f"{leaf.name}: made for definition {report.definition[:12]}, the log is at {self.plan.chain[:12]}"
            return Refused(Refusal.DEFINITION_MISMATCH, detail)
        expected = leaf.plan.contest.round
        if report.round is not None and report.round != expected:
            return Refused(Refusal.WRONG_ROUND, f"{leaf.name}: round {report.round}, the contest is round {expected}")
        if leaf.closure is not None:
            return Refused(Refusal.CLOSED_UNIT, f"{leaf.name} was {leaf.closure} by an amendment")
        return self._by_hand(report, leaf)

    def _by_hand(self, report: Report, leaf: Leaf) -> Refused | None:
        """Decisions of operators: enough of them behind a release or correction; nothing else comes in from a frozen source."""
        if report.released is not None or report.operators:
            few = too_few(report.operators, self.plan.persons)
            return None if few is None else Refused(Refusal.OPERATORS, f"{leaf.name}: {few}")
        if report.source in self.desk.frozen:
            return Refused(Refusal.SOURCE_FROZEN, f"{leaf.name}: reports of {report.source!r} wait until it is thawed")
        return None

    def _slot_by_name(self, name: str) -> _Slot:
        leaf = self.plan.leaf_named(name)
        slot = self._by_name[name] = _Slot(leaf, self._cell(leaf.plan, leaf.area))
        if leaf.group is None:
            self._slots[name.encode()] = slot
        return slot

    def _cell(self, contest: ContestPlan, area: str) -> Cell:
        place = (contest.id, area)
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = Cell(contest, area, (0,) * contest.width)
        return cell

    def _settle(self) -> None:
        """Sum the waiting rows, once per batch and area, and carry the difference up the area tree."""
        if not self._touched:
            return
        deltas: dict[tuple[str, str], list[Row]] = {}
        for cell in self._touched:
            length = cell.contest.length
            figures = minus(total(cell.added, length), total(cell.removed, length))
            delta = minus(total(cell.counted, COUNTERS), total(cell.uncounted, COUNTERS)) + figures
            cell.added, cell.removed, cell.counted, cell.uncounted = [], [], [], []
            for area in cell.contest.ancestry(cell.area):
                deltas.setdefault((cell.contest.id, area), []).append(delta)
        self._touched.clear()
        for (contest_id, area), rows in deltas.items():
            cell = self._cell(self.plan.contests[contest_id], area)
            cell.values = plus(cell.values, total(rows, cell.contest.width))
            self._changes.cells[contest_id, area] = cell.values
