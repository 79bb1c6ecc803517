"""Decisions of operators who have keys, and what fold, tabulator and auditor say of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tallyroom.auditor.books import Books
from tallyroom.codec.definition import definition_hash
from tallyroom.codec.events import (
    AddOperator,
    Amendment,
    AnyEvent,
    Change,
    Declaration,
    Desk,
    RevokeOperator,
    encode_event,
    everywhere,
    partition_key,
)
from tallyroom.codec.operators import endorse
from tallyroom.codec.reading import PartitionReader
from tallyroom.codec.signatures import Key
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Definition, Source
from tallyroom.log.base import LogRecord
from tallyroom.store.base import Claim
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused
from tallyroom.tabulator.owned import Owned
from tests.support.mini import MINI, NOON, report

ANNA, BORIS, CLARA, DORA = (
    Key(name, bytes(range(n, n + 32))) for n, name in enumerate(("anna", "boris", "clara", "dora"), 9)
)
FORGER: Final = Key("boris", bytes(range(40, 72)))
"""A key under a name that is another's."""
BOTH: Final = (ANNA, BORIS)
NAMES: Final = ("anna", "boris")

Headers = tuple[tuple[str, bytes], ...]


def operator(key: Key, **more: Any) -> Operator:
    """The person as the definition has him."""
    return Operator(id=key.id, key=key.public, **more)


def ruled(**more: Any) -> Definition:
    """The small vote with a desk of two, three of whom have keys; the third one's is in other hands."""
    able = ("desk", "amendment", "declaration", "report")
    desk = DeskRules(persons=2, operators=(operator(ANNA), operator(BORIS), operator(CLARA, revoked_at=NOON)))
    sources = (*MINI.sources, Source(id="desk", names={}, may_report=able))
    return replace(MINI, **{"sources": sources, "desk": desk, **more})


def common(kind: type[Any], **more: Any) -> Any:
    """An event of the desk in the name of Anna and Boris."""
    known = {"id": "act-1", "election": "mini", "environment": "test", "source": "desk", "reported_at": NOON}
    return kind(**{**known, "operators": NAMES, **more})


def amendment(chain: str, *changes: Change, **more: Any) -> Amendment:
    """Changes by hand."""
    made: Amendment = common(Amendment, previous=chain, changes=changes, **more)
    return made


START: Final = definition_hash(ruled())
DECISIONS: Final[dict[str, AnyEvent]] = {
    "freeze": common(Desk, act="freeze", contest="mayor", text={"en": "Checked."}),
    "reject": common(Desk, act="reject", target="0:7"),
    "embargo": common(Declaration, act="embargo_lifted", contest="mayor"),
    "amendment": amendment(
        START, RevokeOperator(operator="anna", revoked_at=NOON), AddOperator(operator=operator(DORA))
    ),
    "release": report(released="0:7", operators=NAMES),
    "correction": report(kind="correction", operators=NAMES),
}


def signed(event: AnyEvent, *keys: Key) -> tuple[bytes, Headers]:
    """Its bytes, and a header of each."""
    value = encode_event(event)
    return value, tuple(endorse(key, value) for key in keys)


def judged(definition: Definition, records: Sequence[tuple[AnyEvent, bytes, Headers]]) -> list[str | None]:
    """The refusal of each record, or None. The fold, the tabulator and the auditor must say the same."""
    chain = definition_hash(definition)
    log = [
        LogRecord(0, at, 0, b"x" if everywhere(event) else partition_key(event), value, headers)
        for at, (event, value, headers) in enumerate(records)
    ]
    reader, books = PartitionReader(Plan(definition, chain)), Books(definition, chain, 1)
    owned = Owned(Claim(0, 1, 0, {}), Plan(definition, chain), 1)
    said: list[str | None] = []
    for record in log:
        _, verdict = reader.take(record.value, record.key, record.headers, record.offset)
        said.append(str(verdict.refusal) if isinstance(verdict, Refused) else None)
    refused = {item.record.offset: str(item.refused.refusal) for step in owned.prepare(log) for item in step.refused}
    assert [refused.get(record.offset) for record in log] == said
    for record, expected in zip(log, said, strict=True):
        before = books.refusals()
        books.read([record])
        assert [str(code) for code in (books.refusals() - before)] == ([] if expected is None else [expected])
    return said


def one(event: AnyEvent, value: bytes, headers: Headers) -> str | None:
    """What becomes of a single decision."""
    (said,) = judged(ruled(), [(event, value, headers)])
    return said
