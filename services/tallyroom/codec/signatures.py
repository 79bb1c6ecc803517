"""Signatures of events: Ed25519 (RFC 8032) over the exact bytes of the record's value, in a header of the record.

    tallyroom-signature: KEY:SIGNATURE                    over the value itself
    tallyroom-signature: KEY:SIGNATURE:INDEX/SIZE:PATH    over a batch that the value is part of

A batch is a Merkle tree over the values as in RFC 9162, 2.1 (SHA-256): each record carries its own way to the root, so that a
verdict needs no other record and stays a function of the partition's prefix. What is signed is ``BATCH`` + the size (8 bytes,
big-endian) + the root. SIGNATURE and PATH are base64. docs/security.md says what this protects and what not.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from tallyroom.codec.events import AnyEvent, Report
from tallyroom.domain.election import SourceKey
from tallyroom.domain.events import Refusal
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused

SIGNATURE_HEADER: Final = "tallyroom-signature"
BATCH: Final = b"tallyroom-batch/v1\n"
"""In front of what is signed for a batch. No event begins like this, so neither can be taken for the other."""
MAX_BATCH: Final = 1 << 16
MAX_HEADER_BYTES: Final = 1024
"""A key id of 64, a signature of 88 and a way of 16 hashes have 856; a longer header is refused unread."""

_SIGNATURE_BYTES: Final = 64
_HASH_BYTES: Final = 32
_FORM: Final = re.compile(
    rb"([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/=]{88})(?::([0-9]{1,5})/([0-9]{1,5}):([A-Za-z0-9+/=]*))?"
)

Headers = Sequence[tuple[str, bytes]]


class Signature(NamedTuple):
    """A signature header taken apart. ``size`` 0: over the value itself, not over a batch."""

    key: str
    signature: bytes
    place: int = 0
    size: int = 0
    path: bytes = b""


class Key:
    """A private key with the id that its public part has in the definition."""

    def __init__(self, identifier: str, seed: bytes) -> None:
        """``seed``: the 32 bytes of RFC 8032, 5.1.5."""
        self.id = identifier
        self._key = SigningKey(seed)

    @property
    def public(self) -> str:
        """The public part as the definition spells it: base64."""
        return b64encode(bytes(self._key.verify_key)).decode()

    def sign(self, value: bytes) -> bytes:
        """The header of one value signed by itself."""
        return b"%b:%b" % (self.id.encode(), b64encode(self._key.sign(value).signature))

    def sign_batch(self, values: Sequence[bytes]) -> list[bytes]:
        """The headers of values signed together: one signature, and for each value its way to the root.

        Raises ValueError for more than ``MAX_BATCH`` values.
        """
        if len(values) > MAX_BATCH - 1:
            raise ValueError(f"{len(values)} values, a batch takes {MAX_BATCH - 1}")
        if not values:
            return []
        levels = _levels([_leaf(value) for value in values])
        signature = b64encode(self._key.sign(_batch(len(values), levels[-1][0])).signature)
        head = b"%b:%b" % (self.id.encode(), signature)
        return [
            b"%b:%d/%d:%b" % (head, index, len(values), b64encode(b"".join(_way(levels, index))))
            for index in range(len(values))
        ]


def judge_signature(plan: Plan, event: AnyEvent, value: bytes, headers: Headers) -> Refused | None:
    """Why the record is not proven to come from its source, or None. Every record is proven where none need be signed.

    A function of the record and of the definition as the partition's prefix has amended it; no clock is asked.
    """
    if not plan.signed:
        return None
    found = [text or b"" for name, text in headers if name == SIGNATURE_HEADER]  # Kafka has headers without a value
    if not found:
        return Refused(Refusal.UNSIGNED, f"{event.id}: no header {SIGNATURE_HEADER}")
    signature = parse(found[0]) if len(found) == 1 else None
    if signature is None:
        return Refused(Refusal.BAD_SIGNATURE, f"{event.id}: header {SIGNATURE_HEADER} is not KEY:SIGNATURE, once")
    key = _key(plan, event, signature.key)
    if isinstance(key, Refused):
        return key
    if not _proven(key.key, signature, value):
        return Refused(Refusal.BAD_SIGNATURE, f"{event.id}: the signature is not that of key {key.id} over these bytes")
    return None


def _key(plan: Plan, event: AnyEvent, identifier: str) -> SourceKey | Refused:
    """The key, if it may vouch for this event."""
    ring = plan.keys.get(event.source)
    if ring is None:
        return Refused(Refusal.UNKNOWN_SOURCE, f"{event.id}: source {event.source!r} is not defined")
    key = ring.get(identifier) or _desk_key(plan, event, identifier)
    if key is None:
        return Refused(Refusal.UNKNOWN_KEY, f"{event.id}: {event.source!r} has no key {identifier!r}")
    if key.revoked_at is not None:
        # Whatever time the event states: whoever has the key writes any time that he likes.
        return Refused(Refusal.REVOKED_KEY, f"{event.id}: key {key.id} is revoked since {key.revoked_at.isoformat()}")
    at = event.reported_at
    if (key.valid_from is not None and at < key.valid_from) or (key.valid_until is not None and at >= key.valid_until):
        return Refused(Refusal.EXPIRED_KEY, f"{event.id}: key {key.id} is not valid at {at.isoformat()}")
    return key


def _desk_key(plan: Plan, event: AnyEvent, identifier: str) -> SourceKey | None:
    """A key of the desk, which may sign what it released or corrected."""
    if type(event) is not Report or (event.released is None and not event.operators):
        return None
    rings = (plan.keys[source] for source, allowed in plan.may_report.items() if "desk" in allowed)
    return next((ring[identifier] for ring in rings if identifier in ring), None)


def parse(header: bytes) -> Signature | None:
    """The header taken apart, or None if it has another form."""
    if len(header) > MAX_HEADER_BYTES:
        return None
    form = _FORM.fullmatch(header)
    if form is None:
        return None
    key, text, place, size, way = form.groups()
    try:
        signature = _decoded(text)
        path = b"" if way is None else a2b_base64(way, strict_mode=True)
    except Base64Error:
        return None
    if len(signature) != _SIGNATURE_BYTES or len(path) % _HASH_BYTES:
        return None
    if size is None:
        return Signature(key.decode(), signature)
    if int(size) == 0:
        return None
    return Signature(key.decode(), signature, int(place), int(size), path)


@lru_cache(maxsize=64)
def _decoded(text: bytes) -> bytes:
    """All records of a batch have one signature."""
    return a2b_base64(text, strict_mode=True)


def _proven(key: str, signature: Signature, value: bytes) -> bool:
    if not signature.size:
        return verified(key, signature.signature, bytes(value))
    root = _root(_leaf(value), signature)
    return root is not None and _verified_batch(key, signature.signature, _batch(signature.size, root))


def verified(key: str, signature: bytes, message: bytes) -> bool:
    """Whether this is the signature of the public key (base64) over the message."""
    try:
        _verifier(key).verify(message, signature)
    except BadSignatureError:
        return False
    return True


# A batch's signature is checked at its first record; these remember, they decide nothing.
_verified_batch = lru_cache(maxsize=4096)(verified)


@lru_cache(maxsize=4096)
def _verifier(key: str) -> VerifyKey:
    return VerifyKey(b64decode(key))


def _leaf(value: bytes) -> bytes:
    return sha256(b"\0" + value).digest()


def _batch(size: int, root: bytes) -> bytes:
    return BATCH + size.to_bytes(8, "big") + root


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The tree from its leaves up: a node without a neighbour rises as it is, which is RFC 9162's tree."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [sha256(b"\1" + below[at] + below[at + 1]).digest() for at in range(0, len(below) - 1, 2)]
        levels.append(above + below[len(below) - len(below) % 2 :])
    return levels


def _way(levels: Sequence[Sequence[bytes]], index: int) -> Iterator[bytes]:
    """The neighbours of a leaf and of everything above it, from below."""
    for level in levels[:-1]:
        neighbour = index ^ 1
        if neighbour < len(level):
            yield level[neighbour]
        index >>= 1


def _root(node: bytes, signature: Signature) -> bytes | None:
    """The root that a leaf and its way lead to (RFC 9162, 2.1.3.2), None if the way does not fit its place."""
    _, _, at, size, path = signature
    last = size - 1
    if at > last:
        return None
    for start in range(0, len(path), _HASH_BYTES):
        neighbour = path[start : start + _HASH_BYTES]
        if last == 0:
            return None
        if at & 1 or at == last:
            node = sha256(b"\1" + neighbour + node).digest()
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = sha256(b"\1" + node + neighbour).digest()
        at >>= 1
        last >>= 1
    return node if last == 0 else None
