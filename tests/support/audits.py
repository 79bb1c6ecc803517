"""Logs of several partitions with anything in them, folded by the tabulator's own code and read by the auditor's."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Literal

import msgspec
from hypothesis import strategies as st

from tallyroom.auditor.books import Books
from tallyroom.auditor.compare import Difference, stored_totals, stored_units, totals_names, unit_names
from tallyroom.auditor.published import Reading, contests
from tallyroom.codec import events, packed
from tallyroom.codec.events import (
    MAX_EVENT_BYTES,
    AnyEvent,
    Control,
    Declaration,
    Desk,
    Estimate,
    Participation,
    encode_event,
)
from tallyroom.codec.signatures import SIGNATURE_HEADER, Key
from tallyroom.domain.desk import DeskRules
from tallyroom.domain.election import Definition, Severity, Signatures, SourceKey
from tallyroom.domain.events import (
    AddKey,
    AddSelection,
    Change,
    CloseUnit,
    MergeUnits,
    MoveUnit,
    ReopenUnit,
    ReregisterUnit,
    RevokeKey,
    WithdrawSelection,
)
from tallyroom.domain.partition import partition_of
from tallyroom.domain.plausibility import OF_REPORTS, Flag, Plausibility
from tallyroom.log.base import LogRecord
from tallyroom.producer.entries import entries_of
from tallyroom.results.documents import Deriver, areas_name
from tallyroom.results.facts import Facts
from tallyroom.store.base import Claim
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.recount import Key as Leaf
from tallyroom.tabulator.owned import Owned
from tests.support.elections import CLOSED_AT, ELECTION, Amend, Sent, election, plan_of, selection, summed
from tests.support.histories import amends, garbage, rarely, released, sent


def strict_election() -> Definition:
    """The small election with every rule that the others leave out: rounds, other sources, marks, cast over the register."""
    plain = election(2)
    contest, groups, inside = plain.contests
    accounting = replace(contest.accounting, cast_over_registered=Severity.ERROR)
    doubts = Plausibility(minimum=2, over_register="1/5", refuse=tuple(OF_REPORTS - {Flag.ONE_SELECTION, Flag.SWING}))
    beside = replace(inside.accounting, marks_per_ballot=2)
    sources = tuple(replace(item, may_report=(*item.may_report, "report", "estimate")) for item in plain.sources)
    return replace(
        plain,
        sources=sources,
        desk=DeskRules(persons=2),
        contests=(
            replace(contest, accounting=accounting, round=9, unit_sources={"u3": "press"}, plausibility=doubts),
            replace(groups, accounting=replace(groups.accounting, cast_over_registered=Severity.ERROR)),
            replace(inside, accounting=beside),
        ),
    )


KEY: Final = Key("k1", b"\1" * 32)
OTHER_KEY: Final = Key("k2", b"\2" * 32)


def signed_election() -> Definition:
    """The small election whose events must be signed; the desk's own key may vouch for the authority too, the press has none."""
    plain = election(2)
    keys = (SourceKey(id="k1", key=KEY.public),)
    sources = tuple(replace(item, keys=keys if item.id == "cec" else ()) for item in plain.sources)
    return replace(plain, sources=sources, signatures=Signatures.REQUIRED)


DEFINITIONS: Final = (election(2), election(4), strict_election(), signed_election())


@dataclass(frozen=True)
class Again:
    """An earlier record once more, byte for byte; ``elsewhere``: into the next partition."""

    back: int
    elsewhere: bool = False


Item = Sent | Amend | AnyEvent | Again | bytes


@dataclass
class Tabulated:
    """A log, and per partition the fields that the tabulator made of it."""

    definition: Definition
    partitions: int
    records: list[list[LogRecord]] = field(default_factory=list)
    fields: list[dict[bytes, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan = plan_of(self.definition)
        self.records = [[] for _ in range(self.partitions)]
        self.fields = [{} for _ in range(self.partitions)]
        self._owned = [Owned(Claim(n, 1, 0, {}), plan, self.partitions) for n in range(self.partitions)]
        self._sent: list[tuple[int, bytes | None, bytes]] = []
        self._count = 0

    @property
    def plan(self) -> Plan:
        """The definition in force."""
        return self._owned[0].fold.plan

    def send(self, item: Item) -> None:
        """Append the item where it belongs, and fold it."""
        self._count += 1
        if isinstance(item, Again):
            if self._sent:
                partition, key, value = self._sent[-min(item.back, len(self._sent))]
                self._append((partition + item.elsewhere) % self.partitions, key, value)
            return
        if isinstance(item, bytes):
            self._append(self._count % self.partitions, None, item)
            return
        event = self._event(item)
        value = encode_event(event)
        for entry in entries_of(event, value, event.reported_at, self.partitions):
            partition = partition_of(entry.key or b"", self.partitions) if entry.partition is None else entry.partition
            self._append(partition, entry.key, value)

    def _event(self, item: Sent | Amend | AnyEvent) -> AnyEvent:
        if isinstance(item, Sent):
            return item.event(self.plan.definition)
        if not isinstance(item, Amend):
            return item
        changes = tuple(
            msgspec.convert(change, getattr(events, type(change).__name__), from_attributes=True)
            for change in item.changes
        )
        return events.Amendment(
            id=f"a{self._count}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT,
            previous=self.plan.chain, changes=changes,
        )  # fmt: skip

    def _append(self, partition: int, key: bytes | None, value: bytes) -> None:
        held = self.records[partition]
        record = LogRecord(partition, len(held), 1_000_000 + self._count, key, value, self._signature(value))
        held.append(record)
        self._sent.append((partition, key, value))
        for prepared in self._owned[partition].prepare([record]):
            self.fields[partition].update(prepared.step.fields)

    def _signature(self, value: bytes) -> tuple[tuple[str, bytes], ...]:
        """Most are signed as they should be; some by a key that nobody knows, over other bytes, or not at all."""
        if self.definition.signatures is Signatures.NONE or self._count % 9 == 7:
            return ()
        if self._count % 9 == 8:
            return ((SIGNATURE_HEADER, OTHER_KEY.sign(value)),)
        return ((SIGNATURE_HEADER, KEY.sign(value + b" " if self._count % 9 == 6 else value)),)

    def cells(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """The stored totals of all partitions."""
        return summed([fold.fold.cells() for fold in self._owned])


def audited(night: Tabulated) -> Books:
    """The auditor's reading of the whole log."""
    books = Books(night.definition, plan_of(night.definition).chain, night.partitions)
    for records in night.records:
        books.read(records)
    return books


def leaves_of(definition: Definition) -> list[Leaf]:
    """Every leaf of the definition."""
    return [
        (contest.id, unit, group)
        for contest in definition.contests
        for unit in contest.units
        for group in (contest.count_groups or (None,))
    ]


def differences(books: Books, fields: Sequence[dict[bytes, bytes]]) -> list[Difference]:
    """What the auditor finds in these hashes."""
    found: list[Difference] = []
    for number, book in books.books.items():
        leaves = leaves_of(book.definition)
        found += stored_totals(book, [fields[number].get(name) for name in totals_names(book)])
        found += stored_units(book, leaves, [fields[number].get(name) for name in unit_names(leaves)])
    return found


def published_differences(books: Books, night: Tabulated) -> list[Difference]:
    """What the auditor finds in documents that the publisher's code makes of the stored totals."""
    plan = night.plan
    totals = {place: row + (0,) * (plan.contests[place[0]].width - len(row)) for place, row in night.cells().items()}
    deriver = Deriver(plan)
    documents = deriver.documents(deriver.all_places(), Facts(totals=totals), release=True)
    shown = []
    for contest in plan.definition.contests:
        names = [areas_name(contest.id, parent) for parent in dict.fromkeys(contest.areas.values())]
        areas = [area for name in names for area in documents[name]]
        shown.append({"contest": contest.id, "areas": msgspec.json.decode(msgspec.json.encode(areas))})
    return list(contests(Reading(books), books.sums(), shown))


# -- strategies


def _some(*known: str) -> st.SearchStrategy[str]:
    return st.sampled_from((*known, "ghost"))


@st.composite
def asides(draw: st.DrawFn, definition: Definition) -> AnyEvent:
    """An event that changes no total, of any type, with known and unknown names in it."""
    areas, units = tuple(definition.contests[0].areas), tuple(unit.id for unit in definition.units)
    contest = draw(_some("list", "inside"))
    source = draw(st.sampled_from(("cec", "cec", "cec", "press", "nobody")))
    environment = draw(st.sampled_from(("test", "test", "test", "live")))
    number = draw(st.integers(0, 3))
    at = CLOSED_AT + timedelta(minutes=number, microseconds=draw(st.sampled_from((0, 1, 999, 1001, 999_999))))
    common: dict[str, Any] = {
        "id": f"x{number}",
        "election": ELECTION,
        "environment": environment,
        "source": source,
        "reported_at": at,
    }
    selection = _some("P", "Q", "L1", "Z1")
    area, unit = draw(rarely(_some(*areas))), draw(rarely(_some(*units)))
    match draw(st.integers(0, 4)):
        case 0:
            ballots = draw(rarely(st.integers(0, 9)))
            return Participation(**common, measure="cast", as_of=at, area=area, unit=unit, ballots=ballots)
        case 1:
            counts = draw(st.dictionaries(selection, st.integers(0, 9), max_size=2))
            measures = draw(st.dictionaries(_some("cast", "valid"), st.integers(0, 9), max_size=1))
            return Control(**common, contest=contest, area=area or areas[0], counts=counts, ballots=measures)
        case 2:
            return Estimate(
                **common, pollster="p", names={}, method="exit_poll", contest=contest, release_at=at,
                shares=draw(st.dictionaries(selection, st.just("0.5"), max_size=2)),
            )  # fmt: skip
        case 3:
            winners = tuple(draw(st.lists(selection, max_size=2)))
            return Declaration(**common, act="winner", contest=contest, area=area, winners=winners)
        case _:
            acts = ("freeze", "thaw", "accept_with_flag", "accept_strictly", "call", "reject")
            return Desk(
                **common, act=draw(st.sampled_from(acts)), area=area, unit=unit,
                operators=draw(st.sampled_from((("one", "two"), ("one",), ("one", "One ")))),
                contest=draw(rarely(st.just(contest))), target_source=draw(st.sampled_from((None, "cec", "press"))),
                selection=draw(rarely(selection)), target=draw(rarely(st.just("0:1"))),
            )  # fmt: skip


GARBAGE: Final = (
    b" " * (MAX_EVENT_BYTES + 1),
    b"",
    b"{",
    b"[]",
    b'{"type":"report"}',
    b"\xff\xfe",
    b"[" * 5000,
    b" null ",
)


def logs(definition: Definition) -> st.SearchStrategy[list[Item]]:
    """Anything that may stand in a log: every type of event, sound and broken, repeated, misplaced, and no event at all."""
    again = st.builds(Again, st.integers(1, 8), st.booleans())
    one_unit = sent(definition).map(lambda item: replace(item, contest="list", unit="u1", group=None))
    by_hand = released(definition)
    reports = st.one_of(sent(definition, ("n1", "n2")), one_unit, one_unit, garbage(definition), by_hand)
    others = st.one_of(asides(definition), amends(definition), again, st.sampled_from(GARBAGE))
    return st.lists(st.one_of(reports, reports, others), max_size=24)


CHANGES: Final[tuple[Change, ...]] = (
    CloseUnit(unit="u1"),
    ReopenUnit(unit="u1"),
    CloseUnit(unit="u2", contest="list"),
    MergeUnits(units=("u3",), into="u4"),
    MoveUnit(unit="u1", contest="list", area="R"),
    ReregisterUnit(unit="u3", registered=7),
    ReregisterUnit(unit="u1", registered=None),
    RevokeKey(source="cec", key="k1", revoked_at=CLOSED_AT),
    AddKey(source="cec", key=SourceKey(id="k2", key=OTHER_KEY.public)),
    AddSelection(contest="list", selection=selection("Z1")),
    WithdrawSelection(contest="list", selection="P", counts_as="Q"),
    WithdrawSelection(contest="list", selection="REST", counts_as="invalid"),
    WithdrawSelection(contest="groups", selection="X", counts_as="Y"),
)
"""Each is possible at the start of a night."""


def of_source(what: Literal["freeze", "thaw", "accept_with_flag", "accept_strictly"], number: int) -> Desk:
    """An act about the source of all reports."""
    return Desk(
        id=f"{what}{number}", election=ELECTION, environment="test", source="cec", reported_at=CLOSED_AT, act=what,
        operators=("one", "two"), target_source="cec",
    )  # fmt: skip


def lively(definition: Definition) -> st.SearchStrategy[list[Item]]:
    """Sound reports of few units, replaced, held and taken back, with amendments in between that are mostly possible."""
    leaf = st.sampled_from([key for key in leaves_of(definition) if key[1] in ("u1", "u2", "u3")])

    def placed(item: Sent, key: Leaf, plain: bool, parts: int | None, registered: int | None) -> Sent:
        some = None if parts is None else (parts, 2)
        made = replace(item, contest=key[0], unit=key[1], group=key[2], parts=some, registered=registered)
        return replace(made, kind="counted", disposition="counted") if plain else made

    registered = st.sampled_from((None, None, 3, 40))
    reports = st.builds(placed, sent(definition), leaf, st.booleans(), st.sampled_from((None, None, 1, 2)), registered)
    changed = st.sampled_from(CHANGES).map(lambda change: Amend((change,)))
    broken = reports.map(lambda item: replace(item, kind="counted", disposition="counted", broken="accounting"))
    let_in = st.builds(lambda item: replace(item, released="0:0", operators=("one", "two")), st.one_of(reports, broken))
    acts = st.builds(
        of_source, st.sampled_from(("freeze", "thaw", "accept_with_flag", "accept_strictly")), st.integers()
    )
    return st.lists(st.one_of(reports, reports, reports, changed, broken, let_in, acts), max_size=16)


def unit_field(key: Leaf) -> bytes:
    """Field of a unit's state, for tests that plant a fault there."""
    contest, unit, group = key
    return packed.unit_name(f"{contest}|{unit}" + ("" if group is None else f"#{group}"))
