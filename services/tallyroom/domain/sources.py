"""Who may send events, of which types, and the keys that prove it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Signatures(StrEnum):
    """Whether events must be signed by their source."""

    NONE = "none"
    REQUIRED = "required"  # unsigned ones go to quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKey:
    """A public key a source signs with. ``key``: Ed25519, base64. Validity in election time; None: unbounded.

    ``revoked_at``: since when it is in other hands. A key that has it vouches for nothing, whatever time an event states.
    """

    id: str
    key: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who may send events, and of which types."""

    id: str
    names: Mapping[str, str]
    may_report: tuple[str, ...]
    keys: tuple[SourceKey, ...] = ()
