"""What looks across units or at the clock: flags about areas, sources and silence. Pure: told totals, declared totals, the clock.

Nothing here refuses anything, since it is no function of one partition's log prefix. docs/plausibility.md explains each rule.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from tallyroom.domain.events import SOFT
from tallyroom.domain.plausibility import Flag, Plausibility
from tallyroom.results.apart import rejected_places
from tallyroom.results.facts import Facts, Place
from tallyroom.results.flags import ShownFlag
from tallyroom.results.register import Expectation
from tallyroom.tabulation.heard import BUCKET_MS
from tallyroom.tabulation.plan import ContestPlan, Plan
from tallyroom.tabulation.rows import Column, Row
from tallyroom.tabulation.supersede import CONTENT, FIGURES, is_ordinary

_SHARE_OF_UNITS: Final = Fraction(1, 20)
"""Silence says something once this share of the units is in, and as long as this share is outstanding."""
_LATE_SHARE: Final = Fraction(1, 50)
"""Late reports are ordinary (networks reorder) as long as they are fewer than this share of what was accepted."""
_SMALL: Final = 9
"""Figures up to this one are equal in many units by chance."""
_NAMED: Final = 10
"""Units that the text of a flag names."""

Expected = Mapping[str, Mapping[str, Expectation]]
"""Contest -> area -> what the definition says of it."""


class Watch:
    """The rules over one definition. An area whose totals are the same as at the last look is not looked at again."""

    def __init__(self, plan: Plan, expected: Expected) -> None:
        self._plan = plan
        self._expected = expected
        self._seen: dict[Place, tuple[Row, list[ShownFlag]]] = {}

    def flags(self, facts: Facts) -> list[ShownFlag]:
        """Flags about every contest, as the facts stand. ``facts.now`` None: no silence is measured against the clock."""
        controls = _newest_controls(facts.asides)
        found = list(_refused(self._plan, facts))
        for contest in self._plan.contests.values():
            made = [flag for area in contest.contest.areas for flag in self._area(contest, area, facts)]
            made += _silence(contest, self._expected[contest.id][contest.root].units, facts)
            made += _regressions(contest, facts)
            for control in controls.get(contest.id, ()):
                made += _differs(contest, control, facts)
            off = contest.rules.settings.off
            found += [flag for flag in made if flag.code not in off]
        return found

    def _area(self, contest: ContestPlan, area: str, facts: Facts) -> list[ShownFlag]:
        place = (contest.id, area)
        row = facts.totals.get(place)
        if row is None:
            return []
        seen = self._seen.get(place)
        if seen is None or seen[0] is not row:
            made = [_flag(contest, area, *item) for item in _of_area(contest, row, self._expected[contest.id][area])]
            seen = self._seen[place] = (row, made)
        return seen[1]


def identical(plan: Plan, states: Iterable[tuple[str, bytes]]) -> list[ShownFlag]:
    """Units whose figures are exactly those of others; ``states``: packed unit states by leaf name (`tallyroom.codec.packed`).

    Compared as bytes: a hundred thousand units take a tenth of a second.
    """
    alike: dict[tuple[str, bytes], list[str]] = defaultdict(list)
    for name, state in states:
        if is_ordinary(state[8 * CONTENT]):  # the code's lowest byte is all of it
            alike[name.partition("|")[0], state[8 * FIGURES :]].append(name)
    found = []
    for (contest_id, packed), names in alike.items():
        contest = plan.contests[contest_id]
        settings = contest.rules.settings
        if len(names) < settings.identical_units or not contest.rules.compares:
            continue
        figures = [int.from_bytes(packed[at : at + 8], "little", signed=True) for at in range(0, len(packed), 8)]
        votes = figures[len(contest.measures) :]
        if sum(votes) >= settings.minimum and sum(v > _SMALL for v in votes) >= settings.identical_figures:
            found.append(_alike(plan, contest, sorted(names), sum(votes)))
    return sorted(found, key=lambda flag: (flag.contest, flag.text))


def _alike(plan: Plan, contest: ContestPlan, names: list[str], votes: int) -> ShownFlag:
    units = [plan.leaf_named(name).unit for name in names]
    more = f" and {len(units) - _NAMED} more" if len(units) > _NAMED else ""
    text = f"{len(units)} units report exactly the same figures: {', '.join(units[:_NAMED])}{more}."
    return _flag(contest, contest.root, Flag.IDENTICAL_COUNTS, text, {"units": len(units), "votes": votes})


def _flag(contest: ContestPlan, area: str, code: Flag, text: str, figures: Mapping[str, int], at: int = 0) -> ShownFlag:
    return ShownFlag(code=code, text=text, figures=figures, contest=contest.id, area=area, at=at)


def _of_area(contest: ContestPlan, row: Row, expected: Expectation) -> Iterator[tuple[Flag, str, Mapping[str, int]]]:
    settings, closed = contest.rules.settings, sum(row[Column.COMPLETE : Column.CANCELLED + 1])
    if closed > expected.units:
        text = f"{closed} units reported, {expected.units} are expected: totals hold what is not in the definition."
        yield Flag.OVER_DELIVERY, text, {"units": closed, "expected": expected.units}
    added = row[Column.REGISTERED_CHANGE]
    if added > Fraction(settings.voters_added) * expected.registered and added >= settings.minimum:
        text = f"Units report {added} voters more than the {expected.registered} of the definition."
        yield Flag.VOTERS_ADDED, text, {"added": added, "registered": expected.registered}
    if contest.cast_at is None:
        return
    cast = row[contest.column(contest.measures[contest.cast_at])]
    yield from _rejected(contest, settings, row, cast)
    registered = row[Column.REGISTERED_COMPLETE] + row[Column.REGISTERED_PARTIAL]
    limit = registered * (1 + Fraction(settings.area_over_register))
    if registered and not row[Column.WITHOUT_REGISTER] and cast > limit:
        text = f"{cast} ballots cast in units that have {registered} registered voters."
        yield Flag.AREA_OVER_REGISTER, text, {"cast": cast, "registered": registered}


def _rejected(
    contest: ContestPlan, settings: Plausibility, row: Row, cast: int
) -> Iterator[tuple[Flag, str, Mapping[str, int]]]:
    rejected = sum(row[contest.column(name)] for name in settings.invalid if name in contest.measures)
    if cast >= settings.minimum and rejected > Fraction(settings.area_invalid_share) * cast:
        text = f"{rejected} of {cast} ballots are rejected, more than {settings.area_invalid_share} of them."
        yield Flag.AREA_INVALID_SHARE, text, {"rejected": rejected, "cast": cast}


def _refused(plan: Plan, facts: Facts) -> Iterator[ShownFlag]:
    """Reports that were refused softly and wait for a person: in no total, but no secret either."""
    rejected = rejected_places(facts.asides)
    for contest_id, waiting in facts.waiting.items():
        contest = plan.contests.get(contest_id)
        for item in waiting if contest is not None else ():
            decided = f"{item['partition']}:{item['offset']}" in rejected
            if contest is not None and item["code"] in SOFT and not decided:
                yield ShownFlag(
                    code=Flag(item["code"]),
                    text="A report was refused for this and waits for a decision: its figures are in no total.",
                    figures={},
                    contest=contest_id,
                    area=contest.contest.units.get(item["unit"], contest.root),
                    unit=item["unit"],
                    group=item["group"],
                    version=item["version"],
                    at=item["at"],
                    place=(item["partition"], item["offset"]),
                    accepted=False,
                )


def _newest_controls(asides: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """By contest, the highest version of every area's and source's declared total."""
    newest: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for event in asides:
        if event["type"] == "control":
            key = (event["contest"], event["area"], event["source"])
            if key not in newest or event.get("version", 1) >= newest[key].get("version", 1):
                newest[key] = event
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for (contest, _, _), event in sorted(newest.items()):
        found[contest].append(event)
    return found


def _differs(contest: ContestPlan, control: Mapping[str, Any], facts: Facts) -> Iterator[ShownFlag]:
    """A total declared for as many units as are in ours, with other figures. Of other numbers of units nothing can be said."""
    area = control["area"]
    row = facts.totals.get((contest.id, area))
    if row is None or control.get("units_reported") != row[Column.COMPLETE] or row[Column.PARTIAL]:
        return
    declared = {**control.get("counts", {}), **control.get("ballots", {})}
    known = {name: value for name, value in declared.items() if name in contest.figures}
    other = {name: value for name, value in known.items() if row[contest.column(name)] != value}
    if other:
        told = "; ".join(f"{name} {value}, here {row[contest.column(name)]}" for name, value in other.items())
        figures = {name: row[contest.column(name)] for name in other} | {f"{n} declared": v for n, v in other.items()}
        text = f"{control['source']} declares other totals of the same {control['units_reported']} units: {told}."
        at = int(datetime.fromisoformat(control["reported_at"]).timestamp() * 1000)
        yield _flag(contest, area, Flag.CONTROL_DIFFERS, text, figures, at)


def _regressions(contest: ContestPlan, facts: Facts) -> Iterator[ShownFlag]:
    row = facts.totals.get((contest.id, contest.root), (0,) * contest.width)
    known = sum(row[Column.COMPLETE : Column.CANCELLED + 1])
    for source, late in sorted(facts.heard.late.get(contest.id, {}).items()):
        if late >= contest.rules.settings.late_reports and late > _LATE_SHARE * known:
            text = f"{source} sent {late} reports older than what it had sent before: an older state is served again."
            yield _flag(contest, contest.root, Flag.SOURCE_REGRESSION, text, {"late": late, "units": known})


def _silence(contest: ContestPlan, units: int, facts: Facts) -> Iterator[ShownFlag]:
    """Long stretches in which no unit reported for the first time although many were to come; the last one up to now."""
    firsts = sorted(facts.heard.firsts.get(contest.id, {}).items())
    longest, in_ = contest.rules.settings.silence_minutes * 60_000, 0
    now = None if facts.now is None else int(facts.now.timestamp() * 1000)
    ends = [bucket * BUCKET_MS for bucket, _ in firsts[1:]] + ([] if now is None else [now])
    for (bucket, number), end in zip(firsts, ends, strict=False):
        in_ += number
        begin, missing = (bucket + 1) * BUCKET_MS, units - in_
        if end - begin >= longest and min(in_, missing) >= _SHARE_OF_UNITS * units:
            minutes = (end - begin) // 60_000
            until = "" if end == now else f" to {_clock(end)}"
            text = (
                f"No unit was new for {minutes} minutes from {_clock(begin)}{until}, with {missing} of {units} missing."
            )
            figures = {"minutes": minutes, "missing": missing, "units": units}
            yield _flag(contest, contest.root, Flag.STALL, text, figures, begin)


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
