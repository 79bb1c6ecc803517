"""When units were first heard of, and who sent older versions: what silence and a source gone back are known by.

Part of a partition's state: counted by contest, so that the partitions' are simply added up.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

BUCKET_MS: Final = 600_000
"""Ten minutes: silence is measured in them, and a long night has a hundred."""


class Heard:
    """``firsts``: contest -> bucket of election time -> units first reported in it. ``late``: contest -> source -> late reports."""

    def __init__(
        self, firsts: dict[str, dict[int, int]] | None = None, late: dict[str, dict[str, int]] | None = None
    ) -> None:
        self.firsts = firsts if firsts is not None else {}
        self.late = late if late is not None else {}
        self.changed = False

    def first(self, contest: str, at: int) -> None:
        """A unit reported for the first time at this election time, ms since the epoch."""
        _count(self.firsts, contest, at // BUCKET_MS)
        self.changed = True

    def older(self, contest: str, source: str) -> None:
        """The source sent a version older than the one that is known."""
        _count(self.late, contest, source)
        self.changed = True


def together(parts: Iterable[Heard]) -> Heard:
    """What several partitions heard."""
    whole = Heard()
    for part in parts:
        _add(whole.firsts, part.firsts)
        _add(whole.late, part.late)
    return whole


def _add(into: dict[str, dict[Any, int]], counts: Mapping[str, Mapping[Any, int]]) -> None:
    for contest, items in counts.items():
        for name, number in items.items():
            _count(into, contest, name, number)


def _count(into: dict[str, dict[Any, int]], contest: str, name: int | str, number: int = 1) -> None:
    items = into.setdefault(contest, {})
    items[name] = items.get(name, 0) + number
