"""Figures of frozen places: the rows that were published last, kept with the revisions, so that a restart does not thaw them.

The rows are frozen, not the documents: everything that is derived from them (seats, bounds, houses) stands still with them.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from tallyroom.publisher.cut import View
from tallyroom.results.desk import Freeze, freezes
from tallyroom.results.facts import Facts, Place
from tallyroom.tabulation.rows import Row, widened

KEPT: Final = "kept:frozen"
"""Document of a revision that no reader is shown: the rows that stand still."""

_decode: Final = msgspec.json.Decoder(list[tuple[str, str, tuple[int, ...], dict[str, int]]]).decode


class Held(NamedTuple):
    """A row that stands still, and the offsets that it covers."""

    row: Row
    as_of: Mapping[str, int]


class Frozen:
    """Follows the acts of the desk. One for each publisher's view."""

    def __init__(self) -> None:
        self._held: dict[Place, Held] | None = None  # None: the kept document was not read yet
        self._said: dict[Place, Freeze] = {}
        self._as_of: Mapping[str, int] = {}  # of what was derived last

    def over(self, view: View, facts: Facts, documents: Mapping[str, bytes]) -> tuple[Facts, frozenset[Place]]:
        """The facts with frozen places as they were, and the places that are shown otherwise from now on.

        A place that freezes keeps the row that was derived last. A publisher that starts after the freeze and has no kept row
        freezes at what it sees first.
        """
        said = freezes(view.plan, facts.asides)
        held = self._held if self._held is not None else _kept(documents)
        now = {str(partition): offset for partition, offset in view.offsets().items()}
        as_of = self._as_of or now
        if said and not view.totals:  # everything is read anew: there are no rows of what was derived last
            view.changed.update(view.sum_changed())
            as_of = now
        for place in said.keys() - held.keys():
            held[place] = Held(view.totals.get(place, ()), as_of)
        for place in held.keys() - said.keys():
            del held[place]
        moved = {place for place in said.keys() | self._said.keys() if said.get(place) != self._said.get(place)}
        self._held, self._said, self._as_of = held, said, now
        return (self._over(view, facts, held) if held else facts), frozenset(moved)

    def _over(self, view: View, facts: Facts, held: Mapping[Place, Held]) -> Facts:
        rows = {place: widened(item.row, view.plan.contests[place[0]].width) for place, item in held.items()}
        shown = {
            place: {"since": self._said[place].since, "text": self._said[place].text, "as_of": {"events": item.as_of}}
            for place, item in held.items()
        }
        corrections = dict(facts.corrections)
        for name, listed in facts.corrections.items():
            whole = held.get((name, view.plan.contests[name].root)) if name in view.plan.contests else None
            if whole is not None:
                corrections[name] = [
                    item for item in listed if item["offset"] < whole.as_of.get(str(item["partition"]), 0)
                ]
        return replace(facts, totals=ChainMap(rows, view.totals), frozen=shown, corrections=corrections)

    def document(self) -> list[Any]:
        """What has to be kept with the revision."""
        held = self._held or {}
        return [[contest, area, item.row, item.as_of] for (contest, area), item in sorted(held.items())]


def _kept(documents: Mapping[str, bytes]) -> dict[Place, Held]:
    data = documents.get(KEPT)
    return {} if data is None else {(contest, area): Held(row, as_of) for contest, area, row, as_of in _decode(data)}
