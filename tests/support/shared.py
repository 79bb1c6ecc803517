"""The folder ``../shared`` beside the checkout: archived nights that are not part of this repository."""

from pathlib import Path
from typing import Final

import pytest

SHARED: Final = Path(__file__).resolve().parents[3] / "shared"


def archived_night(name: str) -> Path:
    """The folder of an archived night. Skips the test, saying so, where it is absent."""
    folder = SHARED / "nights" / name
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"the archived night {name} is not in ../shared/nights")
    return folder
