"""Totals and revisions in Redis or Valkey, or in memory; a server for those who have none."""

from tallyroom.settings import StoreAccess
from tallyroom.store.base import (
    MAX_FIELDS,
    Answer,
    Apply,
    Claim,
    Cut,
    Lease,
    Revision,
    RevisionStore,
    StoreMeta,
    TotalsStore,
)
from tallyroom.store.embedded import EmbeddedValkey
from tallyroom.store.memory import MemoryStore
from tallyroom.store.redis import RedisStore

__all__ = [
    "MAX_FIELDS",
    "Answer",
    "Apply",
    "Claim",
    "Cut",
    "EmbeddedValkey",
    "Lease",
    "MemoryStore",
    "RedisStore",
    "Revision",
    "RevisionStore",
    "StoreMeta",
    "TotalsStore",
    "open_store",
]


def open_store(access: StoreAccess | str, election: str, environment: str) -> RedisStore:
    """The store of an election on the server that ``access`` names (redis://, rediss://, unix://). Connects when first used.

    Raises SettingError for an address that is none.
    """
    return RedisStore(access, election, environment)
