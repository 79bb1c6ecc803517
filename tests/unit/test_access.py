"""Keys, rates and streams of a gateway: who is admitted, who is told to wait, and what is remembered of whom."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tallyroom.codec.apikeys import ApiKey, KeyFile, Scope, decode_keys, digest, encode_keys, in_force, key_text
from tallyroom.domain.errors import SettingError
from tallyroom.gateway.access import BURST_S, Doorkeeper, Limiter
from tallyroom.gateway.keyring import KeyRing
from tallyroom.gateway.problem import Problem
from tallyroom.settings import Access, read_access, read_settings
from tallyroom.telemetry.metrics import gateway_metrics

AT = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = key_text("00000001", "s" * 43)


def key(text: str = SECRET, scopes: tuple[Scope, ...] = (Scope.SNAPSHOT,), **more: Any) -> ApiKey:
    """A key as it is stored."""
    return ApiKey(id=text[3:11], name="Daily News", sha256=digest(text), scopes=scopes, created=AT, **more)


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def door(
    access: Access, folder: Path, *keys: ApiKey, clock: Clock | None = None
) -> tuple[Doorkeeper, CollectorRegistry]:
    """A doorkeeper with these keys on file, and what it counts."""
    path, registry = folder / "keys.json", CollectorRegistry()
    path.write_bytes(encode_keys(KeyFile(keys=keys)))
    ring = KeyRing(path)
    ring.load()
    return Doorkeeper(access, ring, gateway_metrics(registry), clock or Clock()), registry


def request(address: str = "192.0.2.1", **headers: str) -> dict[str, Any]:
    """The part of an ASGI scope that decides."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (address, 4711), "headers": lines}


def refusal(keeper: Doorkeeper, asked: dict[str, Any], scope: Scope | None = Scope.SNAPSHOT) -> tuple[int, str] | None:
    """(status, kind) of a refusal, None if it was admitted."""
    try:
        keeper.admit(asked, scope)
    except Problem as problem:
        return problem.status, problem.kind
    return None


def test_a_key_file_holds_no_key_and_reads_back() -> None:
    stored = KeyFile(keys=(key(), key(key_text("00000002", "t" * 43), revoked=AT, rate=3.5)))
    data = encode_keys(stored)
    assert b"ssss" not in data
    assert decode_keys(data, "keys.json") == stored
    assert list(in_force(stored.keys)) == [digest(SECRET)]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"keys": [{"id": "1"}]}', b'{"schema": "tallyroom.apikeys/v9"}', b'{"secrets": []}']
)
def test_another_file_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(SettingError, match=r"keys\.json"):
        decode_keys(data, "keys.json")


@pytest.mark.parametrize(
    ("public", "header", "scope", "expected"),
    [
        (True, None, Scope.SNAPSHOT, None),
        (True, f"Bearer {SECRET}", Scope.SNAPSHOT, None),
        (True, f"bearer  {SECRET} ", Scope.SNAPSHOT, None),
        (True, f"Bearer {SECRET}x", Scope.SNAPSHOT, (401, "unknown-key")),
        (True, f"Basic {SECRET}", Scope.SNAPSHOT, (401, "unknown-key")),
        (True, f"Bearer {SECRET}", Scope.STREAM, (403, "scope-missing")),
        (False, None, Scope.SNAPSHOT, (401, "key-needed")),
        (False, None, None, None),
        (False, f"Bearer {SECRET}", Scope.SNAPSHOT, None),
        (False, f"Bearer {SECRET}", Scope.STREAM, (403, "scope-missing")),
        (False, f"Bearer {SECRET}", Scope.OPS, (403, "scope-missing")),
    ],
)
def test_who_is_admitted(
    tmp_path: Path, public: bool, header: str | None, scope: Scope | None, expected: tuple[int, str] | None
) -> None:
    keeper, registry = door(Access(public=public), tmp_path, key())
    asked = request(authorization=header) if header else request()
    assert refusal(keeper, asked, scope) == expected
    counted = registry.get_sample_value("tallyroom_http_refused_total", {"reason": expected[1]}) if expected else 1.0
    assert counted == 1.0


def test_a_revoked_key_is_refused_once_the_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(encode_keys(KeyFile(keys=(key(),))))
    ring = KeyRing(path)
    ring.load()
    assert ring.find(f"Bearer {SECRET}") is not None
    path.write_bytes(b"{")
    with pytest.raises(SettingError):
        ring.load()
    assert ring.find(f"Bearer {SECRET}") is not None, "a damaged file must not shut everybody out"
    path.write_bytes(encode_keys(KeyFile(keys=(key(revoked=AT),))))
    ring.load()
    assert ring.find(f"Bearer {SECRET}") is None


def test_a_missing_key_file_is_named() -> None:
    with pytest.raises(SettingError, match="TALLYROOM_API_KEYS"):
        KeyRing(Path("/nowhere/keys.json")).load()


@given(rate=st.sampled_from([0.01, 0.5, 1.0, 3.0, 50.0]), steps=st.lists(st.floats(0, 30), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_its_burst(rate: float, steps: list[float]) -> None:
    clock = Clock()
    limiter, start, granted = Limiter(clock), clock.now, 0
    burst = max(1.0, rate * BURST_S)
    for step in steps:
        clock.now += step
        wait = limiter.take("one", rate)
        granted += wait == 0
        assert granted <= burst + rate * (clock.now - start) + 1e-6
        if wait:
            clock.now += wait + 1e-6
            assert limiter.take("one", rate) == 0, "the wait that was named is enough"
            granted += 1


def test_clients_have_buckets_of_their_own_and_old_ones_are_forgotten() -> None:
    clock = Clock()
    limiter = Limiter(clock, most=100)
    assert not any(limiter.take("a", 1) for _ in range(10))
    assert limiter.take("a", 1) > 0
    assert limiter.take("b", 1) == 0
    for number in range(1000):
        limiter.take(f"client {number}", 1)
        assert len(limiter) <= 100
    clock.now += 1000
    limiter.take("late", 1)
    assert len(limiter) <= 100


def test_each_key_has_its_own_rate(tmp_path: Path) -> None:
    other = key_text("00000002", "t" * 43)
    access = Access(rate=0.1, key_rate=0.2)
    keeper, _ = door(access, tmp_path, key(), key(other, rate=0.3))
    for asked, granted in (
        (request(), 1),
        (request(authorization=f"Bearer {SECRET}"), 2),
        (request(authorization=f"Bearer {other}"), 3),
    ):
        for _ in range(granted):
            assert refusal(keeper, asked) is None
        assert refusal(keeper, asked) == (429, "too-many-requests")


def test_a_rate_of_zero_is_no_limit(tmp_path: Path) -> None:
    keeper, _ = door(Access(rate=0), tmp_path)
    assert [refusal(keeper, request()) for _ in range(2000)] == [None] * 2000


@pytest.mark.parametrize(
    ("peer", "forwarded", "who"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.2", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", "198.51.100.1, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("10.0.0.2", "nonsense", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_whose_request_it_is(tmp_path: Path, peer: str, forwarded: str, who: str) -> None:
    keeper, _ = door(Access(proxies=("10.0.0.0/8",)), tmp_path)
    assert keeper.admit(request(peer, x_forwarded_for=forwarded), None).who == who


def test_streams_are_counted_by_client_and_in_all(tmp_path: Path) -> None:
    keeper, _ = door(Access(streams=3, streams_each=2), tmp_path)
    one, two = (keeper.admit(request(address), None) for address in ("192.0.2.1", "192.0.2.2"))
    keeper.enter(one)
    keeper.enter(one)
    with pytest.raises(Problem) as each:
        keeper.enter(one)
    keeper.enter(two)
    with pytest.raises(Problem) as full:
        keeper.enter(two)
    assert [(item.value.status, item.value.kind) for item in (each, full)] == [
        (429, "too-many-streams"),
        (503, "streams-full"),
    ]
    keeper.leave(one)
    keeper.enter(two)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TALLYROOM_PUBLIC", "yes"),
        ("TALLYROOM_PUBLIC", "false"),
        ("TALLYROOM_RATE", "-1"),
        ("TALLYROOM_RATE", "nan"),
        ("TALLYROOM_KEY_RATE", "1e3"),
        ("TALLYROOM_STREAMS", "0"),
        ("TALLYROOM_STREAMS_EACH", "many"),
        ("TALLYROOM_PROXIES", "10.0.0.1/8"),
        ("TALLYROOM_FRAME_ANCESTORS", "https://news.example; script-src *"),
        ("TALLYROOM_FRAME_ANCESTORS", "news.example"),
    ],
)
def test_a_setting_that_cannot_work_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        read_settings({name: value})


def test_a_gateway_is_open_unless_there_are_keys_and_nobody_says_otherwise() -> None:
    assert read_access({}).public
    assert not read_access({"TALLYROOM_API_KEYS": "keys.json"}).public
    assert read_access({"TALLYROOM_API_KEYS": "keys.json", "TALLYROOM_PUBLIC": "true"}).public
    made = read_access(
        {"TALLYROOM_FRAME_ANCESTORS": "'self' https://*.news.example:8443", "TALLYROOM_PROXIES": "10.0.0.0/8, ::1"}
    )
    assert made.frame_ancestors == "'self' https://*.news.example:8443"
    assert made.proxies == ("10.0.0.0/8", "::1/128")
