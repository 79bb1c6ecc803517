"""Election definitions as JSON: read strictly, checked for contradictions, hashed canonically."""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from tallyroom.codec.strict import strict
from tallyroom.domain.checks import problems
from tallyroom.domain.election import Definition
from tallyroom.domain.errors import DefinitionError

DefinitionWire: Final = strict(Definition)
_decoder: Final = msgspec.json.Decoder(DefinitionWire)
_encoder: Final = msgspec.json.Encoder(order="sorted")
_SHOWN: Final = 10


def decode_definition(data: bytes, where: str) -> Definition:
    """The definition in ``data``; ``where`` names its origin in errors.

    Raises DefinitionError on anything that is not JSON, does not fit the schema or contradicts itself.
    """
    try:
        wire = _decoder.decode(data)
        definition: Definition = msgspec.convert(wire, Definition, from_attributes=True)
        found = list(problems(definition))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # thresholds may hold each other
        raise DefinitionError(
            f"{where} is not an election definition: {error}.", "compare it with schemas/v1/definition.schema.json"
        ) from error
    require_sound(iter(found), where)
    return definition


def require_sound(found: Iterator[str], where: str) -> None:
    """Raises DefinitionError that lists the first of the problems found, if there are any."""
    listed = list(found)
    if listed:
        rest = f" (and {len(listed) - _SHOWN} more)" if len(listed) > _SHOWN else ""
        raise DefinitionError(
            f"{where} contradicts itself: {'; '.join(listed[:_SHOWN])}{rest}.", "correct the definition"
        )


def encode_definition(definition: Definition) -> bytes:
    """Canonical JSON: sorted keys, defaults left out, no whitespace. Equal definitions give equal bytes."""
    wire = msgspec.convert(definition, DefinitionWire, from_attributes=True)
    return _encoder.encode(wire)


def definition_hash(definition: Definition) -> str:
    """SHA-256 (hex) of the canonical JSON: the start of the definition chain."""
    return hashlib.sha256(encode_definition(definition)).hexdigest()


def chain_hash(previous: str, event: bytes) -> str:
    """The next link of the definition chain: SHA-256 (hex) of the previous link and the amendment event's bytes."""
    return hashlib.sha256(previous.encode() + b"\n" + event).hexdigest()
