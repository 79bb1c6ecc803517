"""What all commands share: settings from the environment, elections by name or path, consoles, JSON for scripts."""

import gzip
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tallyroom.codec.definition import decode_definition, definition_hash
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import DefinitionError
from tallyroom.recordings.builtin import builtin_nights
from tallyroom.recordings.format import open_recording
from tallyroom.settings import Settings, read_settings

console = Console(stderr=True, highlight=False)
"""For people: progress, tables, errors. What scripts read goes to standard output."""


def settings() -> Settings:
    """The settings of this process. Raises SettingError."""
    return read_settings(os.environ)


def load_election(name_or_path: str) -> tuple[Definition, str]:
    """The definition of a built-in night, a recording folder or a definition file (.json or .json.gz), and its hash.

    Raises DefinitionError, RecordingError.
    """
    path = Path(name_or_path)
    if name_or_path in builtin_nights() or path.is_dir():
        definition = open_recording(name_or_path).definition()
    elif path.is_file():
        data = path.read_bytes()
        definition = decode_definition(gzip.decompress(data) if path.suffix == ".gz" else data, str(path))
    else:
        known = ", ".join(builtin_nights()) or "none found"
        raise DefinitionError(
            f"{name_or_path!r} is neither a built-in night ({known}) nor a recording folder nor a definition file.",
            "name one of them",
        )
    return definition, definition_hash(definition)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people; numbers are right-aligned."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int) for row in rows)
        table.add_column(column, justify="right" if numeric and rows else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    Console(highlight=False).print(table)
