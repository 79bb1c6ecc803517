"""How many list seats are certain, and how many are possible: sound bounds under a threshold that is itself still open.

Sure = decided above the threshold; Open = can pass but is not sure. B ranges over the subsets of Open that can pass together:
a sum over B of max(0, t(V + O) - c) of at most O. That is sound for fewer than O votes too: with X votes in, the needs at X + 1
are higher by t each, and t|B| <= 1.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tallyroom.bounds.methods import METHODS, Method, dhondt_most, largest
from tallyroom.bounds.threshold import Between, Line

MOST_OPEN: Final = 6
"""Lists that may be open before subsets are no longer tried: 2^6 = 64 subsets stay within milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRace:
    """An allocating area. ``counts``: of the lists that can take seats, and of no other selection.

    ``base``: V as the threshold names it, with votes for whatever else counts. ``outstanding``: O, in ballots of one vote each.
    ``line``: the threshold, ``Line(Fraction(0))`` if there is none. ``exempt``: lists that it does not bind.
    ``minimum_parties``: lists that are admitted even below it; while fewer than that are sure nothing is claimed.
    A cap on a list's seats is not known here: the bounds hold where no maximum exceeds its cap.
    """

    method: str
    seats: int
    counts: Mapping[str, int]
    base: int
    outstanding: int
    line: Line
    exempt: frozenset[str] = frozenset()
    minimum_parties: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRace:
    """An allocating area where others judge who takes part: a threshold of a larger area, or several.

    ``sure`` take part whatever comes, ``open`` may or may not, whatever is counted here; the others do not. ``outstanding``: O.
    """

    method: str
    seats: int
    counts: Mapping[str, int]
    outstanding: int
    sure: frozenset[str]
    open: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Standing:
    """A race in units of 1/b votes (t = a/b), so that t(V + O) is a whole number.

    ``raised``: what an open list has at least once it passes.
    """

    method: Method
    seats: int
    free: int
    sure: Mapping[str, int]
    open: Mapping[str, int]
    raised: Mapping[str, int]


def seat_ranges(race: ListRace) -> dict[str, Between] | None:
    """Certain minimum and possible maximum of seats of every list; None where nothing can be claimed.

    Ties count for the list in its maximum and against it in its minimum. With O = 0 this is the allocation itself, a range only
    where lots must be drawn.
    """
    standing = _standing(race)
    if standing is None or len(standing.sure) < race.minimum_parties:
        return None
    return _ranges(standing, race.counts)


def admitted_ranges(race: AdmittedRace) -> dict[str, Between] | None:
    """Certain minimum and possible maximum of seats of every list; None for a method without bounds.

    Sound by the same argument as `seat_ranges`: any subset of the open lists may pass, and none has to be raised for it.
    """
    method = METHODS.get(race.method)
    if method is None:
        return None
    sure = {name: count for name, count in race.counts.items() if name in race.sure}
    still = {name: count for name, count in race.counts.items() if name in race.open and name not in sure}
    return _ranges(_Standing(method, race.seats, race.outstanding, sure, still, still), race.counts)


def _ranges(standing: _Standing, names: Iterable[str]) -> dict[str, Between]:
    rough = len(standing.open) > MOST_OPEN
    return {
        name: Between(_minimum(standing, name, rough=rough), _maximum(standing, name, rough=rough)) for name in names
    }


def _standing(race: ListRace) -> _Standing | None:
    method = METHODS.get(race.method)
    if method is None:
        return None
    unit, share = race.line.share.denominator, race.line.share.numerator
    sure: dict[str, int] = {}
    still: dict[str, int] = {}
    for name, count in race.counts.items():
        if name in race.exempt or race.line.sure(count, race.base, race.outstanding):
            sure[name] = count * unit
        elif race.line.possible(count, race.base, race.outstanding):
            still[name] = count * unit
    bar = share * (race.base + race.outstanding)
    return _Standing(method, race.seats, race.outstanding * unit, sure, still, dict.fromkeys(still, bar))


def _maximum(race: _Standing, name: str, *, rough: bool) -> int:
    """0 for a list that cannot pass. Else all that is out goes to it, and of the others:

    D'Hondt: only the sure ones pass. Exact, as with V + O no open one does, and fewer rivals never cost a list a seat.
    Hare: every B that can pass together with it, since with a fixed number of seats a rival that leaves may cost it one. Sound:
    against any other sharing of the votes its own quota is higher, and each rival's lower.
    More than 6 open, Hare: no list gets more than its quota rounded up, and the quota is highest against the sure ones alone.
    """
    if name not in race.sure and name not in race.open:
        return 0
    own = (race.sure.get(name) or race.open.get(name) or 0) + race.free
    sure = [count for other, count in race.sure.items() if other != name]
    if race.method.most is dhondt_most:
        return dhondt_most(own, sure, race.seats)
    if rough:
        total = own + sum(sure)
        return -(-race.seats * own // total) if total else race.seats
    return max(
        race.method.most(own, sure + [race.open[other] for other in passing if other != name], race.seats)
        for passing in _together(race)
        if name in race.sure or name in passing
    )


def _minimum(race: _Standing, name: str, *, rough: bool) -> int:
    """0 for a list that is not sure. Else the lowest over B, its members first raised to t(V + O) out of O, of the largest k that
    no sharing of the rest of O among the rivals takes from it.

    Sound: whatever comes, votes for the list itself, for selections without seats and for nobody may be thought as given to its
    rivals in proportion to theirs: no rival's standing against it falls, and each member of B that passed at V + X passes at
    V + O. More than 6 open: both methods give at least the quota rounded down, which is lowest when all rivals pass.
    """
    own = race.sure.get(name)
    if own is None:
        return 0
    if rough:
        total = race.free + sum(race.sure.values()) + sum(race.open.values())
        return race.seats * own // total if total else 0
    sure = [count for other, count in race.sure.items() if other != name]
    low = race.method.most(own, sure, race.seats)
    for passing in _together(race):
        rivals = sure + [race.raised[other] for other in passing]
        free = race.free - sum(race.raised[other] - race.open[other] for other in passing)
        low = _kept(race, own, rivals, free, low)
    return low


def _kept(race: _Standing, own: int, rivals: Sequence[int], free: int, most: int) -> int:
    """The largest k of at most ``most`` below which the list cannot fall; asks for ``most`` itself first, as that often holds."""

    def stays(k: int) -> bool:
        return not race.method.can_fall(k, own, rivals, free, race.seats)

    return most if not most or stays(most) else largest(most - 1, stays)


def _together(race: _Standing) -> Iterator[tuple[str, ...]]:
    """Every B: subsets of the open lists that can pass together, the empty one included."""
    needs = sorted((race.raised[name] - count, name) for name, count in race.open.items())
    kept: list[tuple[int, tuple[str, ...]]] = [(race.free, ())]
    for need, name in needs:
        kept += [(left - need, (*names, name)) for left, names in kept if need <= left]
    return (names for _, names in kept)
