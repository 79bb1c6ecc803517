"""What a snapshot shows of the operators' decisions, as types (`tallyroom.codec.snapshot`)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tallyroom.codec.events import Time

Number = Annotated[int, Meta(ge=0)]


class FrozenMark(Struct, frozen=True):
    """Figures that stand still, by decision of the operators: since when (election time), why, and which offsets they cover."""

    since: Time
    text: dict[str, str]
    as_of: dict[str, dict[str, Number]]


class Call(Struct, frozen=True, kw_only=True):
    """A call of the desk, apart from the data. ``stands``: what the bound says of it (docs/desk.md)."""

    contest: str
    area: str
    selection: str
    called_at: Time
    text: dict[str, str]
    stands: Literal["open", "agrees", "contradicted"]


class ReleasedReport(Struct, frozen=True, kw_only=True):
    """A report that was refused and that operators let through. ``released``: PARTITION:OFFSET of the refused record."""

    offset: Number
    contest: str
    unit: str
    area: str
    version: Number
    at: Number
    kind: str
    released: str
    reason: str | None = None
    group: str | None = None
    disposition: str | None = None


class Released(Struct, frozen=True):
    """How many reports operators let through, and the newest 50."""

    count: Number
    latest: list[ReleasedReport]
