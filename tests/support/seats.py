"""Real elections for the apportionment tests: published votes and seats, and problems made from them.

Where a figure is from memory, the case says so; everything else was published or follows from what was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import Apportionment, Figures, LotsRequired, Outcome, Problem
from tallyroom.domain.election import Threshold

Seats = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """Votes and what each method must make of them. ``against``: in the base, without seats."""

    name: str
    seats: int
    votes: Seats
    expected: Mapping[str, Seats]
    share: str | None = "1/20"
    against: frozenset[str] = frozenset()
    certainty: str = "published"


def named(names: str, *seats: int) -> dict[str, int]:
    """Seats by name: ``named("A B", 2, 1)``."""
    return dict(zip(names.split(), seats, strict=True))


KZ_VOTES: Final = {
    "AMANAT": 3_431_510,
    "AUYL": 693_938,
    "RESPUBLICA": 547_154,
    "AQJOL": 535_139,
    "QHP": 432_920,
    "JSDP": 331_058,
    "BAYTAQ": 146_431,
    "AGAINST_ALL": 248_291,
}
SIX: Final = "AMANAT AUYL RESPUBLICA AQJOL QHP JSDP"
SEVEN: Final = f"{SIX} BAYTAQ"
AGAINST: Final = frozenset({"AGAINST_ALL"})
ASTANA: Final = named("AMANAT AQJOL QHP BAYTAQ", 12, 3, 1, 1)
KOSTANAY: Final = named("AMANAT AQJOL AUYL QHP RESPUBLICA", 9, 3, 2, 1, 1)
ALMATY: Final = "AMANAT QHP RESPUBLICA BAYTAQ AQJOL"

KAZAKHSTAN: Final = (
    Case(
        name="Mazhilis 2023",
        seats=69,
        votes=KZ_VOTES,
        against=AGAINST,
        expected={
            "hare": named(SIX, 40, 8, 6, 6, 5, 4),
            "droop": named(SIX, 40, 8, 6, 6, 5, 4),
            "sainte-lague": named(SIX, 40, 8, 6, 6, 5, 4),
            "modified-sainte-lague": named(SIX, 40, 8, 6, 6, 5, 4),
            "dhondt": named(SIX, 41, 8, 6, 6, 5, 3),
        },
    ),
    Case(
        name="Mazhilis 2023 without a threshold",
        seats=69,
        votes=KZ_VOTES,
        against=AGAINST,
        share=None,
        expected={
            "hare": named(SEVEN, 39, 8, 6, 6, 5, 4, 1),
            "dhondt": named(SEVEN, 40, 8, 6, 6, 5, 3, 1),
            "sainte-lague": named(SEVEN, 38, 8, 6, 6, 5, 4, 2),
        },
    ),
    Case(
        name="Mazhilis 2004",
        seats=10,
        votes=named("OTAN AQJOL ASAR AIST", 2_883_706, 572_672, 541_239, 336_177),
        share="7/100",
        certainty="first three votes published; votes of AIST and the seats from memory",
        expected={
            "hare": named("OTAN AQJOL ASAR AIST", 7, 1, 1, 1),
            "dhondt": named("OTAN AQJOL ASAR AIST", 8, 1, 1, 0),
        },
    ),
    Case(
        name="Mazhilis 2021",
        seats=98,
        votes=named("NUROTAN AQJOL QHP", 5_148_074, 792_828, 659_019),
        share="7/100",
        certainty="seats and shares published, votes from memory",
        expected={
            "hare": named("NUROTAN AQJOL QHP", 76, 12, 10),
            "dhondt": named("NUROTAN AQJOL QHP", 77, 12, 9),
        },
    ),
    Case(
        name="Astana maslikhat 2023",
        seats=17,
        votes=named(
            "AMANAT AQJOL QHP BAYTAQ RESPUBLICA AUYL AGAINST_ALL", 227_307, 56_045, 18_174, 18_154, 5_401, 2_197, 3_269
        ),
        against=AGAINST,
        expected={"hare": ASTANA, "dhondt": ASTANA},
    ),
    Case(
        name="Almaty maslikhat 2023",
        seats=21,
        votes=named(
            "AMANAT QHP RESPUBLICA BAYTAQ AQJOL AUYL AGAINST_ALL",
            *(151_531, 38_563, 38_369, 23_266, 15_273, 8_264, 16_490),
        ),
        against=AGAINST,
        expected={"hare": named(ALMATY, 12, 3, 3, 2, 1), "dhondt": named(ALMATY, 13, 3, 3, 1, 1)},
    ),
    Case(
        name="Kostanay maslikhat 2023",
        seats=16,
        votes=named("AMANAT AQJOL AUYL QHP RESPUBLICA", 195_232, 66_220, 44_220, 22_325, 22_115),
        expected={"hare": KOSTANAY, "dhondt": KOSTANAY},
    ),
)

DE_NAMES: Final = "SPD CDU GRUENE FDP AfD CSU LINKE SSW"
DE_VOTES: Final = named(DE_NAMES, 11_955_434, 8_775_471, 6_852_206, 5_319_952, 4_803_902, 2_402_827, 2_270_906, 55_578)
DE_VALID: Final = 46_442_023  # from memory, as the votes of the SSW
DE_THRESHOLD: Final = Threshold(share="1/20", base=("valid",), exempt=("SSW",), district_wins=3)
DE_733: Final = named(DE_NAMES, 206, 152, 118, 92, 83, 42, 39, 1)
DE_736: Final = {**DE_733, "CSU": 45}

NL_SEATS: Final = {
    "PVV": 37, "GL-PvdA": 25, "VVD": 24, "NSC": 20, "D66": 9, "BBB": 7, "CDA": 5, "SP": 5, "DENK": 3, "PvdD": 3,
    "FVD": 3, "SGP": 3, "CU": 3, "Volt": 2, "JA21": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """A problem without ceremony; ``more`` are further fields of it."""

    method: str
    seats: int
    votes: Seats
    thresholds: tuple[Threshold, ...] = ()
    measures: Seats = field(default_factory=dict)


def solve(wanted: Wanted, **more: Any) -> Outcome:
    """The outcome of a problem."""
    figures = Figures(votes=wanted.votes, measures=wanted.measures)
    problem = Problem(method=wanted.method, seats=wanted.seats, figures=figures, thresholds=wanted.thresholds, **more)
    return apportion(problem)


def decided(outcome: Outcome) -> Apportionment:
    """The outcome, which must not hang on a lot."""
    assert isinstance(outcome, Apportionment), outcome
    return outcome


def lots(outcome: Outcome) -> LotsRequired:
    """The outcome, which must hang on a lot."""
    assert isinstance(outcome, LotsRequired), outcome
    return outcome


def given(outcome: Apportionment) -> dict[str, int]:
    """Seats of those who have any."""
    return {name: seats for name, seats in outcome.seats.items() if seats}


def with_seats(seats: Seats) -> dict[str, int]:
    """The same, of what is expected."""
    return {name: count for name, count in seats.items() if count}
