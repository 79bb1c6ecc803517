"""The plausibility rules over recorded nights flag what docs/plausibility.md says, and find what is planted."""

import asyncio
import random
import re
from pathlib import Path
from typing import Final

import pytest

from tallyroom.cli.flags import flags_of
from tests.bench import planted
from tests.support.nights import imported

PAGE: Final = (Path(__file__).parents[2] / "docs" / "plausibility.md").read_text("utf-8")
ROWS: Final = {
    name: (int(accepted.replace(",", "")), {code: int(number) for code, number in re.findall(r"`(\w+)` (\d+)", told)})
    for name, accepted, told in re.findall(r"^\| `([\w-]+)` \| ([\d,]+) \| ([^|]+) \| [^|]*\|$", PAGE, re.MULTILINE)
}
BUILT_IN: Final = ("kz-2023", "bw-2025")


def test_six_nights_are_published() -> None:
    assert len(ROWS) == 6
    accepted, flagged = sum(row[0] for row in ROWS.values()), sum(sum(row[1].values()) for row in ROWS.values())
    assert f"{accepted:,} accepted reports {flagged - 1} were flagged" in PAGE  # one flag is an area's


@pytest.mark.slow
@pytest.mark.parametrize("night", sorted(ROWS))
def test_the_flags_of_a_night_are_those_published(night: str, tmp_path: Path) -> None:
    source = night if night in BUILT_IN else str(imported(night, tmp_path).folder)
    found, accepted = asyncio.run(flags_of(source))
    assert (accepted, found["open"], found["settled"]) == (*ROWS[night], {})


def test_planted_faults_are_found_in_every_unit_that_is_large_enough() -> None:
    chance = random.Random(7)
    units = chance.sample(asyncio.run(planted.states("bw-2025")), 300)
    for name, fault in planted.FAULTS.items():
        missed = [leaf.name for leaf, state in units if not planted.found(leaf, state, fault, chance)]
        assert name == "half as much for one" or not missed, name
        assert len(missed) < 10
