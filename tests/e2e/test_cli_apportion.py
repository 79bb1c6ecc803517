"""`tallyroom apportion` as people and scripts use it: a process, its output, and what it says when it cannot."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = [pytest.mark.e2e]

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "docs" / "examples" / "apportion"


def run(*arguments: str, code: int = 0, stdin: bytes = b"") -> tuple[str, str]:
    """Standard output and error of the command, which must end with this code."""
    done = subprocess.run(
        [SCRIPT, "apportion", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={"COLUMNS": "160"},
    )
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode(), " ".join(done.stderr.decode().split())


def test_a_table_for_people() -> None:
    out, _ = run(str(EXAMPLES / "hare.json"))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert ["JSDP", "331,058", "4", "3.825197", "0.825197", "331,058 votes, 318,323 needed"] in rows
    assert "threshold: 1/20 of 6,366,441 (selections): 318,323 votes" in out
    assert "quota: 86546.652174" in out


def test_json_for_scripts_from_a_file_and_from_standard_input() -> None:
    path = EXAMPLES / "plurality.json"
    out, _ = run(str(path), "--json")
    found = json.loads(out)
    assert found["lots_required"]["selections"] == ["C", "D"]
    assert run("-", "--json", stdin=path.read_bytes())[0] == out
    assert "LOTS REQUIRED: 1 among C, D" in run(str(path))[0]


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(
        '{"method": "hare", "seats": 3, "votes": {"A": 1}, "thresholds": [{"share": "0.05", "base": "cast"}]}'
    )
    _, error = run(str(bad), code=1)
    assert "error:" in error
    assert "'cast'" in error
    assert "what to do:" in error
    _, error = run(str(tmp_path / "none.json"), code=1)
    assert "cannot be read" in error
    _, error = run("-", code=1, stdin=b'{"method": "hare", "saets": 3, "votes": {}}')
    assert "saets" in error
