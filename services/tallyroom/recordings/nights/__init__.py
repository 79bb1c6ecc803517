"""Importers: real nights from their archived files, each as a recording of environment ``test``.

One module per night. `import_night` picks it by the name in the folder's own manifest.
"""

import csv
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.format import Manifest
from tallyroom.recordings.nights import bw2025, nlgr2022, nltk2023, pe2021, us2020
from tallyroom.recordings.nights.common import Archive

IMPORTERS: Final[dict[str, Callable[[Archive, Path], Manifest]]] = {
    "de-bw-2025-bundestag-night": bw2025.convert,
    "nl-gr2022-west-maas-en-waal": nlgr2022.convert,
    "nl-tk2023": nltk2023.convert,
    "pe-2021-runoff": pe2021.convert,
    "us-2020-president-night": us2020.convert,
}
"""Name in the archive's manifest -> importer."""

_FOREIGN: Final = (
    ValueError, StopIteration, LookupError, TypeError, AttributeError, ArithmeticError, EOFError, RecursionError,
    OSError, csv.Error, zlib.error,
)  # fmt: skip


def import_night(folder: Path, out: Path) -> Manifest:
    """Convert the archived night in ``folder`` into a recording in ``out``. Equal input gives equal bytes.

    Raises RecordingError if the folder is no archive that an importer knows, or its files differ from its manifest.
    """
    archive = Archive(folder)
    importer = IMPORTERS.get(archive.name)
    if importer is None:
        known = ", ".join(sorted(IMPORTERS))
        raise RecordingError(f"{folder}: no importer knows {archive.name!r}.", f"choose one of {known}")
    try:
        return importer(archive, out)
    except _FOREIGN as error:
        # Files of others, with their own hashes right: whatever an importer stumbles over in them is theirs.
        raise RecordingError(
            f"{folder}: its files are not as the importer of {archive.name} knows them: {error!r}.",
            "compare them with docs/recordings.md, or take an undamaged copy of the archive",
        ) from error
