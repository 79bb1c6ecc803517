"""The calculator's JSON: every documented example gives what it says, and every field is read strictly."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tallyroom.apportionment.allocate import METHODS, apportion
from tallyroom.apportionment.model import RuleError
from tallyroom.codec.apportion import (
    AreaWire,
    ConditionWire,
    MixedWire,
    ProblemWire,
    RunoffWire,
    ThresholdWire,
    decode_problem,
    outcome_document,
)
from tallyroom.domain.election import Overhang
from tests.support.seats import DE_733, DE_736, KAZAKHSTAN, NL_SEATS, SIX, named

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "docs" / "examples" / "apportion"
KZ: Final = KAZAKHSTAN[0].expected
EXPECTED: Final[dict[str, dict[str, int]]] = {
    "hare": dict(KZ["hare"]),
    "droop": dict(KZ["droop"]),
    "dhondt": dict(NL_SEATS),
    "sainte-lague": dict(DE_733),
    "modified-sainte-lague": {"A": 5, "B": 2, "C": 1, "D": 1},
    "plurality": {"A": 1, "B": 1},
    "majority": {},
    "majority-conditions": {"A": 1},
    "majority-runoff": {},
    "referendum": {},
    "areas": {"A": 8, "B": 8, "REGIONAL": 1},
    "caps": {"A": 6, "B": 2, "C": 2},
    "parallel": {**named(SIX, 62, 8, 6, 6, 5, 4), "independent": 7},
    "compensatory": dict(DE_736),
}


def answer(data: bytes) -> dict[str, Any]:
    """The document that the command prints."""
    found: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(outcome_document(apportion(decode_problem(data, "it"))))
    )
    return found


def example(name: str) -> dict[str, Any]:
    """The answer to an example file."""
    return answer((FOLDER / f"{name}.json").read_bytes())


def problem(**fields: Any) -> bytes:
    """A problem as JSON."""
    return json.dumps({"method": "hare", "seats": 10, "votes": {"A": 60, "B": 37, "C": 3}, **fields}).encode()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_gives_what_is_expected(name: str) -> None:
    found = example(name)
    assert {key: count for key, count in found["seats"].items() if count} == EXPECTED[name]
    assert found["seats_total"] == sum(EXPECTED[name].values())


def test_there_is_an_example_of_every_method_and_the_page_shows_each() -> None:
    files = sorted(path.stem for path in FOLDER.glob("*.json"))
    assert files == sorted(EXPECTED)
    assert {json.loads((FOLDER / f"{name}.json").read_bytes())["method"] for name in files} == set(METHODS)
    page = (ROOT / "docs" / "apportionment.md").read_text("utf-8")
    assert set(re.findall(r"examples/apportion/([\w-]+)\.json", page)) == set(files)


def test_the_page_names_every_field() -> None:
    page = (ROOT / "docs" / "apportionment.md").read_text("utf-8")
    wires = [AreaWire, ConditionWire, MixedWire, ProblemWire, RunoffWire, ThresholdWire]
    assert not [field for wire in wires for field in wire.__struct_fields__ if f"`{field}`" not in page]
    assert not [way for way in Overhang if f"`{way}`" not in page]


def test_the_page_names_every_field_of_the_answer() -> None:
    page = (ROOT / "docs" / "apportionment.md").read_text("utf-8").partition("## The outcome")[2]
    fields = {field for name in EXPECTED for field in example(name)} - {"method"}
    assert not [field for field in sorted(fields) if f"`{field}`" not in page]


def test_the_answer_carries_threshold_quota_and_remainders() -> None:
    found = example("hare")
    bar = found["thresholds"][0]
    assert (bar["share"], bar["base_votes"], bar["votes_needed"]) == ("1/20", 6_366_441, 318_323)
    assert found["passed"] == SIX.split()
    assert (found["quota"], Fraction(found["quota_exact"])) == ("86546.652174", Fraction(5_971_719, 69))
    assert found["quotients"]["JSDP"] == "3.825197"
    assert found["whole_quotas"]["AMANAT"] == 39
    assert found["remainders"]["QHP"] == "0.002158"
    assert found["remainder_seats"] == ["JSDP", "AMANAT"]
    assert found["selections"]["BAYTAQ"] == {
        "passed": False,
        "why": "146,431 votes, 318,323 needed",
        "share": "0.023000",
    }
    assert found["lots_required"] is None


def test_lots_verdicts_and_second_rounds() -> None:
    drawn = example("plurality")["lots_required"]
    assert (drawn["selections"], drawn["seats"]) == (["C", "D"], 1)
    assert drawn["ties"] == [{"selections": ["C", "D"], "seats": 1, "at": drawn["at"]}]
    assert example("referendum")["accepted"] is False
    assert [held["holds"] for held in example("referendum")["conditions"]] == [True, True, False]
    assert example("majority")["runoff"] == ["LULA", "BOLSONARO"]
    assert example("majority-runoff")["runoff"] == ["A", "B", "C"]
    assert example("areas")["areas"]["North"]["seats"]["REGIONAL"] == 1
    assert example("compensatory")["districts"] == {"CSU": 45, "LINKE": 3}


@pytest.mark.parametrize("share", ["1/20", "0.05", 0.05, "5e-2"])
@pytest.mark.parametrize("base", ["selections", "valid", "votes", 100, ["A", "B"], ["parties", "others"]])
def test_shares_are_exact_and_bases_are_names_or_numbers(share: str | float, base: Any) -> None:
    measures = {"A": 60, "B": 40, "parties": 97, "others": 3}
    found = answer(problem(threshold={"share": share, "base": base}, measures=measures))
    assert (found["thresholds"][0]["share"], found["thresholds"][0]["votes_needed"]) == ("1/20", 5)
    assert found["passed"] == ["A", "B"]


def test_a_share_just_below_a_threshold_does_not_read_as_reaching_it() -> None:
    found = answer(problem(votes={"A": 95_000_001, "B": 4_999_999}, threshold={"share": "0.05"}))
    assert found["selections"]["B"] == {
        "passed": False,
        "why": "4,999,999 votes, 5,000,000 needed",
        "share": "0.049999",
    }


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"treshold": {"share": "0.05"}}, "treshold"),
        ({"threshold": {"share": "0.05", "of": "valid"}}, "of"),
        ({"threshold": {"share": "five"}}, "is not a number"),
        ({"threshold": {"share": None}}, "is not a number"),
        ({"threshold": {"share": 5}}, "not between 0 and 1"),
        ({"threshold": {"share": "0.05", "base": "cast"}}, "'cast'"),
        ({"seats": None}, "how many seats"),
        ({"votes": None}, "has no votes"),
        ({"areas": {"X": {"votes": {"D": 1}, "seats": 10}}}, "votes for D"),
        ({"seats": "ten"}, "Expected `int"),
        ({"seats": -1}, "`int` >= 0 - at `$.seats`"),
        ({"seats": 10**9}, "`int` <= 100000 - at `$.seats`"),
        ({"votes": {"A": -1}}, "`int` >= 0 - at `$.votes[...]`"),
        ({"threshold": {"share": "1e999999999"}}, "is not a number"),
        ({"threshold": {"share": "1/0"}}, "is not a number"),
        ({"threshold": {"share": "0.05", "base": -3}}, "`int` >= 0"),
        ({"votes": {"A": 1.5}}, "Expected `int`"),
        ({"method": "hamilton"}, "hamilton"),
        ({"first_divisor": "1.4"}, "has no `first_divisor`"),
        ({"mixed": {"system": "parallel", "tolerated": 3}}, "no overhang"),
        ({"mixed": {"system": "compensatory", "tolerated": 3}}, "tolerates no number"),
        ({"areas": {"X": {"votes": {"A": 1}, "seats": 3}}}, "3 seats, not 10"),
        ({"areas": {"X": {"votes": {"A": 1}, "seats": 10}}, "caps": {"A": 1}}, "caps with each area"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(RuleError, match=re.escape(match)):
        answer(problem(**fields))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"votes": {"A": 1}}'])
def test_bytes_that_are_no_problem(data: bytes) -> None:
    with pytest.raises(RuleError, match="it is not a problem"):
        answer(data)
