"""When what of a contest may be public: its embargo by area and kind, and the acts of the authority that move it.

The election clock decides, never the wall clock (but on a live night, where they are one). docs/embargo.md says it for readers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from itertools import takewhile
from typing import Any, Final
from zoneinfo import ZoneInfo

from tallyroom.domain.election import Contest, ReleaseKind, ReportingUnit, UnitKind
from tallyroom.tabulation.plan import ContestPlan, Plan

NEVER: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)
"""An embargo that was extended without saying until when."""

_MOVES: Final = ("embargo_lifted", "embargo_extended")


@dataclass(frozen=True, slots=True)
class _Move:
    """A declaration that moves an embargo within its scope. None: all contests, the whole contest, all kinds."""

    said_at: datetime
    release: datetime
    contest: str | None
    area: str | None
    kind: str | None


class Releases:
    """Release times of one definition under the declarations so far. Asked by area, it answers for the area and all its parts:

    what is shown of an area lets its parts be worked out from their neighbours, so the area waits for the last of them.
    """

    def __init__(self, plan: Plan, asides: Iterable[Mapping[str, Any]] = ()) -> None:
        self._plan = plan
        self._moves = sorted(_moves(asides), key=lambda move: (move.said_at, move.release), reverse=True)
        self._closing: dict[str, datetime | None] = {}
        self._bulletins: dict[str | None, datetime | None] = {}
        self._times: dict[tuple[str, ReleaseKind], dict[str, datetime | None]] = {}
        self._due: list[tuple[datetime, tuple[str, str]]] | None = (
            None  # places under embargo, the last to be released first
        )

    def under(self, asides: Iterable[Mapping[str, Any]]) -> "Releases":
        """The same definition under these declarations; itself if they move nothing else."""
        made = Releases(self._plan, asides)
        if made._moves == self._moves:
            return self
        made._closing = self._closing
        return made

    def at(self, contest: str, area: str | None = None, kind: ReleaseKind = ReleaseKind.COUNTS) -> datetime | None:
        """When figures of this kind may be public in the area (None: the whole contest). None: at any time."""
        times = self._times.get((contest, kind))
        if times is None:
            times = self._times[contest, kind] = self._of_contest(self._plan.contests[contest], kind)
        root = self._plan.contests[contest].root
        return times.get(area or root, times[root])  # of an area that the contest does not have, no more than of all

    def withheld(self, now: datetime | None) -> frozenset[tuple[str, str]]:
        """Every (contest, area) whose counts may not be public yet. ``now`` None: the time is not known."""
        if self._due is None:
            places = ((name, area) for name, item in self._plan.contests.items() for area in item.contest.areas)
            due = ((at, place) for place in places if (at := self.at(*place)) is not None)
            self._due = sorted(due, reverse=True)
        if now is not None and (not self._due or now >= self._due[0][0]):
            return frozenset()
        return frozenset(place for _, place in takewhile(lambda due: is_before(now, due[0]), self._due))

    def aside_at(self, event: Mapping[str, Any]) -> datetime | None:
        """When an event that is no report may be public. Of an estimate: not before its own time either."""
        contest, area = event.get("contest"), event.get("area")
        match event["type"]:
            case "estimate":
                own = datetime.fromisoformat(event["release_at"])
                return _latest(own, self.at(event["contest"], area, ReleaseKind.ESTIMATES))
            case "participation" if contest is None:
                return self._bulletin_at(self._area_of(event))
            case "participation":
                return self.at(event["contest"], self._area_of(event), ReleaseKind.TURNOUT)
            case "declaration" if event["act"] in _MOVES:
                return None
            case _ if contest is not None:
                return self.at(contest, area)
        body = event.get("body")
        return self.body_at(body) if body is not None else _latest(*map(self.at, self._plan.contests))

    def body_at(self, body: str) -> datetime | None:
        """When a house may be shown: with the last of its contests."""
        found = [item for item in self._plan.definition.bodies if item.id == body]
        return _latest(*(self.at(contest) for item in found for contest in item.contests))

    def _area_of(self, event: Mapping[str, Any]) -> str | None:
        """Area of a bulletin; of one about a unit, the unit's."""
        unit, contest = event.get("unit"), event.get("contest")
        if unit is None:
            area: str | None = event.get("area")
            return area
        contests = [self._plan.contests[contest]] if contest else self._plan.contests.values()
        return next((item.contest.units[unit] for item in contests if unit in item.contest.units), None)

    def _bulletin_at(self, area: str | None) -> datetime | None:
        """A bulletin about no contest is bound by what was said of turnout alone: polls are open when most of them come."""
        if (
            area not in self._bulletins
        ):  # a night has hundreds of bulletins of the same few areas, asked for at every revision
            self._bulletins[area] = _latest(*(self._turnout(contest, area) for contest in self._plan.contests.values()))
        return self._bulletins[area]

    def _turnout(self, contest: ContestPlan, area: str | None) -> datetime | None:
        place = area if area is not None and area in contest.contest.areas else contest.root
        move = self._move(contest, place, ReleaseKind.TURNOUT)
        if move is not None and (move.kind is not None or move.contest is None):
            return move.release
        return _particular(contest, place, ReleaseKind.TURNOUT, only_kind=True)

    def _of_contest(self, contest: ContestPlan, kind: ReleaseKind) -> dict[str, datetime | None]:
        """Area -> the latest time of the area and all its parts."""
        times = {area: self._own(contest, area, kind) for area in contest.contest.areas}

        def with_parts(area: str) -> datetime | None:
            latest = _latest(times[area], *(with_parts(child) for child in contest.children.get(area, ())))
            times[area] = latest
            return latest

        with_parts(contest.root)
        return times

    def _own(self, contest: ContestPlan, area: str, kind: ReleaseKind) -> datetime | None:
        move = self._move(contest, area, kind)
        if move is not None:
            return move.release
        found = _particular(contest, area, kind)
        return found or contest.contest.release_at or self._plan.definition.release_at or self._closed(contest)

    def _move(self, contest: ContestPlan, area: str, kind: ReleaseKind) -> _Move | None:
        """The newest declaration that covers the place."""
        above = set(contest.ancestry(area))
        for move in self._moves:
            if (
                move.contest in (None, contest.id)
                and move.kind in (None, kind)
                and (move.area is None or move.area in above)
            ):
                return move
        return None

    def _closed(self, contest: ContestPlan) -> datetime | None:
        if contest.id not in self._closing:
            self._closing[contest.id] = last_domestic_closing(self._plan, contest)
        return self._closing[contest.id]


def is_before(now: datetime | None, release: datetime | None) -> bool:
    """Whether the release is still to come; an unknown time is before every release."""
    return release is not None and (now is None or now < release)


def last_domestic_closing(plan: Plan, contest: ContestPlan, area: str | None = None) -> datetime | None:
    """When the last poll of the contest, or of an area of it, closes that is not abroad; None if no unit says when it closes.

    Where all units are abroad it is the last of those.
    """
    within = set(contest.contest.areas if area is None else contest.within(area))
    expected = [
        plan.units[unit]
        for unit, place in contest.contest.units.items()
        if place in within and unit not in contest.contest.closed_units
    ]
    domestic = [unit for unit in expected if unit.kind is not UnitKind.OVERSEAS] or expected
    closing = [at for unit in domestic if (at := closes_at(plan, contest.contest, unit)) is not None]
    return max(closing, default=None)


def closes_at(plan: Plan, contest: Contest, unit: ReportingUnit) -> datetime | None:
    """When the unit's poll closes: as it says itself, or at the election's hour by the clocks of the unit's place on that day."""
    local = plan.definition.polls_close
    if unit.closes_at is not None or local is None:
        return unit.closes_at
    zones = [zone] if (zone := _zone(plan, contest, unit)) else plan.definition.time_zones
    hour = time.fromisoformat(local)
    return max(datetime.combine(plan.definition.date, hour, _zone_info(zone)).astimezone(UTC) for zone in zones)


def _zone(plan: Plan, contest: Contest, unit: ReportingUnit) -> str | None:
    """The unit's time zone, or that of the nearest area above it that has one."""
    if unit.time_zone is not None:
        return unit.time_zone
    at: str | None = contest.units[unit.id]
    while at is not None:
        if plan.areas[at].time_zone is not None:
            return plan.areas[at].time_zone
        at = contest.areas[at]
    return None


@cache
def _zone_info(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _particular(contest: ContestPlan, area: str, kind: ReleaseKind, *, only_kind: bool = False) -> datetime | None:
    """The most particular release of the definition: for area and kind; else the later of one for the area and one for the kind.

    Of several areas above, the nearest holds. ``only_kind``: releases that do not name the kind are not looked at.
    """
    nearness = {place: steps for steps, place in enumerate(contest.ancestry(area))}
    found: dict[tuple[bool, bool], list[tuple[int, datetime]]] = {}
    for release in contest.contest.releases:
        named = release.kind is not None
        if release.kind not in (None, kind) or (only_kind and not named):
            continue
        if release.area is None or release.area in nearness:
            steps = nearness.get(release.area or "", 0)
            found.setdefault((release.area is not None, named), []).append((steps, release.at))
    times = {which: _nearest(candidates) for which, candidates in found.items()}
    either = _latest(times.get((True, False)), times.get((False, True)))
    return times.get((True, True)) or either or times.get((False, False))


def _nearest(candidates: list[tuple[int, datetime]]) -> datetime:
    least = min(steps for steps, _ in candidates)
    return max(at for steps, at in candidates if steps == least)


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


def _moves(asides: Iterable[Mapping[str, Any]]) -> Iterator[_Move]:
    for event in asides:
        if event["type"] != "declaration" or event["act"] not in _MOVES:
            continue
        said_at, until = datetime.fromisoformat(event["reported_at"]), event.get("release_at")
        unsaid = said_at if event["act"] == _MOVES[0] else NEVER
        release = unsaid if until is None else datetime.fromisoformat(until)
        yield _Move(said_at, release, event.get("contest"), event.get("area"), event.get("kind"))
