"""The last revision on disk: numbers never go back and readers get the last good figures even if the store lost everything.

Every write is on the disk before the call returns: after a power cut, a number that readers saw must not be given out again.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from tallyroom.domain.errors import DiskUnavailable, StoreError

_FILE: Final = "revision.msgpack"
_NUMBER: Final = "revision.number"


class Kept(msgspec.Struct, frozen=True):
    """A whole revision."""

    number: int
    head: bytes
    documents: dict[str, bytes]


class Keeper:
    """Reads and writes the files of one election in a folder; every write is atomic (written beside, then renamed).

    Writing raises DiskUnavailable, reading a damaged file StoreError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Kept | None:
        """The newest whole revision on disk."""
        path = self._folder / _FILE
        if not path.exists():
            return None
        try:
            return msgspec.msgpack.decode(path.read_bytes(), type=Kept)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StoreError(
                f"{path} is damaged: {error}.", "move it away; revisions then continue from the store"
            ) from error

    def number(self) -> int:
        """The highest revision number ever given out from this folder, 0 if none was."""
        path = self._folder / _NUMBER
        try:
            return int(path.read_text()) if path.exists() else 0
        except ValueError as error:
            raise StoreError(
                f"{path} is damaged: {error}.", "write the number of the last revision that readers saw into it"
            ) from error

    def reserve(self, number: int) -> None:
        """Remember the number before it is published."""
        self._write(_NUMBER, str(number).encode())

    def save(self, number: int, head: bytes, documents: Mapping[str, bytes]) -> None:
        """Keep a whole revision."""
        self._write(_FILE, msgspec.msgpack.encode(Kept(number, head, dict(documents))))

    def _write(self, name: str, data: bytes) -> None:
        beside = self._folder / f".{name}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._folder / name)
            _flush(self._folder)
        except OSError as error:
            raise DiskUnavailable(
                f"{self._folder / name} cannot be written: {error.strerror}.",
                "make room, or mend the rights (TALLYROOM_DATA); publication goes on by itself then",
            ) from error


def _flush(folder: Path) -> None:
    """Put the folder's own entries on the disk: a rename is one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
