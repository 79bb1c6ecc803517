"""Incidents in the figures of single units: typed wrong, loaded twice, shifted, counted again."""

from typing import Any, Final

from tallyroom.domain.plausibility import Flag, Plausibility
from tests.incidents.scene import Contested, Incident, report, steps

VOLUSIA_2000: Final = Incident(
    name="volusia-2000",  # a second card for one precinct: -16,022 votes where 585 were registered
    verdict="quarantined",
    strict=True,
    units={"216": 585},
    steps=steps(
        report("216", (219, 193, 0, 0)),
        report("216", (10, 9, 0, 0)),
        report("216", (-16022, 2813, 9888, 0), version=2),
        report("216", (219, 193, 9888, 0), version=2),
    ),
    refused=("equivocation", "schema", "cast_over_registered"),
    flags=frozenset({("cast_over_registered", "216")}),
    counts={"a": 219, "b": 193, "c": 0, "d": 0},
)

SHIAWASSEE_2020: Final = Incident(
    name="shiawassee-2020",  # 15,371 typed as 153,710
    verdict="alarm",
    units={"first": 56_000, "later": 56_000, "corrected": 56_000},
    steps=steps(
        report("first", (23_000, 153_710, 500, 0)),
        report("later", (9_000, 15_371, 500, 0)),
        report("later", (9_500, 153_710, 500, 0), version=2),
        report("corrected", (9_000, 15_371, 500, 0)),
        report("corrected", (9_500, 153_710, 500, 0), version=2),
        report("corrected", (9_500, 15_371, 500, 0), version=3, kind="correction", reason="typing error"),
    ),
    flags=frozenset(
        {
            ("cast_over_registered", "first"), ("digit_jump", "first"),
            ("cast_over_registered", "later"), ("digit_jump", "later"),
            ("area_over_register", "north"), ("area_over_register", "land"),
        }
    ),
    counts={"a": 42_000, "b": 322_791, "c": 1500, "d": 0},
)  # fmt: skip

SIREKAP_2024: Final = Incident(
    name="sirekap-2024",  # figures read from photographs, the first digit wrong
    verdict="quarantined",
    units={"tps-1": 300, "tps-2": 300},
    steps=steps(
        report("tps-1", (71, 120, 20, 0), ballots={"cast": 211, "valid": 211, "invalid": 0}, version=1),
        report("tps-2", (771, 50, 20, 0), ballots={"cast": 141, "valid": 141, "invalid": 0}),
        report("tps-2", (71, 50, 20, 0), disposition="held", reason="the photograph cannot be read"),
    ),
    refused=("accounting",),
    counts={"a": 71, "b": 120, "c": 20, "d": 0},
    check=lambda contest: equal(contest["areas"][0], units_held=1, units_reported=1, status="unofficial-partial"),
)

MONMOUTH_2022: Final = Incident(
    name="monmouth-2022",  # a memory stick loaded twice: the winner was another one until January
    verdict="alarm",
    units={"stick": None, "rest": None},
    steps=steps(
        report("stick", (900, 720, 3, 0)),
        report("rest", (400, 600, 5, 0)),
        report("stick", (900, 720, 3, 0)),
        report("stick", (1800, 1440, 6, 0), version=2),
    ),
    flags=frozenset({("exact_double", "stick")}),
    counts={"a": 2200, "b": 2040, "c": 11, "d": 0},
)

MONMOUTH_2022_REFUSED: Final = Incident(
    name="monmouth-2022-refused",  # the same where the definition lets the rule refuse
    verdict="quarantined",
    units={"stick": None, "rest": None},
    plausibility=Plausibility(refuse=(Flag.EXACT_DOUBLE,)),
    steps=MONMOUTH_2022.steps,
    refused=("exact_double",),
    flags=frozenset({("exact_double", "stick")}),
    counts={"a": 1300, "b": 1320, "c": 8, "d": 0},
)

ANTRIM_2020: Final = Incident(
    name="antrim-2020",  # a ballot changed after the machines were loaded: votes moved by one position
    verdict="alarm",
    units={"shifted": 12_000, "sound": 12_000},
    previous={
        "shifted": {"a": 100, "b": 6_000, "c": 2_500, "d": 50},
        "sound": {"a": 90, "b": 5_000, "c": 2_700, "d": 40},
    },
    steps=steps(
        report("shifted", (6_200, 2_600, 70, 0)),
        report("sound", (100, 5_100, 2_500, 60), counts={"d": 60, "c": 2_500, "b": 5_100, "a": 100}),
        report("sound", (100, 5_100, 2_500, 60), counts={"1": 100, "2": 7_660}, version=2),
        report("sound", (100, 5_100, 2_500, 60), definition="0" * 64, version=2),
    ),
    refused=("unknown_selection", "definition_mismatch"),
    flags=frozenset({("swing", "shifted")}),
    counts={"a": 6_300, "b": 7_700, "c": 2_570, "d": 60},
)

SPOE_2023: Final = Incident(
    name="spoe-2023",  # the result was announced the wrong way round; and one vote was never explained
    verdict="quarantined",
    units={"box-1": 603, "box-2": 10},
    steps=steps(
        report("box-1", (280, 317, 0, 0), invalid=5, ballots={"cast": 603, "valid": 597, "invalid": 5}),
        report("box-1", (280, 317, 0, 0), invalid=5, counts={"d": 0, "b": 317, "c": 0, "a": 280}),
    ),
    refused=("accounting",),
    counts={"a": 280, "b": 317, "c": 0, "d": 0},
    check=lambda contest: equal(contest["areas"][0]["leading"], selections=["b"], margin=37),
)

WA_SENATE_2013: Final = Incident(
    name="wa-senate-2013",  # 1,370 ballots lost between two counts
    verdict="accepted",
    units={"east": 9_000},
    steps=steps(
        report("east", (1_800, 1_700, 600, 0)),
        report("east", (1_200, 1_130, 400, 0), version=2, kind="recount", reason="1,370 ballots are missing"),
    ),
    counts={"a": 1_200, "b": 1_130, "c": 400, "d": 0},
    check=lambda contest: corrected(contest, "1,370 ballots are missing", a=(1_800, 1_200), cast=(4_100, 2_730)),
)

EDISON_2020: Final = Incident(
    name="edison-2020",  # two sources mixed: Pennsylvania 1.11 M -> 0.74 M
    verdict="quarantined",
    units={"pa": None},
    steps=steps(
        report("pa", (600_000, 500_000, 10_000, 0)),
        report("pa", (400_000, 330_000, 10_000, 0), version=2, source="press"),
        report("pa", (400_000, 330_000, 10_000, 0), version=3),
    ),
    refused=("wrong_source",),
    counts={"a": 400_000, "b": 330_000, "c": 10_000, "d": 0},
    check=lambda contest: corrected(contest, "reason not stated by source", cast=(1_110_000, 740_000)),
)

SWEDEN_2022: Final = Incident(
    name="sweden-2022",  # a district reported twice moved a seat
    verdict="accepted",
    units={"district": 2_000, "other": 2_000},
    steps=steps(
        report("district", (500, 400, 100, 20)),
        report("other", (300, 390, 80, 10)),
        report("district", (500, 400, 100, 20), version=2),
    ),
    counts={"a": 800, "b": 790, "c": 180, "d": 30},
    check=lambda contest: equal(contest["areas"][0], units_reported=2, units_expected=2, ballots_cast=1800),
)

MARICOPA_2022: Final = Incident(
    name="maricopa-2022",  # ballots were held back until the next day
    verdict="accepted",
    units={"centre": 8_000},
    steps=steps(report("centre", (2_000, 1_900, 50, 0), parts={"reported": 222, "expected": 223})),
    counts={"a": 2_000, "b": 1_900, "c": 50, "d": 0},
    check=lambda contest: equal(
        contest["areas"][0], status="unofficial-partial", units_partial=1, units_reported=0, units_expected=1
    ),
)

FAIRFAX_2013: Final = Incident(
    name="fairfax-2013",  # the absentee ballots of one machine were left out
    verdict="accepted",
    units={"east": None, "west": None},
    groups=("in_person", "absentee"),
    steps=steps(
        report("east", (400, 300, 0, 0), count_group="in_person"),
        report("east", (40, 50, 0, 0), count_group="absentee"),
        report("west", (420, 310, 0, 0), count_group="in_person"),
    ),
    counts={"a": 860, "b": 660, "c": 0, "d": 0},
    check=lambda contest: equal(contest["areas"][0], status="unofficial-partial", units_reported=3, units_expected=4),
)


def equal(found: Contested, **expected: Any) -> None:
    """These members have these values."""
    assert {name: found[name] for name in expected} == expected


def corrected(contest: Contested, reason: str, **changed: tuple[int, int]) -> None:
    """The one correction of the contest is labelled with its reason, old and new figures."""
    assert contest["corrections"]["count"] == 1
    (latest,) = contest["corrections"]["latest"]
    assert latest["reason"] == reason
    assert {name: tuple(latest["changed"][name]) for name in changed} == changed


UNITS: Final = (
    VOLUSIA_2000, SHIAWASSEE_2020, SIREKAP_2024, MONMOUTH_2022, MONMOUTH_2022_REFUSED, ANTRIM_2020, SPOE_2023,
    WA_SENATE_2013, EDISON_2020, SWEDEN_2022, MARICOPA_2022, FAIRFAX_2013,
)  # fmt: skip
