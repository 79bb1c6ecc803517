"""One partition of a totals store, and logs for it: what a tabulator folds, without log, store or loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Literal

from tallyroom.codec.events import (
    Amendment,
    AnyEvent,
    CloseUnit,
    Desk,
    Participation,
    ReopenUnit,
    ReregisterUnit,
    WithdrawSelection,
    encode_event,
    partition_key,
)
from tallyroom.domain.election import Definition
from tallyroom.domain.plausibility import Flag, Plausibility
from tallyroom.log.base import LogRecord
from tallyroom.store.base import MAX_FIELDS, Apply, Claim
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulator.owned import Owned, Prepared
from tests.support.elections import (
    CLOSED_AT,
    ELECTION,
    Sent,
    election,
    plan_of,
)


def _watchful() -> Definition:
    """A small election in which the plausibility rules look at single votes, and one of them refuses."""
    definition = election(2)
    settings = Plausibility(minimum=1, refuse=(Flag.EXACT_DOUBLE,))
    contests = tuple(replace(contest, plausibility=settings) for contest in definition.contests)
    return replace(definition, contests=contests)


DEFINITION: Final = _watchful()
PLAN: Final = plan_of(DEFINITION)
ODD: Final = "e" * 64

Fields = dict[bytes, bytes]


@dataclass
class Store:
    """One partition of a totals store: absolute values, an epoch and an offset."""

    plan: Plan = PLAN
    fields: Fields = field(default_factory=dict)
    epoch: int = 0
    offset: int = 0

    def claim(self) -> Owned:
        """A new owner from what is stored."""
        self.epoch += 1
        return Owned(Claim(0, self.epoch, self.offset, dict(self.fields)), self.plan, 1)

    def apply(self, step: Apply) -> None:
        """What the store's function does with a step of the newest owner."""
        assert step.epoch == self.epoch
        assert step.prev == self.offset, "steps of a partition are contiguous"
        assert len(step.fields) <= MAX_FIELDS
        self.fields.update(step.fields)
        self.offset = step.next

    def run(self, owned: Owned, records: Sequence[LogRecord]) -> list[Prepared]:
        """Fold and apply the records."""
        made: list[Prepared] = []
        for prepared in owned.prepare(records) if records else ():
            self.apply(prepared.step)
            made.append(prepared)
        return made


def desk(number: int, *, text: str = "") -> Desk:
    """An event that changes no total."""
    return Desk(
        id=f"desk-{number}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT, act="call",
        contest="list", selection="P", operators=("one", "two"), reason=text or None,
    )  # fmt: skip


def act(
    what: Literal["freeze", "thaw", "accept_with_flag", "accept_strictly"], number: int = 0, source: str = "cec"
) -> Desk:
    """An act about a source: it changes verdicts from there on."""
    return Desk(
        id=f"{what}-{source}-{number}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT,
        act=what, operators=("one", "two"), target_source=source, text={"en": "Being checked."},
    )  # fmt: skip


def bulletin(number: int) -> Participation:
    """A turnout bulletin."""
    return Participation(
        id=f"bulletin-{number}", election=ELECTION, environment="test", source="cec", measure="cast", area="A",
        reported_at=CLOSED_AT + timedelta(hours=number), as_of=CLOSED_AT, ballots=number,
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """An amendment; ``previous`` None: the chain in force."""

    number: int
    previous: str | None = None


CHANGES: Final = (
    ReregisterUnit(unit="u3", registered=7),
    WithdrawSelection(contest="list", selection="P", counts_as="Q"),
    CloseUnit(unit="ghost"),
    CloseUnit(unit="u2", contest="list"),
    ReopenUnit(unit="u2", contest="list"),
)


@dataclass(frozen=True)
class Again:
    """An earlier record once more, byte for byte."""

    back: int


@dataclass(frozen=True)
class Spaced:
    """A desk event whose bytes end in a line feed, as line-wise producers send them."""

    number: int


Item = Sent | Desk | Participation | Change | Again | Spaced | bytes


def log_of(written: Sequence[Item], plan: Plan = PLAN) -> list[LogRecord]:
    """The records of these items. A scout folds along, so that amendments can continue the chain in force."""
    store = Store(plan)
    scout = store.claim()
    records: list[LogRecord] = []
    for item in written:
        if isinstance(item, Again):
            if not records:
                continue
            key, value = records[-min(item.back, len(records))][3:5]
        else:
            key, value = bytes_of(item, scout.fold.plan)
        records.append(LogRecord(0, len(records), 1_000_000 + len(records), key, value))
        store.run(scout, records[-1:])
    return records


def bytes_of(item: Sent | Desk | Participation | Change | Spaced | bytes, plan: Plan) -> tuple[bytes | None, bytes]:
    """Key and value of an item, under the definition in force."""
    event: AnyEvent
    match item:
        case bytes():
            return None, item
        case Spaced():
            return b"list|", encode_event(desk(item.number)) + b"\n"
        case Sent():
            event = item.event(plan.definition)
        case Change():
            event = Amendment(
                id=f"amendment-{item.number}-{(item.previous or plan.chain)[:6]}",
                election=ELECTION,
                environment="test",
                source="cec",
                reported_at=CLOSED_AT,
                previous=item.previous or plan.chain,
                changes=(CHANGES[item.number],),
            )
        case _:
            event = item
    return partition_key(event), encode_event(event)


def uninterrupted(records: Sequence[LogRecord]) -> Fields:
    """The fields after one owner folded everything in one batch."""
    store = Store()
    store.run(store.claim(), records)
    return store.fields
