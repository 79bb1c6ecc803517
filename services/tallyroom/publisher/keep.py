"""The last revision on disk: numbers never go back and readers get the last good figures even if the store lost everything."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from tallyroom.domain.errors import StoreError

_FILE: Final = "revision.msgpack"
_NUMBER: Final = "revision.number"


class Kept(msgspec.Struct, frozen=True):
    """A whole revision."""

    number: int
    head: bytes
    documents: dict[str, bytes]


class Keeper:
    """Reads and writes the files of one election in a folder; every write is atomic (written beside, then renamed)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Kept | None:
        """The newest whole revision on disk. Raises StoreError if the file is damaged."""
        path = self._folder / _FILE
        if not path.exists():
            return None
        try:
            return msgspec.msgpack.decode(path.read_bytes(), type=Kept)
        except msgspec.DecodeError as error:
            raise StoreError(
                f"{path} is damaged: {error}.", "move it away; revisions then continue from the store"
            ) from error

    def number(self) -> int:
        """The highest revision number ever given out from this folder, 0 if none was."""
        path = self._folder / _NUMBER
        return int(path.read_text()) if path.exists() else 0

    def reserve(self, number: int) -> None:
        """Remember the number before it is published."""
        self._write(_NUMBER, str(number).encode())

    def save(self, number: int, head: bytes, documents: Mapping[str, bytes]) -> None:
        """Keep a whole revision."""
        self._write(_FILE, msgspec.msgpack.encode(Kept(number, head, dict(documents))))

    def _write(self, name: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = self._folder / f".{name}.{os.getpid()}"
        beside.write_bytes(data)
        beside.replace(self._folder / name)
