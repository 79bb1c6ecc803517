"""What a report does to its unit: whether it is accepted, and what the unit contributes to its area then.

The rules are those of docs/exactly-once.md, "The unit rule". A unit's state is one tuple of integers (`State`), so that a
hundred thousand of them fit in memory, compare in one step and pack into the store without a second form.
"""

from collections.abc import Container
from datetime import UTC, datetime
from enum import Enum
from typing import Final, NamedTuple

from tallyroom.domain.checks import REGISTERED as REGISTER
from tallyroom.domain.election import Closure
from tallyroom.domain.events import SOFT, Disposition, Kind, Refusal, Report
from tallyroom.tabulation.plan import Figures, Leaf
from tallyroom.tabulation.rows import COUNTERS, Column, Row, counters, widened

State = tuple[int, ...]
"""(version, reported_at in ms, code, parts reported, parts expected, registered or -1, *figures)."""

VERSION: Final = 0
AT: Final = 1
CONTENT: Final = 2  # from here on: what decides whether two reports of one version are the same
REGISTERED: Final = 5
FIGURES: Final = 6

_KINDS: Final = tuple(Kind)
_DISPOSITIONS: Final = tuple(Disposition)
_CODES: Final = {
    (str(kind), str(disposition)): k * 8 + d
    for k, kind in enumerate(_KINDS)
    for d, disposition in enumerate(_DISPOSITIONS)
}
_UNITS: Final = (Column.COMPLETE, Column.PARTIAL, Column.PARTIAL_ROOM, Column.SETTLED_WITHOUT_ROLL)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 4_102_444_800_000  # 2100: a typing error must not become the election clock
_UNKNOWN: Final = -1  # "no register was reported"
_ORDINARY: Final = frozenset(
    code
    for (kind, disposition), code in _CODES.items()
    if kind != Kind.RETRACTION and disposition == Disposition.COUNTED
)


class Refused(NamedTuple):
    """A report or event that goes to quarantine, and why."""

    refusal: Refusal
    detail: str


class Verdict(Enum):
    """What a sound report means for its unit."""

    FIRST = "first"
    SUPERSEDES = "supersedes"
    DUPLICATE = "duplicate"
    LATE = "late"


def is_ordinary(code: int) -> bool:
    """Whether a state with this code (`CONTENT`) is counted."""
    return code in _ORDINARY


def kind_of(state: State) -> Kind:
    """Why the state's report was sent."""
    return _KINDS[state[CONTENT] // 8]


def disposition_of(state: State) -> Disposition:
    """What becomes of the state's counts."""
    return _DISPOSITIONS[state[CONTENT] % 8]


def figures_of(report: Report, leaf: Leaf, counted: bool, waived: list[Refused] | None = None) -> Figures | Refused:
    """The report's measures and counts in the row's order; Refused if one is missing, unknown or does not add up.

    Figures that count in no total need not add up: that is why many a sheet is held.
    """
    plan = leaf.plan
    counts, ballots = report.counts, report.ballots
    try:
        figures = plan.pick_measures(ballots) + plan.pick_counts(counts)
    except KeyError:
        return _unusual(report, leaf)
    if len(figures) != len(counts) + len(ballots):
        return _unusual(report, leaf)
    if counted and not plan.adds_up(figures):
        for check in plan.checks:
            broken = check(figures)
            if broken is not None:
                refused = Refused(Refusal.ACCOUNTING, f"{leaf.name}: {broken}")
                if waived is None:
                    return refused
                waived.append(refused)
    return figures


def _unusual(report: Report, leaf: Leaf) -> Figures | Refused:
    """Names that do not match the contest's: only a report without any count may leave them all out."""
    plan = leaf.plan
    empty = report.kind == Kind.RETRACTION or report.disposition != Disposition.COUNTED
    if empty and not report.counts and not report.ballots:
        return (0,) * len(plan.figures)
    for name in report.counts:
        if name not in plan.expected_keys:
            return Refused(Refusal.UNKNOWN_SELECTION, f"{leaf.name}: {name!r} is not a selection of this contest")
    for name in report.ballots:
        if name not in plan.measures:
            return Refused(Refusal.UNKNOWN_MEASURE, f"{leaf.name}: {name!r} is not a measure of this contest")
    missing = [name for name in plan.selections if name not in report.counts]
    if missing:
        return Refused(Refusal.MISSING_SELECTION, f"{leaf.name}: no count for {', '.join(missing)}")
    missing = [name for name in plan.measures if name not in report.ballots]
    return Refused(Refusal.MISSING_MEASURE, f"{leaf.name}: no figure for {', '.join(missing)}")


def state_of(
    report: Report, leaf: Leaf, waived: list[Refused] | None = None, forgiven: Container[Refusal] = SOFT
) -> State | Refused:
    """The unit's state if this report is its newest; Refused if the report is implausible.

    ``waived``: refusals that are ``forgiven`` are put into it, and the report is taken all the same.
    """
    code = _CODES[report.kind, report.disposition]
    counted = code in _ORDINARY
    figures = figures_of(report, leaf, counted, waived)
    if isinstance(figures, Refused):
        return figures
    at = int((report.reported_at - _EPOCH).total_seconds() * 1000)  # half the time of timestamp()
    if not 0 < at < _LAST_MS:
        return Refused(Refusal.SCHEMA, f"{leaf.name}: reported_at {report.reported_at} is outside of 1970 to 2100")
    parts, registered = report.parts, report.registered
    if parts is not None and parts.reported > parts.expected:
        refused = Refused(Refusal.PARTS, f"{leaf.name}: {parts.reported} of {parts.expected} parts reported")
        if waived is None or Refusal.PARTS not in forgiven:
            return refused
        waived.append(refused)
    plan = leaf.plan
    if plan.over_register_is_error and counted and plan.cast_at is not None and not leaf.plan.contest.count_groups:
        register = leaf.registered if registered is None else registered
        if register is not None and figures[plan.cast_at] > register:
            over = _over_register(leaf, figures[plan.cast_at], register)
            if over is not None and (waived is None or Refusal.CAST_OVER_REGISTERED not in forgiven):
                return over
    return (
        report.version,
        at,
        code,
        parts.reported if parts is not None else 1,
        parts.expected if parts is not None else 1,
        _UNKNOWN if registered is None else registered,
        *figures,
    )


def _over_register(leaf: Leaf, cast: int, register: int) -> Refused | None:
    """More ballots than the register and the contest's tolerance allow. Waived, it need not be kept: it is a flag by itself."""
    if cast <= leaf.plan.rules.limit(register):
        return None
    return Refused(Refusal.CAST_OVER_REGISTERED, f"{leaf.name}: {cast} ballots cast, {register} voters registered")


def compare(previous: State | None, new: State, leaf: Leaf) -> Verdict | Refused:
    """Newer version wins, older is late; the same version again is a duplicate, or equivocation if its content differs."""
    if previous is None:
        return Verdict.FIRST
    if new[VERSION] > previous[VERSION]:
        return Verdict.SUPERSEDES
    if new[VERSION] < previous[VERSION]:
        return Verdict.LATE
    if new[CONTENT:] == widened(previous[CONTENT:], len(new) - CONTENT):
        return Verdict.DUPLICATE
    return Refused(Refusal.EQUIVOCATION, f"{leaf.name}: version {new[VERSION]} was reported before with other content")


def contribution(leaf: Leaf, state: State) -> Row:
    """What the unit adds to its area's cell (and to every area above it)."""
    counted, figures = split(leaf, state)
    return counted + figures


def split(leaf: Leaf, state: State) -> tuple[Row, Figures]:
    """The contribution as counters and figures. In the ordinary case the counters are ``leaf.complete`` itself: when one
    such report supersedes another, who sums need not look at sixteen columns that cancel out."""
    if leaf.plain and state[CONTENT] in _ORDINARY and state[REGISTERED] < 0 and state[3] >= state[4]:
        figures = state[FIGURES:]
        return leaf.complete, figures if len(figures) == leaf.plan.length else widened(figures, leaf.plan.length)
    row = _special(leaf, state)
    return row[:COUNTERS], row[COUNTERS:]


def _special(leaf: Leaf, state: State) -> Row:
    """The contribution of a unit that is not simply counted, complete and on its defined register."""
    width = leaf.plan.width
    figures = widened((0,) * COUNTERS + state[FIGURES:], width)
    nothing = (0,) * width
    if leaf.closure is Closure.MERGED or kind_of(state) is Kind.RETRACTION:
        return nothing
    disposition = disposition_of(state)
    if disposition is not Disposition.COUNTED:
        return nothing if leaf.closure else _apart(leaf, state, disposition) + nothing[COUNTERS:]
    row = _reassign(leaf, figures)
    counted = _counted(leaf, state)
    if leaf.closure:  # no longer among the units, but its ballots stay, and so do the voters behind them
        counted = tuple(0 if column in _UNITS else value for column, value in enumerate(counted))
    return counted + row[COUNTERS:]


def register_of(leaf: Leaf, state: State) -> int | None:
    """The register behind the counts: the reported one, else the defined one; None if neither is known.

    0 for every count group but the first. A retraction takes the reported register back with everything else.
    """
    return leaf.registered if not _reports_register(leaf, state) else state[REGISTERED]


def _reports_register(leaf: Leaf, state: State) -> bool:
    return state[REGISTERED] >= 0 and not leaf.secondary and kind_of(state) is not Kind.RETRACTION


def ballots_of(leaf: Leaf, state: State) -> int:
    """Ballots cast on the state's report; 0 where the contest does not say."""
    return 0 if leaf.plan.cast_at is None else state[FIGURES + leaf.plan.cast_at]


def _change(leaf: Leaf, state: State) -> int:
    return state[REGISTERED] - (leaf.registered or 0) if _reports_register(leaf, state) else 0


def _without_roll(leaf: Leaf) -> int:
    return 1 if leaf.registered is None else 0


def _counted(leaf: Leaf, state: State) -> Row:
    register = register_of(leaf, state)
    unknown = 1 if register is None else 0
    change = _change(leaf, state)
    if state[3] >= state[4]:
        return counters(
            complete=1,
            registered_complete=register or 0,
            registered_change=change,
            without_register=unknown,
            settled_without_roll=_without_roll(leaf),
        )
    room = max(0, (register or 0) - ballots_of(leaf, state))
    return counters(
        partial=1,
        registered_partial=register or 0,
        registered_change=change,
        without_register=unknown,
        partial_room=room,
    )


def _apart(leaf: Leaf, state: State, disposition: Disposition) -> Row:
    """Counters of a unit whose counts are in no total."""
    register = register_of(leaf, state) or 0
    change = _change(leaf, state)
    if disposition is Disposition.HELD:
        return counters(held=1, registered_held=register, registered_change=change, cast_held=ballots_of(leaf, state))
    annulled = ballots_of(leaf, state) if disposition is Disposition.ANNULLED else 0
    return counters(
        **{str(disposition): 1},
        registered_apart=register,
        registered_change=change,
        cast_annulled=annulled,
        settled_without_roll=_without_roll(leaf),
    )


def _reassign(leaf: Leaf, row: Row) -> Row:
    """The row with the votes of withdrawn selections where the amendment says that they count."""
    if not leaf.plan.reassigned:
        return row
    moved = list(row)
    measures = leaf.plan.measures
    for column, heir in leaf.plan.reassigned:
        votes = row[column]
        moved[column] -= votes
        if heir is not None:
            moved[heir] += votes
            continue
        if "valid" in measures:
            moved[leaf.plan.column("valid")] -= votes
        if "invalid" in measures:
            moved[leaf.plan.column("invalid")] += votes
    return tuple(moved)


def changed(leaf: Leaf, before: State, after: State) -> dict[str, tuple[int, int]]:
    """What the unit brings more or less of than before: measure, selection or ``registered`` -> (before, after).

    The register changes where it is known before and after; what a unit without one reported for a while is not a fall to 0.
    """
    old_row, new_row = contribution(leaf, before), contribution(leaf, after)
    pairs = zip(leaf.plan.figures, old_row[COUNTERS:], new_row[COUNTERS:], strict=True)
    other = {name: (old, new) for name, old, new in pairs if new != old}
    old_register, new_register = register_of(leaf, before), register_of(leaf, after)
    if old_register is not None and new_register is not None and new_register != old_register:
        other[REGISTER] = (old_register, new_register)
    return other


def fell(leaf: Leaf, before: State, after: State) -> dict[str, tuple[int, int]]:
    """The part of `changed` that fell."""
    return {name: (old, new) for name, (old, new) in changed(leaf, before, after).items() if new < old}
