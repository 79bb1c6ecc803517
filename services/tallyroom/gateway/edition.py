"""A published revision as a gateway holds it in memory: documents as they were stored, indexed, never re-encoded.

Figures pass through as bytes: what the publisher wrote is what readers get.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from tallyroom.results.documents import BESIDE, ELECTION, areas_name, contest_name

_PRIVATE: Final = frozenset({"documents", "changed", "log"})
"""Members of the stored head that are bookkeeping between publisher and gateways."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway itself reads of the stored head; the rest goes out as it is."""

    election: str
    environment: str
    revision: int
    generated_at: datetime
    definition: str
    store_id: str
    documents: dict[str, str]  # name -> hash


class Area(NamedTuple):
    """One area object of a contest."""

    id: str
    level: str
    data: bytes


class _AreaKey(msgspec.Struct, frozen=True):
    area: str
    level: str


class ContestKey(msgspec.Struct, frozen=True):
    """A contest of the definition: its id and its areas with their parents."""

    id: str
    areas: dict[str, str | None]


class _AreaDefinition(msgspec.Struct, frozen=True):
    id: str
    level: str


class Index(msgspec.Struct, frozen=True):
    """What filters are checked against and in which order contests are shown, from the definition document."""

    names: dict[str, str]
    contests: list[ContestKey]
    areas: list[_AreaDefinition]

    def levels(self) -> dict[str, str]:
        """Area id -> level."""
        return {area.id: area.level for area in self.areas}


_areas: Final = msgspec.json.Decoder(list[msgspec.Raw])
_area_keys: Final = msgspec.json.Decoder(list[_AreaKey])
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_head: Final = msgspec.json.Decoder(Head)
_index: Final = msgspec.json.Decoder(Index)


@dataclass(frozen=True)
class Document:
    """A stored document. One object serves every edition that has it unchanged, and so does what is read from it."""

    hash: str
    data: bytes

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        """Of an areas document: its area objects in the order given. Raises msgspec.DecodeError."""
        keys = _area_keys.decode(self.data)
        return tuple(Area(k.area, k.level, bytes(raw)) for k, raw in zip(keys, _areas.decode(self.data), strict=True))

    @cached_property
    def index(self) -> Index:
        """Of the definition document. Raises msgspec.DecodeError."""
        return _index.decode(self.data)

    @cached_property
    def parents(self) -> dict[str, tuple[str | None, ...]]:
        """Of the definition document: by contest, the areas that have children, None (above the root) first, breadth first.

        By the definition, not by what is shown: an area may be public before the one above it.
        """
        return {contest.id: tuple(_parents(contest.areas)) for contest in self.index.contests}


def _parents(areas: Mapping[str, str | None]) -> Iterator[str | None]:
    children: dict[str | None, list[str]] = {}
    for area, parent in areas.items():
        children.setdefault(parent, []).append(area)
    waiting: deque[str | None] = deque([None])
    while waiting:
        parent = waiting.popleft()
        if parent in children:
            yield parent
            waiting.extend(children[parent])


def read_head(data: bytes) -> Head:
    """What is needed of a stored head. Raises msgspec.DecodeError."""
    return _head.decode(data)


def inside(data: bytes) -> bytes:
    """The members of a JSON object, without its braces: for joining objects as bytes."""
    return data.strip()[1:-1].strip()


@dataclass(frozen=True)
class Edition:
    """A whole revision. ``raw``: the head as stored."""

    head: Head
    raw: bytes
    documents: Mapping[str, Document]

    @property
    def number(self) -> int:
        """The revision number."""
        return self.head.revision

    @cached_property
    def public(self) -> bytes:
        """Members of the published head, joined, without braces."""
        kept = {name: raw for name, raw in _members.decode(self.raw).items() if name not in _PRIVATE}
        return inside(msgspec.json.encode(kept))

    @property
    def definition(self) -> Document:
        """The definition this revision was made with."""
        return self.documents["definition"]

    @property
    def index(self) -> Index:
        """Contests, areas and levels."""
        return self.definition.index

    @property
    def beside(self) -> Mapping[str, Document]:
        """The election's own document and those that stand beside the contests, by name in the order of the snapshot."""
        names = sorted(name for name in self.documents if name == ELECTION or name.startswith(BESIDE))
        return {name: self.documents[name] for name in sorted(names, key=lambda name: name != ELECTION)}

    def contest(self, contest: str) -> bytes | None:
        """The contest's object without areas; None if it was not published."""
        found = self.documents.get(contest_name(contest))
        return found.data if found is not None else None

    def area_documents(self, contest: str) -> Iterator[Document]:
        """The contest's areas documents: the root's first, then breadth first."""
        for parent in self.definition.parents[contest]:
            found = self.documents.get(areas_name(contest, parent))
            if found is not None:
                yield found

    def check(self) -> None:
        """Read everything that will be needed, so that a damaged revision is refused before anybody is served from it.

        Raises msgspec.DecodeError, KeyError for a revision without a definition.
        """
        _ = self.public, [_members.decode(document.data) for document in self.beside.values()]
        for contest in self.index.contests:
            for document in self.area_documents(contest.id):
                _ = document.areas


def joined(*members: bytes) -> bytes:
    """One JSON object from members without braces; empty ones are left out."""
    return b"{" + b",".join(part for part in members if part) + b"}"


def contest_with_areas(contest: bytes, areas: Iterator[bytes]) -> bytes:
    """The contest's object with its areas as a last member."""
    return joined(inside(contest), b'"areas":[' + b",".join(areas) + b"]")
