"""`tallyroom results` as people use it: a recording as it stood at a time, without any server; and what it says when it cannot."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = [pytest.mark.e2e]

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    """Standard output and error of the command, which must end with this code."""
    done = subprocess.run(
        [SCRIPT, "results", *arguments],
        capture_output=True,
        timeout=120,
        check=False,
        env={"COLUMNS": "180", "TALLYROOM_HTTP_PORT": "9"},
    )
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode(), " ".join(done.stderr.decode().split())


def test_in_mid_night_the_board_says_what_is_decided_and_what_is_not() -> None:
    out, _ = run("kz-2023", "--at", "2023-03-19T19:10:00Z")
    lines: dict[str, str] = {}
    for line in out.splitlines():
        lines.setdefault(line.strip(" │■").split("  ")[0], line)
    assert "53.90 %" in lines["Amanat"]
    assert "over, decided" in lines["Amanat"]
    assert "open" in lines["Nationwide (National) Social Democratic Part"]
    assert "5–7 will pass the threshold, whatever is outstanding" in out
    assert "SIMULATION" in out.splitlines()[0]
    assert "Majority (50)" in out


def test_before_the_embargo_ends_nothing_but_its_end_is_shown() -> None:
    out, _ = run("kz-2023", "--at", "2023-03-19T14:50:00Z")
    assert "Not public until 19 Mar 21:00 +06" in out
    assert "Amanat" not in out
    seen, _ = run("kz-2023", "--at", "2023-03-19T14:50:00Z", "--ops")
    assert "Amanat" in seen


def test_the_end_as_json() -> None:
    snapshot = json.loads(run("kz-2023", "--json")[0])
    lists = next(contest for contest in snapshot["contests"] if contest["contest"] == "list")
    seats = {name: one["now"] for name, one in lists["apportionment"]["seats"].items() if one["now"]}
    assert seats == {"AMANAT": 40, "AUYL": 8, "RESPUBLICA": 6, "AQJOL": 6, "QHP": 5, "JSDP": 4}
    threshold = lists["apportionment"]["threshold"]
    assert (threshold["votes_needed"], threshold["entering"]) == (318_323, {"minimum": 6, "maximum": 6})
    jsdp = threshold["selections"]["JSDP"]
    flips = (jsdp["flip_new_votes"], jsdp["flip_corrected_votes"], jsdp["flip_moved_votes"])
    assert flips == (254_720, 13_407, 12_736)
    house = {party: one["now"] for party, one in snapshot["bodies"][0]["parties"].items() if one["now"]}
    assert house == {
        "AMANAT": 62, "AUYL": 8, "INDEPENDENT": 7, "RESPUBLICA": 6, "AQJOL": 6, "QHP": 5, "JSDP": 4,
    }  # fmt: skip
    assert snapshot["bodies"][0]["majorities"][0]["certain"] == ["AMANAT"]


def test_no_gateway_is_said_with_what_to_do() -> None:
    _, said = run(code=1)
    assert "does not answer" in said
    assert "name a recording" in said
    assert "name a recording for --at" in run("--at", "2023-03-19T14:50:00Z", code=1)[1]
