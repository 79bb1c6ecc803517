"""Private keys in files: made once, readable by their owner alone, never overwritten, never printed."""

import os
import secrets
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from tallyroom.codec.signatures import Key
from tallyroom.domain.checks import KEY_ID
from tallyroom.domain.errors import TallyroomError

FORMAT: Final = "tallyroom.key/v1"
_SEED_BYTES: Final = 32
_OTHERS: Final = 0o077


class KeyFileError(TallyroomError):
    """A file that holds a private key, or should, cannot be used."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content. ``private``: the 32 bytes of RFC 8032, 5.1.5, in base64."""

    format: str
    id: str
    private: str

    def __repr__(self) -> str:
        return f"_File(id={self.id!r})"


def generate(path: Path, identifier: str | None = None) -> Key:
    """Make a key and write it to a new file with mode 0600. Raises KeyFileError; an existing file is left as it is.

    ``identifier`` None: the first 16 hex digits of the public key's SHA-256.
    """
    seed = secrets.token_bytes(_SEED_BYTES)
    name = identifier or sha256(b64decode(Key("new", seed).public)).hexdigest()[:16]
    if not KEY_ID.fullmatch(name):
        raise KeyFileError(
            f"{name!r} is no id of a key.", "use 1 to 64 letters, digits, '.', '_' or '-'"
        )  # fmt: skip
    data = msgspec.json.encode(_File(FORMAT, name, b64encode(seed).decode())) + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be made: {error.strerror}.", "name a new file in a folder of yours"
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask: never wider, never narrower
            file.write(data)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise KeyFileError(f"{path} cannot be written: {error.strerror}.", "make room and try again") from error
    return Key(name, seed)


def load(path: Path) -> Key:
    """The key in the file. Raises KeyFileError, also for a file that others may read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(4096)
    except OSError as error:
        raise KeyFileError(
            f"The key file {path} cannot be read: {error.strerror}.", "make one with `tallyroom keys generate`"
        ) from error
    if mode & _OTHERS:
        raise KeyFileError(
            f"The key file {path} may be used by others than its owner (mode {mode & 0o777:03o}).",
            f"chmod 600 {path}; if others may have read it, revoke the key and make a new one",
        )
    try:
        content = msgspec.json.decode(data, type=_File)
        seed = b64decode(content.private, validate=True)
    except (msgspec.DecodeError, ValueError) as error:
        raise _unusable(path) from error
    if content.format != FORMAT or len(seed) != _SEED_BYTES or not KEY_ID.fullmatch(content.id):
        raise _unusable(path)
    return Key(content.id, seed)


def _unusable(path: Path) -> KeyFileError:
    """Says nothing of the content: it may be a key of another kind."""
    return KeyFileError(f"{path} holds no key of the form {FORMAT}.", "make one with `tallyroom keys generate`")
