"""Stores: running totals with their offsets, and published revisions. Redis or Valkey; memory for tools and tests."""

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


def open_store(url: str, election: str, environment: str) -> RedisStore:
    """The store at this address for one election in one environment. Connects at first use."""
    return RedisStore(url, election, environment)
