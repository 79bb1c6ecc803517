"""What the log says so far, as results are derived from it: totals, what stands beside them, and the election clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tallyroom.results.flags import Settled, ShownFlag
from tallyroom.tabulation.heard import Heard
from tallyroom.tabulation.rows import Row

Place = tuple[str, str]
"""(contest, area)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """``totals``: rows by contest and area; a place that is missing has no counts yet. ``matched``: sums over
    the units that were there last time (`tallyroom.tabulation.matched`), where the definition has earlier results of units.

    ``asides``: every accepted event that is no report, as decoded JSON objects, in no particular order. ``corrections``: reports
    that lowered figures of their unit or call themselves a correction, by contest, in the order in which they were reported.
    ``apart``: units whose newest report is in no total, ``waiting``: refused reports of units that said nothing newer since,
    both by contest and as JSON objects. ``flags``: those that units carry now; ``settled``: how many were. ``heard``: when units
    first reported, and which sources served older reports again. ``released``: reports that operators let through. ``frozen``:
    places whose totals stand still, as they are marked. ``now``: election time, None if it is not known.
    """

    totals: Mapping[Place, Row] = field(default_factory=dict)
    matched: Mapping[Place, Row] = field(default_factory=dict)
    asides: Collection[Mapping[str, Any]] = ()
    corrections: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    apart: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    waiting: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    flags: Sequence[ShownFlag] = ()
    settled: Mapping[Settled, int] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    released: Sequence[Mapping[str, Any]] = ()
    frozen: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    now: datetime | None = None
