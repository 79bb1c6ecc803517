"""Publishes events given as NDJSON. A bad line is named by number and reason; nothing bad ever goes out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from tallyroom.codec.events import AnyEvent, Undecodable, decode_event
from tallyroom.codec.signatures import SIGNATURE_HEADER, Key
from tallyroom.domain.events import Refusal
from tallyroom.log.base import EventLog
from tallyroom.producer.entries import entries_of

BATCH: Final = 1000
SIGNED_TOGETHER: Final = 64
"""Events under one signature. More would make each record's way to the root longer, and the signature no cheaper by much."""


class SignedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line as `tallyroom sign` writes it: the event's bytes and the value of their signature header."""

    signature: str
    event: msgspec.Raw


class Line(NamedTuple):
    """An event to be sent, with its bytes and, if it has one, its signature."""

    event: AnyEvent
    value: bytes
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no event."""

    number: int
    reason: str
    detail: str


@dataclass(slots=True)
class Published:
    """What became of the lines."""

    sent: int = 0
    bad: list[BadLine] = field(default_factory=list)


_signed_decoder: Final = msgspec.json.Decoder(SignedLine)
_encoder: Final = msgspec.json.Encoder()


def read_line(text: bytes) -> Line:
    """An event, or the signed form of one. Raises Undecodable."""
    try:
        signed = _signed_decoder.decode(text)
        signature = signed.signature.encode("ascii")
    except UnicodeEncodeError as error:
        raise Undecodable(Refusal.BAD_SIGNATURE, f"the signature is no text in ASCII: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Line(decode_event(text), text)
    value = bytes(signed.event)
    return Line(decode_event(value), value, signature)


def write_line(line: Line) -> bytes:
    """The signed form of a line that has a signature, without a line break."""
    signature = (line.signature or b"").decode("ascii")
    return _encoder.encode(SignedLine(signature, msgspec.Raw(line.value)))


def sign_lines(lines: Sequence[Line], key: Key, together: int = SIGNED_TOGETHER) -> list[Line]:
    """The lines, those without a signature signed: ``together`` at a time, 1 for each by itself."""
    bare = [line.value for line in lines if line.signature is None]
    made: list[bytes] = []
    for first in range(0, len(bare), together):
        some = bare[first : first + together]
        made += [key.sign(some[0])] if len(some) == 1 else key.sign_batch(some)
    fresh = iter(made)
    return [line if line.signature is not None else line._replace(signature=next(fresh)) for line in lines]


def read_lines(lines: Iterable[bytes], bad: list[BadLine]) -> Iterable[Line]:
    """The events among the lines; what is none is put into ``bad``."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        try:
            yield read_line(text)
        except Undecodable as error:
            bad.append(BadLine(number, str(error.refusal), str(error)))


async def publish(
    log: EventLog, topic: str, lines: Iterable[bytes], at: datetime, *, skip_bad: bool, key: Key | None = None
) -> Published:
    """Check the lines and append the events. With ``skip_bad`` batch by batch, leaving bad lines out; else all or nothing.

    ``key``: events without a signature are signed with it.
    """
    partitions = await log.partitions(topic)
    done = Published()
    waiting: list[Line] = []

    async def send() -> None:
        signed = waiting if key is None else sign_lines(waiting, key)
        entries = [
            entry
            for event, value, signature in signed
            for entry in entries_of(
                event, value, at, partitions, () if signature is None else ((SIGNATURE_HEADER, signature),)
            )
        ]
        await log.append(topic, entries)
        done.sent += len(waiting)
        waiting.clear()

    for line in read_lines(lines, done.bad):
        waiting.append(line)
        if skip_bad and len(waiting) >= BATCH:
            await send()
    if waiting and (skip_bad or not done.bad):
        await send()
    return done
