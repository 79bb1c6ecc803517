"""Who may ask for what, and how often: API keys, rates by key or address, open streams. Decided in memory for each request."""

import ipaddress
import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.types import Scope as Request

from tallyroom.codec.apikeys import ApiKey, Scope
from tallyroom.gateway.keyring import KeyRing
from tallyroom.gateway.problem import Problem
from tallyroom.settings import Access
from tallyroom.telemetry.metrics import GatewayMetrics

BURST_S: Final = 10.0
"""A bucket holds this many seconds' worth of its rate: a page with its files, or a newsroom behind one address, comes at once."""

MOST_BUCKETS: Final = 100_000
"""Addresses that are remembered. Beyond, those that were seen first are forgotten: memory must not grow with an attack."""

STREAM_RETRY_S: Final = 10


class Client(NamedTuple):
    """Who asks: the key's id or the address, and the key if there was one."""

    who: str
    key: ApiKey | None


class Limiter:
    """Token buckets as one number a client: the time at which its bucket is full again (GCRA)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_BUCKETS) -> None:
        self._clock = clock
        self._most = most
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, who: str, rate: float) -> float:
        """Take a token of a bucket that fills with ``rate`` a second; 0 if there was one, else seconds until there is."""
        now = self._clock()
        full_at = max(self._full_at.get(who, 0.0), now)
        missing = full_at + 1 / rate - now - max(BURST_S, 1 / rate)
        if missing > 1e-9:
            return missing
        if len(self._full_at) >= self._most and who not in self._full_at:
            self._forget(now)
        self._full_at[who] = full_at + 1 / rate
        return 0.0

    def _forget(self, now: float) -> None:
        """Full buckets are as good as new ones; if that is not enough, the half that was seen first goes."""
        used = {who: full_at for who, full_at in self._full_at.items() if full_at > now}
        kept = list(used.items())[len(used) // 2 :] if len(used) > self._most // 2 else used.items()
        self._full_at = dict(kept)


class Doorkeeper:
    """Admits requests and streams, or says why not. Every refusal is counted by its reason."""

    def __init__(
        self,
        access: Access,
        keys: KeyRing,
        metrics: GatewayMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._keys = keys
        self._metrics = metrics
        self._limiter = Limiter(clock)
        self._streams: dict[str, int] = {}
        self._open = 0

    @property
    def public(self) -> bool:
        """Whether everybody may read."""
        return self._access.public

    def admit(self, request: Request, needed: Scope | None) -> Client:
        """Who asks, if it may. ``needed`` None: nothing but the rate counts. Raises Problem 401, 403, 429."""
        sent = _header(request, b"authorization")
        key = self._keys.find(sent) if sent else None
        client = Client(key.id, key) if key else Client(self._address(request), None)
        self._pace(client)
        if sent and key is None:
            raise self._refused("unknown-key", _unknown_key())
        if needed is not None and not (key is None and self._access.public):
            self._check(key, needed)
        return client

    def enter(self, client: Client) -> None:
        """One more stream of this client. Raises Problem 429, 503."""
        mine = self._streams.get(client.who, 0)
        if self._open >= self._access.streams:
            raise self._refused("streams-full", _streams_full(self._access.streams))
        if mine >= self._access.streams_each:
            raise self._refused("too-many-streams", _too_many_streams(self._access.streams_each))
        self._streams[client.who] = mine + 1
        self._open += 1

    def leave(self, client: Client) -> None:
        """A stream of this client ended."""
        self._open -= 1
        self._streams[client.who] -= 1
        if not self._streams[client.who]:
            del self._streams[client.who]

    def _pace(self, client: Client) -> None:
        own = client.key.rate if client.key is not None else None
        rate = own or (self._access.key_rate if client.key is not None else self._access.rate)
        wait = self._limiter.take(client.who, rate) if rate else 0.0
        if wait:
            raise self._refused("too-many-requests", _too_many(rate, wait))

    def _check(self, key: ApiKey | None, needed: Scope) -> None:
        if key is None:
            raise self._refused("key-needed", _key_needed(needed))
        if needed not in key.scopes:
            raise self._refused("scope-missing", _scope_missing(key, needed))

    def _refused(self, reason: str, problem: Problem) -> Problem:
        self._metrics.http_refused.labels(reason=reason).inc()
        return problem

    def _address(self, request: Request) -> str:
        peer = request["client"][0] if request.get("client") else ""
        proxies = self._access.proxies
        if proxies and _trusted(peer, proxies):
            hops = [hop.strip() for hop in _header(request, b"x-forwarded-for").split(",") if hop.strip()]
            # From the right: what stands left of the first address that is no proxy of ours was written by the client.
            peer = next((hop for hop in reversed(hops) if not _trusted(hop, proxies)), peer)
        return _bucket(peer)


@lru_cache(maxsize=4096)
def _trusted(address: str, proxies: Sequence[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(proxy) for proxy in proxies)


@lru_cache(maxsize=4096)
def _bucket(address: str) -> str:
    """What one client is recognised by: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


def _header(request: Request, name: bytes) -> str:
    for key, value in request["headers"]:
        if key == name:
            found: bytes = value
            return found.decode("latin-1")
    return ""


_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="tallyroom"'}


def _unknown_key() -> Problem:
    detail = "The key in Authorization is not known here, or was revoked; it is sent as `Bearer KEY`."
    return Problem(401, "unknown-key", "Unknown key", detail, headers=_CHALLENGE)


def _key_needed(scope: Scope) -> Problem:
    detail = f"A key with scope {scope} is needed here, sent as `Authorization: Bearer KEY`; ask the operator for one."
    return Problem(401, "key-needed", "Key needed", detail, {"scope": scope}, _CHALLENGE)


def _scope_missing(key: ApiKey, scope: Scope) -> Problem:
    detail = f"Key {key.id} does not have scope {scope}."
    return Problem(403, "scope-missing", "Scope missing", detail, {"scope": scope, "scopes": list(key.scopes)})


def _too_many(rate: float, wait: float) -> Problem:
    seconds = max(1, math.ceil(wait))
    detail = f"More than {rate:g} requests a second; ask again in {seconds} s, or take the stream."
    return Problem(429, "too-many-requests", "Too many requests", detail, {"rate": rate}, {"Retry-After": str(seconds)})


def _too_many_streams(most: int) -> Problem:
    detail = f"{most} streams are open already for this client; close one."
    return Problem(429, "too-many-streams", "Too many streams", detail, headers={"Retry-After": str(STREAM_RETRY_S)})


def _streams_full(most: int) -> Problem:
    detail = f"This gateway has its {most} streams; ask another one, or poll the snapshot."
    return Problem(
        503, "streams-full", "No room for another stream", detail, headers={"Retry-After": str(STREAM_RETRY_S)}
    )
