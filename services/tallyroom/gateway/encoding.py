"""HTTP representations: content codings, strong entity tags and conditional requests (RFC 9110), made once and kept."""

import asyncio
import gzip
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import zstandard

Headers = list[tuple[bytes, bytes]]

_SMALL: Final = 512
"""Below this many bytes a coding saves nothing."""

_INLINE: Final = 32_768
"""Above this many bytes compressing takes milliseconds: it is done in a thread, so that streams go on meanwhile."""

FRESH: Final = "public, max-age=1, stale-while-revalidate=5, stale-if-error=86400"
"""Caches in between ask again every second, and keep the last good figures if we are gone."""

SEALED: Final = (("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),)
"""Of everything that is no page: nothing in it is ever run, loaded or framed."""

SECURITY: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
"""Of every answer with a body. The last: what is public may be loaded from any page, however it isolates itself."""

_ETAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


class Coding(StrEnum):
    """Content codings offered, best first."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


@lru_cache(maxsize=256)
def chosen(accept_encoding: str) -> Coding:
    """The coding for an Accept-Encoding header: the highest weight, ours among equals (RFC 9110, 12.5.3).

    Where nothing offered is acceptable, identity: a reader is better served than refused.
    """
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            weights[name] = _weight(parameters)
    rest = weights.get("*", 0.0)
    offered = {coding: weights.get(coding, rest) for coding in (Coding.ZSTD, Coding.GZIP)}
    offered[Coding.IDENTITY] = weights.get(Coding.IDENTITY, weights.get("*", 0.0001))
    best = max(offered.values())
    return next((coding for coding, weight in offered.items() if weight == best and best > 0), Coding.IDENTITY)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return max(0.0, min(1.0, float(parameter[2:])))
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(maxsize=1024)
def names_tag(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (given without quotes): weak comparison, lists, ``*``."""
    return if_none_match.strip() == "*" or tag in _ETAG.findall(if_none_match)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Bytes of one representation in one coding, with the headers that describe them."""

    body: bytes
    tag: str  # without quotes
    headers: Headers  # of a 200
    unchanged: Headers  # of a 304


class Resource:
    """A resource in one state. Each coding is made when it is first asked for, then kept as long as the state."""

    def __init__(
        self,
        identity: bytes,
        media_type: str,
        cache_control: str = FRESH,
        extra: tuple[tuple[str, str], ...] = (),
        policy: tuple[tuple[str, str], ...] = SEALED,
    ) -> None:
        self._identity = identity
        self._common: Headers = [
            (b"cache-control", cache_control.encode()),
            (b"vary", b"accept-encoding"),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", b"etag, tallyroom-definition"),
            *_lines(extra),
        ]
        self._security: Headers = [*SECURITY, *_lines(policy)]
        self._type = media_type
        self._made: dict[Coding, Encoded] = {}
        self._making: dict[Coding, asyncio.Task[Encoded]] = {}

    @property
    def size(self) -> int:
        """Bytes without any coding."""
        return len(self._identity)

    def ready(self, coding: Coding) -> Encoded | None:
        """The representation, if it was made already."""
        return self._made.get(coding)

    async def encoded(self, coding: Coding) -> Encoded:
        """The representation; requests at the same time share the work."""
        if coding not in self._made:
            if len(self._identity) <= _INLINE:
                self._made[coding] = self._make(coding)
            else:
                if coding not in self._making:
                    self._making[coding] = asyncio.create_task(asyncio.to_thread(self._make, coding))
                # Shielded: a client that goes away must not cancel what others wait for.
                self._made[coding] = await asyncio.shield(self._making[coding])
                self._making.pop(coding, None)
        return self._made[coding]

    def _make(self, coding: Coding) -> Encoded:
        body = _compressed(self._identity, coding)
        tag = hashlib.sha256(body).hexdigest()[:32]
        common = [(b"etag", f'"{tag}"'.encode()), *self._common]
        headers = [
            (b"content-type", self._type.encode()),
            (b"content-length", str(len(body)).encode()),
            *common,
            *self._security,
        ]
        if body is not self._identity:
            headers.append((b"content-encoding", coding.encode()))
        return Encoded(body, tag, headers, common)


def _lines(pairs: tuple[tuple[str, str], ...]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in pairs]


def _compressed(data: bytes, coding: Coding) -> bytes:
    if len(data) < _SMALL or coding is Coding.IDENTITY:
        return data
    if coding is Coding.GZIP:
        return gzip.compress(data, compresslevel=6, mtime=0)
    return zstandard.ZstdCompressor(level=6).compress(data)
