"""The number of the layout: how rows, states and the other fields of a partition's hash are packed (`tallyroom.codec.packed`).

It stands in the field ``log``, which every step that passes a record writes. So it is there from the first row on, changes in
the step that changes the rows, and goes where the hash goes: into the one that a rebuild folds beside those in use, and back
at the exchange. A hash at offset 0 has no rows, and no number. Whoever reads rows asks first (`origin_of`), in the same read.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from tallyroom.domain.errors import OtherLayout

LAYOUT: Final = 2
"""Raised with every change of what the fields of a partition mean; `tests/unit/test_layout.py` says when."""

ORIGIN: Final = b"log"
"""The field: by which layout, and from which log (fingerprints of record 0 and of record off-1)."""

_ACTION: Final = (
    "end the services of the other release, then fold the totals anew with `tallyroom rebuild` of the one that is to go on "
    '(docs/operating.md, "When the layout changes")'
)


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands in ``log``.

    ``layout`` is an integer among texts on purpose: releases that did not know it read texts alone there, and so they, too, end
    where they would misread rows. 0: made by one of them.
    """

    layout: int = 0
    first: str | None = None
    last: str | None = None


def origin_of(data: bytes | None, partition: int) -> Origin:
    """What ``log`` says of a partition that has rows. Raises OtherLayout."""
    try:
        origin = Origin() if data is None else msgspec.json.decode(data, type=Origin)
        found = f"rows of layout {origin.layout}" if origin.layout else "rows without a layout's number"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        origin, found = Origin(), f"a layout that cannot be read ({error})"
    if origin.layout != LAYOUT:
        raise OtherLayout(
            f"Partition {partition} in the store has {found}; this release reads and writes layout {LAYOUT}.", _ACTION
        )
    return origin


def guarded(names: Sequence[bytes]) -> list[bytes]:
    """These fields for a read of single ones, between two looks at the layout: the hash may be exchanged in the middle of it."""
    return [ORIGIN, *names, ORIGIN]


def unguarded(values: Sequence[bytes | None], partition: int) -> Sequence[bytes | None]:
    """The values of the fields given to `guarded`. Raises OtherLayout; where nothing is stored there is nothing to misread."""
    if any(value is not None for value in values):
        origin_of(values[0], partition)
        origin_of(values[-1], partition)
    return values[1:-1]
