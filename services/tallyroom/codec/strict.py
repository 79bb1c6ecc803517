"""Strict wire types made from the domain's dataclasses, so that the two can never disagree.

msgspec decodes a dataclass but silently accepts unknown fields; a Struct made from the same fields refuses them.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec

_made: dict[type, type] = {}


def strict(domain: type) -> type[msgspec.Struct]:
    """The Struct twin of a frozen dataclass: same fields, order and defaults; unknown fields are an error."""
    if domain in _made:
        return _made[domain]
    placeholder = typing.ForwardRef(domain.__name__)  # recursive types refer to themselves by name
    namespace: dict[str, Any] = {}
    hints = typing.get_type_hints(domain)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for item in dataclasses.fields(domain):
        annotation = _translate(hints[item.name], domain, placeholder)
        if item.default is not dataclasses.MISSING:
            fields.append((item.name, annotation, item.default))
        elif item.default_factory is not dataclasses.MISSING:
            fields.append((item.name, annotation, msgspec.field(default_factory=item.default_factory)))
        else:
            fields.append((item.name, annotation))
    made = msgspec.defstruct(
        domain.__name__,
        fields,
        namespace={**namespace, "__doc__": domain.__doc__},
        module=__name__,
        frozen=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
        kw_only=True,
    )
    globals()[domain.__name__] = made  # where msgspec resolves the self-reference
    _made[domain] = made
    return made


def _translate(annotation: Any, owner: type, placeholder: typing.ForwardRef) -> Any:
    """The annotation with every dataclass replaced by its twin."""
    if annotation is owner:
        return placeholder
    if annotation is datetime:
        return Annotated[
            datetime, msgspec.Meta(tz=True)
        ]  # a time without a zone cannot be compared with the election clock
    if annotation is int:
        return Annotated[int, msgspec.Meta(ge=0, le=10**12)]  # sums of it must stay within 64 bits
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return strict(annotation)
    arguments = typing.get_args(annotation)
    if not arguments:
        return annotation
    inner: Any = tuple(a if a is Ellipsis else _translate(a, owner, placeholder) for a in arguments)
    origin = typing.get_origin(annotation)
    if origin is types.UnionType or origin is typing.Union:
        return typing.Union[inner]  # noqa: UP007 - built from values, not written
    if origin is tuple:
        return tuple[inner]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return types.GenericAlias(dict, inner)
    return annotation
