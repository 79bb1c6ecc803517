"""Incidents across units and in what sources send: estimates, files sent twice or cut short, test data, silence."""

import json
from typing import Any, Final

from tallyroom.domain.plausibility import Plausibility
from tests.incidents.scene import Contested, Incident, Step, report, steps
from tests.incidents.units import equal

_FOUR: Final = {f"box-{number}": 1_000 for number in range(4)}
_NONE: Final = {"a": 0, "b": 0, "c": 0, "d": 0}


def _area(contest: Contested, area: str) -> Contested:
    return next(found for found in contest["areas"] if found["area"] == area)


BERLIN_2021: Final = Incident(
    name="berlin-2021",  # 22 districts with the same estimate, and more voters than there are
    verdict="alarm",
    selections=("a", "b", "c", "d", "e", "f"),
    units={**{f"district-{number}": 1_500 for number in range(22)}, "turnout": 900},
    steps=steps(
        *(report(f"district-{number}", (300, 200, 150, 60, 40, 12)) for number in range(22)),
        report("turnout", (500, 400, 300, 90, 45, 15)),
        {
            "type": "estimate", "source": "press", "pollster": "institute", "names": {}, "method": "projection",
            "release_at": "2031-10-05T17:00:00Z", "shares": {"a": "0.9"},
        },
    ),
    flags=frozenset({("identical_counts", "land"), ("cast_over_registered", "turnout")}),
    counts={"a": 7_100, "b": 4_800, "c": 3_600, "d": 1_410, "e": 925, "f": 279},
)  # fmt: skip

KENYA_2013: Final = Incident(
    name="kenya-2013",  # rejected votes counted eight times
    verdict="alarm",
    units=_FOUR,
    steps=steps(
        *(report(f"box-{number}", (300, 280, 20, 0), invalid=320) for number in range(3)),
        report("box-3", (300, 280, 20, 0), ballots={"cast": 640, "valid": 600, "invalid": 320}),
    ),
    refused=("accounting",),
    flags=frozenset({("area_invalid_share", area) for area in ("land", "north", "south")} | {("accounting", "box-3")}),
    counts={"a": 900, "b": 840, "c": 60, "d": 0},
)

SCOTLAND_2007: Final = Incident(
    name="scotland-2007",  # 142,000 ballots rejected; two kinds of ballot on one paper
    verdict="alarm",
    units=_FOUR,
    plausibility=Plausibility(area_invalid_share="1/20"),
    steps=steps(
        *(report(f"box-{number}", (250, 240, 200, 10), invalid=50 + number) for number in range(4)),
        {"type": "declaration", "act": "suspension", "text": {"en": "The counting is stopped and examined."}},
    ),
    flags=frozenset({("area_invalid_share", area) for area in ("land", "north", "south")}),
    counts={"a": 1_000, "b": 960, "c": 800, "d": 40},
    check=lambda contest: equal(contest, status="suspended"),
)

PHILIPPINES_2025: Final = Incident(
    name="philippines-2025",  # about 15,000 files sent twice, five million votes too many
    verdict="accepted",
    units={"precinct-1": 800, "precinct-2": 800, "precinct-3": 800},
    steps=steps(
        *(report(f"precinct-{number}", (200, 180, 30, number), id=f"ph-{number}") for number in (1, 2, 3, 1, 2, 3)),
        report("precinct-1", (200, 180, 30, 1), id="again"),
    ),
    counts={"a": 600, "b": 540, "c": 90, "d": 6},
    check=lambda contest: equal(contest["areas"][0], units_reported=3, units_expected=3),
)

PRINCE_WILLIAM_2020: Final = Incident(
    name="prince-william-2020",  # parts of split precincts were dropped
    verdict="alarm",
    units=_FOUR,
    steps=steps(
        *(report(f"box-{number}", (300, 200, 10, 0)) for number in range(2)),
        {"type": "control", "area": "north", "units_reported": 2, "counts": {"a": 660, "b": 400}},
        {"type": "control", "area": "land", "units_reported": 3, "counts": {"a": 900}},
    ),
    flags=frozenset({("control_differs", "north")}),
    counts={"a": 600, "b": 400, "c": 20, "d": 0},
)

IOWA_2020: Final = Incident(
    name="iowa-2020",  # what was exported was not what was stored
    verdict="alarm",
    units={"caucus": None},
    steps=steps(
        report("caucus", (40, 39, 20, 5)),
        {"type": "control", "area": "land", "units_reported": 1, "counts": {"a": 40, "b": 39, "c": 0, "d": 5}},
    ),
    flags=frozenset({("control_differs", "land")}),
    counts={"a": 40, "b": 39, "c": 20, "d": 5},
)

NEW_YORK_2021: Final = Incident(
    name="new-york-2021",  # 135,000 test ballots in the count
    verdict="quarantined",
    units={"district": None},
    steps=steps(
        report("district", (31_000, 33_000, 70_000, 1_000), environment="simulation"),
        report("district", (31_000, 33_000, 70_000, 1_000), environment="live"),
        report("district", (253, 210, 40, 7)),
    ),
    refused=("wrong_environment", "wrong_environment"),
    counts={"a": 253, "b": 210, "c": 40, "d": 7},
)

_POISON: Final = b"nigeria-2023|national"

NIGERIA_2023: Final = Incident(
    name="nigeria-2023",  # a national contest without a state: an error for everybody, for hours
    verdict="quarantined",
    units={"national": None},
    steps=(
        *steps(
            report("national", (1, 2, 3, 4), contest=None),
            report("national", (1, 2, 3, 4), contest="president"),
            report("national", (1, 2, 3, 4), contest=...),
        ),
        Step(value=b'{"type": "report", "contest": "nigeria-2023", "unit": {"state": null}}', key=_POISON),
        Step(value=b"\xff\xfe\x00", key=_POISON),
        Step(value=json.dumps({"type": "report", "ext": {"x": "y" * 1_000_000}}).encode(), key=_POISON),
        *steps(report("national", (8, 7, 6, 0))),
    ),
    refused=("schema", "unknown_contest", "schema", "schema", "not_json", "too_large"),
    counts={"a": 8, "b": 7, "c": 6, "d": 0},
)

UKRAINE_2014: Final = Incident(
    name="ukraine-2014",  # a result planted on the web page, which no protocol stands behind
    verdict="quarantined",
    units={"precinct": 2_000},
    steps=steps(
        report("precinct", (600, 300, 10, 10)),
        report("precinct", (50, 30, 1_500, 10), version=9, source="page"),
        {"type": "desk", "act": "call", "selection": "c", "operators": ["x"], "source": "page"},
    ),
    refused=("unknown_source", "unknown_source"),
    counts={"a": 600, "b": 300, "c": 10, "d": 10},
)

BW_2026: Final = Incident(
    name="bw-2026",  # a feed that served an older state again, was cut short, and went back to zero
    verdict="alarm",
    units={f"town-{number}": 3_000 for number in range(10)},
    plausibility=Plausibility(late_reports=5),
    steps=steps(
        *(report(f"town-{number}", (700, 600, 90, 9), version=2) for number in range(10)),
        *(report(f"town-{number}", (350, 300, 45, 4)) for number in range(6)),
        b'{"type": "report", "election": "incidents", "contest": "bw-2026", "unit": "town-',
        report("town-9", (0, 0, 0, 0), version=3),
    ),
    refused=("not_json",),
    flags=frozenset({("source_regression", "land"), ("emptied", "town-9")}),
    counts={"a": 6_300, "b": 5_400, "c": 810, "d": 81},
)

BOLIVIA_2019: Final = Incident(
    name="bolivia-2019",  # the count stood still at 83.79 % for a day; Honduras and Ecuador 2017 were like it
    verdict="alarm",
    units={f"table-{number}": 240 for number in range(40)},
    steps=(
        *(Step(value=report(f"table-{n}", (100, 80, 9, 2)), after=n) for n in range(33)),
        *(Step(value=report(f"table-{n}", (140, 30, 9, 2)), after=1_440 + n) for n in range(33, 36)),
    ),
    flags=frozenset({("stall", "land")}),
    counts={"a": 3_720, "b": 2_730, "c": 324, "d": 72},
)

# From users of the systems in the field.

NEGATIVE_REMAINING: Final = Incident(
    name="negative-votes-remaining",
    verdict="alarm",
    units={"town": 500, "rest": 400},
    steps=steps(report("town", (400, 200, 0, 0))),
    flags=frozenset(
        {("cast_over_registered", "town"), ("area_over_register", "north"), ("area_over_register", "land")}
    ),
    counts={"a": 400, "b": 200, "c": 0, "d": 0},
)

NOT_A_NUMBER: Final = Incident(
    name="nan-percent",
    verdict="accepted",
    units={"empty": 0, "closed": 40},
    steps=steps(
        report("empty", (0, 0, 0, 0)), {"type": "report", "unit": "closed", "version": 1, "counts": {}, "disposition": "not_opened"}
    ),
    counts=_NONE,
    check=lambda contest: equal(
        contest["areas"][0], shares=dict.fromkeys(_NONE), turnout_reported=None, leading=None, units_not_opened=1
    ),
)  # fmt: skip

ALL_WHILE_PARTIAL: Final = Incident(
    name="hundred-percent-while-partial",
    verdict="accepted",
    units={"town": 500},
    steps=steps(report("town", (90, 0, 0, 0), parts={"reported": 9, "expected": 10})),
    counts={"a": 90, "b": 0, "c": 0, "d": 0},
    check=lambda contest: equal(contest["areas"][0], status="unofficial-partial", units_reported=0, units_expected=1),
)

SAME_IDS: Final = Incident(
    name="north",  # contest, area and selection of one name: ids are unique within their kind, no more is asked
    verdict="accepted",
    selections=("north", "south", "land", "d"),
    units={"land": 100, "north": 100},
    steps=steps(report("land", (40, 30, 5, 0)), report("north", (10, 20, 0, 0))),
    counts={"north": 50, "south": 50, "land": 5, "d": 0},
    check=lambda contest: equal(_area(contest, "north"), ballots_cast=75),
)

UNKNOWN_UNIT: Final = Incident(
    name="unit-missing-from-the-list",
    verdict="quarantined",
    units={"known": 100},
    steps=steps(report("known", (40, 30, 5, 0)), report("mobile", (9, 9, 9, 9))),
    refused=("unknown_unit",),
    counts={"a": 40, "b": 30, "c": 5, "d": 0},
)


def _falls(contest: Contested) -> None:
    (latest,) = contest["corrections"]["latest"]
    assert (latest["kind"], latest["unit"]) == ("correction", "correction-read-as-trend/town")
    assert (latest["changed"]["a"], latest["changed"]["b"]) == ([500, 300], [300, 500])


TREND: Final = Incident(
    name="correction-read-as-trend",  # votes that changed sides in a correction
    verdict="accepted",
    units={"town": 1_000},
    steps=steps(
        report("town", (500, 300, 0, 0)),
        report("town", (300, 500, 0, 0), version=2, kind="correction", reason="columns exchanged"),
    ),
    counts={"a": 300, "b": 500, "c": 0, "d": 0},
    check=_falls,
)

UNCHANGED: Final = Incident(
    name="stale-or-unchanged",
    verdict="accepted",
    units={"town": 1_000},
    steps=steps(*(report("town", (500, 300, 0, 0), id=f"s-{number}") for number in range(3))),
    counts={"a": 500, "b": 300, "c": 0, "d": 0},
)

SOURCES: Final[tuple[Any, ...]] = (
    BERLIN_2021, KENYA_2013, SCOTLAND_2007, PHILIPPINES_2025, PRINCE_WILLIAM_2020, IOWA_2020, NEW_YORK_2021,
    NIGERIA_2023, UKRAINE_2014, BW_2026, NEGATIVE_REMAINING, NOT_A_NUMBER, ALL_WHILE_PARTIAL, SAME_IDS, UNKNOWN_UNIT,
    TREND, UNCHANGED, BOLIVIA_2019,  # the last one: its silence of a day is heard in every contest
)  # fmt: skip
