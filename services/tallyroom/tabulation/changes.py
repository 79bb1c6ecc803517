"""What folding brings about: how many events met which fate, and what has to be written."""

from dataclasses import dataclass, field

from tallyroom.tabulation.doubts import Doubt
from tallyroom.tabulation.notes import Note, Wait
from tallyroom.tabulation.rows import Row
from tallyroom.tabulation.supersede import State


@dataclass(slots=True)
class Tallies:
    """How many events of the prefix met which fate; newest election time and newest append seen (ms since the epoch)."""

    accepted: int = 0
    superseded: int = 0
    duplicates: int = 0
    late: int = 0
    decreases: int = 0
    aside: int = 0
    amendments: int = 0
    quarantined: int = 0
    reported_at: int = 0
    appended_at: int = 0


@dataclass(slots=True)
class Changes:
    """What became different since the last time they were taken: absolute values."""

    units: dict[str, State] = field(default_factory=dict)
    cells: dict[tuple[str, str], Row] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)  # refused reports that changed who waits
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def decreases(self) -> list[Note]:
        """Notes of reports that lowered figures."""
        return [note for note in self.notes if note.fell]
