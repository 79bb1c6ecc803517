"""Where the built-in nights are: in ``recordings/`` of a checkout, or beside the installed package."""

from pathlib import Path
from typing import Final

from tallyroom.domain.errors import RecordingError

_HERE: Final = Path(__file__).resolve().parent
PACKAGED: Final = _HERE / "builtin_nights"
"""Where the wheel puts the checkout's ``recordings/`` (pyproject.toml, force-include)."""
CHECKOUT: Final = _HERE.parents[2] / "recordings"
_MANIFEST: Final = "manifest.json"


def builtin_nights() -> dict[str, Path]:
    """Name -> folder of every built-in night, sorted by name. A checkout comes before the packaged copy."""
    found: dict[str, Path] = {}
    for place in (PACKAGED, CHECKOUT):
        if place.is_dir():
            found |= {manifest.parent.name: manifest.parent for manifest in place.glob(f"*/{_MANIFEST}")}
    return dict(sorted(found.items()))


def folder_of(name_or_path: str) -> Path:
    """The folder of a built-in night or of the path given. Raises RecordingError if it is neither."""
    nights = builtin_nights()
    if name_or_path in nights:
        return nights[name_or_path]
    folder = Path(name_or_path)
    if (folder / _MANIFEST).is_file():
        return folder
    known = ", ".join(nights) or "none found"
    raise RecordingError(
        f"{name_or_path!r} is neither a built-in night ({known}) nor a folder with a {_MANIFEST}.",
        "name one of them",
    )
