"""API keys at rest: a JSON file of names, scopes and hashes. The keys themselves are nowhere but with those who use them.

A key is 256 random bits, so its plain SHA-256 cannot be searched back, and a table of hashes is looked up in constant time.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from tallyroom.domain.errors import SettingError

PREFIX: Final = "tr"
"""What keys begin with, so that scanners of leaked secrets recognise them."""

SCHEMA: Final = "tallyroom.apikeys/v1"


class Scope(StrEnum):
    """What a key may be used for. ``snapshot``: what is read once; ``stream``: Server-Sent Events; ``ops``: acts of the desk."""

    SNAPSHOT = "snapshot"
    STREAM = "stream"
    OPS = "ops"


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One key. ``sha256``: of the whole key, hex. ``rate``: its own requests a second, None: the gateway's setting."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]
    created: Annotated[datetime, Meta(tz=True)]
    rate: Annotated[float, Meta(gt=0)] | None = None
    revoked: Annotated[datetime, Meta(tz=True)] | None = None


class KeyFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All keys of an operator, revoked ones too."""

    schema: str = SCHEMA
    keys: tuple[ApiKey, ...] = ()


_decoder: Final = msgspec.json.Decoder(KeyFile)


def decode_keys(data: bytes, path: str) -> KeyFile:
    """Read a key file. Raises SettingError naming what is wrong; ``path`` is for that."""
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingError(
            f"{path} is not a file of API keys: {error}.",
            "make keys with `tallyroom apikeys add`; do not edit the file",
        ) from error
    if found.schema != SCHEMA:
        raise SettingError(f"{path} holds {found.schema}, not {SCHEMA}.", "use a file of this release")
    return found


def encode_keys(keys: KeyFile) -> bytes:
    """The file's bytes, indented: people look into it."""
    return msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n"


def digest(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_text(identifier: str, secret: str) -> str:
    """A whole key, as it is handed out once."""
    return f"{PREFIX}_{identifier}_{secret}"


def in_force(keys: Iterable[ApiKey]) -> Mapping[str, ApiKey]:
    """Keys that are not revoked, by hash."""
    return {key.sha256: key for key in keys if key.revoked is None}
