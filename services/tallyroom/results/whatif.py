"""What a single report would do to the results if it were counted: figures before and after, and whether an outcome turns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tallyroom.results.documents import Deriver, areas_name, contest_name
from tallyroom.results.facts import Facts, Place
from tallyroom.tabulation.plan import ContestPlan, Leaf, Plan
from tallyroom.tabulation.rows import Row, minus, plus
from tallyroom.tabulation.supersede import State, contribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that people vote about and that would be another one: ``what`` (leading, winner, threshold, seats, house), of
    whom, before and after."""

    what: str
    of: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """``figures``: of the contest's root, name -> (before, after, share before, share after); only those that move. ``turns``:
    outcomes that would be others. ``could_change_outcome``: there are any."""

    figures: Mapping[str, tuple[int, int, str | None, str | None]]
    turns: tuple[Turn, ...]

    @property
    def could_change_outcome(self) -> bool:
        """Whether anything that people vote about would turn."""
        return bool(self.turns)


def effect(deriver: Deriver, facts: Facts, leaf: Leaf, states: tuple[State | None, State]) -> Effect:
    """What becomes of the results if the leaf's state goes from ``states[0]`` (None: it has not reported) to ``states[1]``."""
    contest = leaf.plan
    before, after = states
    row = contribution(leaf, after)
    delta = row if before is None else minus(row, contribution(leaf, before))
    moved = replace(facts, totals=_moved(facts.totals, contest, leaf.area, delta))
    old, new = (_shown(deriver, contest, item) for item in (facts, moved))
    return Effect(figures=_figures(contest, old, new), turns=tuple(_turns(deriver.plan, old, new)))


def _moved(totals: Mapping[Place, Row], contest: ContestPlan, area: str, delta: Row) -> dict[Place, Row]:
    nothing = (0,) * contest.width
    changed = {(contest.id, at): plus(totals.get((contest.id, at), nothing), delta) for at in contest.ancestry(area)}
    return {**totals, **changed}


@dataclass(frozen=True, slots=True)
class _Shown:
    contest: Mapping[str, Any]
    root: Mapping[str, Any]
    bodies: Mapping[str, Mapping[str, Any]]


def _shown(deriver: Deriver, contest: ContestPlan, facts: Facts) -> _Shown:
    made = deriver.documents([(contest.id, contest.root)], facts, release=True)
    bodies = deriver.beside(facts, release=True)["beside:bodies"]["bodies"]
    (root,) = (item for item in made[areas_name(contest.id, None)] if item["area"] == contest.root)
    return _Shown(made[contest_name(contest.id)], root, {body["body"]: body for body in bodies})


def _figures(contest: ContestPlan, old: _Shown, new: _Shown) -> dict[str, tuple[int, int, str | None, str | None]]:
    found: dict[str, tuple[int, int, str | None, str | None]] = {}
    for name in contest.measures:
        if old.root["ballots"][name] != new.root["ballots"][name]:
            found[name] = (old.root["ballots"][name], new.root["ballots"][name], None, None)
    for name in contest.selections:
        numbers = old.root["counts"][name], new.root["counts"][name]
        shares = old.root["shares"][name], new.root["shares"][name]
        if numbers[0] != numbers[1] or shares[0] != shares[1]:
            found[name] = (*numbers, *shares)
    return found


def _turns(plan: Plan, old: _Shown, new: _Shown) -> Iterator[Turn]:
    name = str(new.contest["contest"])
    pairs = [("leading", name, _leading(old), _leading(new)), ("winner", name, _winner(old), _winner(new))]
    pairs += [("threshold", of, *pair) for of, pair in _both(_thresholds(old), _thresholds(new))]
    pairs += [("seats", of, *pair) for of, pair in _both(_seats(old), _seats(new))]
    for body in plan.definition.bodies:
        if name in body.contests:
            parties = (_parties(shown.bodies[body.id]) for shown in (old, new))
            pairs += [("house", f"{body.id}: {of}", *pair) for of, pair in _both(*parties)]
    for what, of, before, after in pairs:
        if before != after:
            yield Turn(what=what, of=of, before=before, after=after)


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in {**old, **new}:
        yield name, (old.get(name), new.get(name))


def _leading(shown: _Shown) -> list[str]:
    return sorted((shown.contest["leading"] or {}).get("selections", ()))


def _winner(shown: _Shown) -> Any:
    return (shown.contest["winner"] or {}).get("selection")


def _thresholds(shown: _Shown) -> Mapping[str, str]:
    """On which side of the line a selection stands now: whether that is decided is no other outcome."""
    threshold = (shown.contest["apportionment"] or {}).get("threshold")
    if threshold is None:
        return {}
    needed, counts = threshold["votes_needed"], shown.root["counts"]
    return {of: "above" if counts[of] >= needed else "below" for of in threshold["selections"]}


def _seats(shown: _Shown) -> Mapping[str, Any]:
    return {of: seat["now"] for of, seat in ((shown.contest["apportionment"] or {}).get("seats") or {}).items()}


def _parties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {of: seat["now"] for of, seat in (body.get("parties") or {}).items()}
