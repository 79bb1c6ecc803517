"""Plausibility flags as the public sees them: which figures are doubtful and why, beside the totals that they are part of."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tallyroom.domain.plausibility import Flag

LeafKey = tuple[int, str, str, str | None]
"""Partition, contest, unit and count group."""

Settled = tuple[str, str, str]
"""Contest, area and code."""

LISTED: Final = 200
"""Flags that a snapshot spells out, the newest; the others are in the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFlag:
    """A flag with its place. ``unit`` None: about the area. ``accepted``: whether the figures are in the totals.

    ``at``: election time of the report that raised it, ms since the epoch; 0: not known. ``place``: partition and offset.
    """

    code: Flag
    text: str
    figures: Mapping[str, int]
    contest: str
    area: str
    unit: str | None = None
    group: str | None = None
    version: int | None = None
    at: int = 0
    place: tuple[int, int] | None = None
    accepted: bool = True


class FlagLedger:
    """What the journals say of units' flags, in the order in which they say it."""

    def __init__(self) -> None:
        self._carried: dict[LeafKey, dict[Flag, ShownFlag]] = {}
        self._settled: dict[int, Counter[Settled]] = {}  # by partition

    def forget(self, partition: int) -> None:
        """A partition's journal is read again from its start."""
        self._carried = {leaf: flags for leaf, flags in self._carried.items() if leaf[0] != partition}
        self._settled.pop(partition, None)

    def take(self, leaf: LeafKey, flags: Iterable[ShownFlag]) -> None:
        """The unit carries these flags from here on, and no others. One that it carried already keeps its first place."""
        before, now = self._carried.get(leaf, {}), dict[Flag, ShownFlag]()
        for flag in flags:
            known = before.get(flag.code)
            now[flag.code] = known if known is not None and known.text == flag.text else flag
        self._settled.setdefault(leaf[0], Counter()).update(
            (flag.contest, flag.area, str(code)) for code, flag in before.items() if code not in now
        )
        self._carried[leaf] = now

    def carried(self) -> Iterator[ShownFlag]:
        """Every flag that a unit carries now."""
        for flags in self._carried.values():
            yield from flags.values()

    def settled(self) -> Mapping[Settled, int]:
        """How many flags were settled by a later report or an amendment."""
        return sum(self._settled.values(), Counter[Settled]())


def section(
    flags: Sequence[ShownFlag], settled: Mapping[Settled, int], withheld: Container[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The member ``flags`` of a snapshot: numbers by code, and the newest flags. ``withheld``: (contest, area) under embargo."""
    shown = [flag for flag in flags if (flag.contest, flag.area) not in withheld]
    over = Counter[str]()
    for (contest, area, code), number in settled.items():
        if (contest, area) not in withheld:
            over[code] += number
    newest = sorted(
        shown, key=lambda flag: (-flag.at, flag.contest, flag.area, flag.unit or "", flag.code, flag.group or "")
    )
    return {
        "open": dict(sorted(Counter(str(flag.code) for flag in shown).items())),
        "settled": dict(sorted(over.items())),
        "listed": [_shown(flag) for flag in newest[:LISTED]],
    }


def _shown(flag: ShownFlag) -> dict[str, Any]:
    made: dict[str, Any] = {
        "code": str(flag.code),
        "contest": flag.contest,
        "area": flag.area,
        "unit": flag.unit,
        "text": flag.text,
        "figures": dict(flag.figures),
        "accepted": flag.accepted,
        "at": datetime.fromtimestamp(flag.at / 1000, UTC) if flag.at else None,
    }
    optional = {"count_group": flag.group, "version": flag.version}
    made |= {name: value for name, value in optional.items() if value is not None}
    if flag.place is not None:
        made["partition"], made["offset"] = flag.place
    return made
