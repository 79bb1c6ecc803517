"""What stands in a partition's journal besides events: corrections, units apart from the totals, and reports that wait.

A note says of an accepted report what the unit's state alone does not: which figures changed, and why. A wait is a refused
report of a unit from which nothing newer was accepted since. Both are functions of the partition's log prefix.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tallyroom.domain.events import SOFT, DeskAct, Disposition, Kind, Refusal, Report
from tallyroom.tabulation.plan import Leaf
from tallyroom.tabulation.supersede import State, ballots_of, changed, disposition_of, fell, kind_of, register_of

NO_REASON: Final = "reason not stated by source"
MAX_WAITS: Final = 1000
"""Reports of one partition that are listed as waiting. A source gone wild must not fill the journal; the quarantine has all."""

WAITING: Final = frozenset(
    {
        Refusal.UNKNOWN_UNIT,
        Refusal.CLOSED_UNIT,
        Refusal.DEFINITION_MISMATCH,
        Refusal.WRONG_ROUND,
        Refusal.UNKNOWN_SELECTION,
        Refusal.MISSING_SELECTION,
        Refusal.UNKNOWN_MEASURE,
        Refusal.MISSING_MEASURE,
        *SOFT,
        Refusal.EQUIVOCATION,
        Refusal.SOURCE_FROZEN,
    }
)
"""Refusals after which a unit's report waits for somebody: those that say nothing of who sent it, or to where."""


class Note(NamedTuple):
    """An accepted report that corrects its unit, or whose unit stands (or stood) apart from the totals.

    ``fell``, ``changed``: figure -> (before, after) for figures that fell, and for all that changed by a correction; a figure is a
    measure, a selection or ``registered``. ``disposition``: None unless it or the one before is other than ``counted``;
    ``registered`` and ``cast`` are then the voters and ballots behind the unit. ``settles``: reports of the unit that waited.
    ``released``: PARTITION:OFFSET of the refused record that operators let through.
    """

    offset: int
    leaf: Leaf
    version: int
    before_version: int | None  # None: the unit's first report
    at: int  # reported_at, ms since the epoch
    kind: str
    reason: str | None
    fell: Mapping[str, tuple[int, int]]
    changed: Mapping[str, tuple[int, int]]
    disposition: str | None
    registered: int | None
    cast: int | None
    settles: bool
    released: str | None


class Wait(NamedTuple):
    """A refused report of one unit. ``unit`` need not be known: that is one of the reasons."""

    offset: int
    contest: str
    unit: str
    group: str | None
    version: int
    at: int  # reported_at, ms since the epoch
    code: str

    @property
    def name(self) -> str:
        """The leaf's name (`tallyroom.tabulation.plan.Leaf.name`)."""
        return f"{self.contest}|{self.unit}" + (f"#{self.group}" if self.group else "")


class Waits:
    """Reports that wait in one partition, by leaf name and version."""

    def __init__(self) -> None:
        self.names: dict[str, dict[int, Wait]] = {}  # by leaf name and version; read by the fold's hot loop
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[Wait]:
        for versions in self.names.values():
            yield from versions.values()

    def refuse(self, wait: Wait) -> bool:
        """Take the refused report in; whether that changes anything. One that is refused for a new reason waits for that one.

        A reason after which nobody can be waited for (`WAITING`) ends a wait and begins none.
        """
        versions = self.names.get(wait.name, {})
        known = versions.get(wait.version)
        if known is not None:
            if known.code == wait.code:
                return False
            if wait.code in WAITING:
                versions[wait.version] = wait
            else:
                self._drop(wait.name, [wait.version])
            return True
        if wait.code not in WAITING or self._number >= MAX_WAITS:
            return False
        self.names.setdefault(wait.name, {})[wait.version] = wait
        self._number += 1
        return True

    def settle(self, name: str, version: int) -> bool:
        """A report of the leaf was accepted: what is not newer waits no more. Whether anything did."""
        over = [known for known in self.names.get(name, ()) if known <= version]
        self._drop(name, over)
        return bool(over)

    def reject(self, act: DeskAct) -> None:
        """An act of the desk: a rejected report of a unit waits no more. By name and version: places differ in a replay."""
        if act.act == "reject" and act.contest is not None and act.unit is not None and act.version is not None:
            name = f"{act.contest}|{act.unit}" + (f"#{act.count_group}" if act.count_group else "")
            self._drop(name, [act.version] if act.version in self.names.get(name, {}) else [])

    def _drop(self, name: str, versions: list[int]) -> None:
        for version in versions:
            del self.names[name][version]
            self._number -= 1
        if versions and not self.names[name]:
            del self.names[name]


def wait_of(report: Report, code: str, offset: int) -> Wait:
    """The wait of a refused report."""
    at = int(report.reported_at.timestamp() * 1000)
    return Wait(offset, report.contest, report.unit, report.count_group, report.version, at, code)


def note(leaf: Leaf, states: tuple[State | None, State], report: Report, offset: int, settles: bool) -> Note | None:
    """What is to be written down of an accepted report; ``states``: the unit's before and after. None: nothing."""
    before, after = states
    kind = kind_of(after)
    fallen = {} if before is None else fell(leaf, before, after)
    now = disposition_of(after)
    was = Disposition.COUNTED if before is None else disposition_of(before)
    apart = now is not Disposition.COUNTED or was is not Disposition.COUNTED
    again = before is not None and (apart or kind_of(before) is Kind.RETRACTION)  # figures that were out come back
    corrects = bool(fallen) or kind is not Kind.COUNTED or again
    figures = changed(leaf, before, after) if before is not None and corrects else {}
    if not (figures or apart or settles or report.released):
        return None
    return Note(
        offset=offset,
        leaf=leaf,
        version=after[0],
        before_version=None if before is None else before[0],
        at=after[1],
        kind=str(kind),
        reason=report.release_reason or report.reason or (NO_REASON if fallen else None),
        fell=fallen,
        changed=figures,
        disposition=str(now) if apart else None,
        registered=register_of(leaf, after) if apart else None,
        cast=ballots_of(leaf, after) if apart else None,
        settles=settles,
        released=report.released,
    )
