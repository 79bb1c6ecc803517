"""One claimed partition: its records folded into atomic steps for the store."""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Final

import msgspec

from tallyroom.codec import packed
from tallyroom.codec.definition import chain_hash
from tallyroom.codec.events import (
    MAX_EVENT_BYTES,
    Amendment,
    Aside,
    Desk,
    Report,
    decode_known,
    everywhere,
    explain,
    fits,
    partition_key,
    too_deep,
)
from tallyroom.codec.layout import LAYOUT, ORIGIN, Origin, origin_of
from tallyroom.codec.operators import judge_proofs
from tallyroom.domain.errors import RebuildRequired
from tallyroom.domain.events import Refusal
from tallyroom.domain.partition import partition_of
from tallyroom.domain.plausibility import Flag
from tallyroom.log.base import Record
from tallyroom.store.base import MAX_FIELDS, Apply, Claim
from tallyroom.tabulation.asides import judge_aside
from tallyroom.tabulation.fold import PartitionFold, Tallies
from tallyroom.tabulation.matched import Matched, has_units
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused, State

_OWN_FIELDS: Final = 9  # off, epoch, def, log, s, q, h, jc and one to spare
_BLANKS: Final = b" \t\r\n"
_DAMAGED: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error)
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Gap(Exception):
    """A batch does not start where the partition stands: the consumer dropped or repeated records."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """A record for the quarantine."""

    record: Record
    refused: Refused


@dataclass(slots=True)
class Prepared:
    """A slice of records folded: what to write, what to quarantine first, and how old its newest record is."""

    owned: "Owned"
    step: Apply
    refused: list[Refuse] = field(default_factory=list)
    appended_at: int = 0  # ms since the epoch, of the slice's oldest record
    fates: Mapping[str, int] = field(default_factory=dict)  # what became of the events, by the names of ``Tallies``
    flags: Sequence[Flag] = ()  # that were raised


def fingerprint(record: Record) -> str:
    """What a record is recognised by after a topic was made anew: a hash of its key and bytes."""
    return hashlib.blake2b((record.key or b"") + b"\0" + (record.value or b""), digest_size=16).hexdigest()


def slice_size(plan: Plan) -> int:
    """Records of one step. Each writes at most a unit, two journal entries and a new leaf area; areas above are shared.

    Where units have results of last time, an area has a second row.

    3,000 fields a step is the store's limit. Raises RebuildRequired if the definition has too many areas for it.
    """
    matched = [contest for contest in plan.contests.values() if has_units(contest)]
    upper = sum(len(contest.children) for contest in (*plan.contests.values(), *matched))
    size = (MAX_FIELDS - _OWN_FIELDS - upper) // (5 if matched else 4)
    if size < 1:
        raise RebuildRequired(
            f"The definition has {upper} areas with children; one step of the store takes {MAX_FIELDS} fields.",
            "split the contest's area tree, or ask for a higher limit",
        )
    return size


class Owned:
    """A partition as this worker holds it: epoch, next offset and the fold of everything before it."""

    def __init__(self, claim: Claim, plan: Plan, partitions: int) -> None:
        self.partition = claim.partition
        self.epoch = claim.epoch
        self.next = claim.offset
        self.acknowledged = claim.offset
        self.applied_at = 0.0  # monotonic time of the last acknowledged apply
        self.lost = False  # an answer other than OK came: everything in memory is void
        try:
            self._restore(claim, plan, partitions)
        except _DAMAGED as error:
            raise RebuildRequired(
                f"The fields of partition {claim.partition} in the store cannot be read: {error!r}.",
                "find out who wrote there; start over (docs/operating.md): everything is folded anew from the log",
            ) from error

    def _restore(self, claim: Claim, plan: Plan, partitions: int) -> None:
        """Take over what the store holds."""
        self.origin = origin_of(claim.fields.get(ORIGIN), claim.partition) if claim.fields else Origin()
        self._journal = int(claim.fields.get(packed.JOURNAL_LENGTH, b"0"))
        self._refusals = packed.unpack_refusals(claim.fields.get(packed.REFUSALS))
        self._seen: dict[str, bytes] = {}
        self._entries: list[packed.Entry] = []  # of the slice being folded
        self._replayed: list[
            packed.Entry
        ] = []  # entries of the claimed journal that are no events, until they are loaded
        self._definition_written = claim.fields.get(packed.DEFINITION)
        reached = self._replay_journal(claim, plan)
        self.fold = PartitionFold(reached.plan, claim.partition, partitions)
        self.fold.waits, self.fold.desk = reached.waits, reached.desk
        self.fold.tallies = packed.unpack_tallies(claim.fields.get(packed.TALLIES))
        self.fold.heard = packed.unpack_heard(claim.fields.get(packed.HEARD))
        self.fold.load(*_state(claim.fields), packed.carried_flags(self._replayed))
        self._replayed.clear()
        self._slice = slice_size(self.fold.plan)
        self._plan = self.fold.plan
        self._matched = Matched(self._plan)
        self._matched.take(self.fold.units().items() if self._matched else ())
        self._matched.changed()  # they stand in the store as they are

    def prepare(self, records: Sequence[Record]) -> Iterator[Prepared]:
        """Fold contiguous records, slice by slice. Raises Gap if they do not start at ``next`` or have a hole."""
        if records[0].offset != self.next or records[-1].offset != self.next + len(records) - 1:
            raise Gap(f"partition {self.partition} stands at {self.next}, the batch starts at {records[0].offset}")
        start = 0
        while start < len(records):
            prepared = self._fold(records[start : start + self._slice])
            start += prepared.step.next - prepared.step.prev
            yield prepared

    def heartbeat(self) -> Prepared:
        """An empty step: it finds out that the store was rolled back, also on a quiet night."""
        return Prepared(self, Apply(self.partition, self.epoch, self.next, self.next, {}))

    def _fold(self, records: Sequence[Record]) -> Prepared:
        """Fold the slice, or its records up to an amendment: that folds every cell anew and needs a step of its own."""
        fold, refused = self.fold, list[Refuse]()
        written: dict[bytes, bytes] = {}
        judge = fold.report
        before = astuple(fold.tallies)
        folded, proven = 0, fold.plan.signed or bool(fold.plan.operators)
        for record in records:
            value = record.value
            verdict: object
            try:
                if value is None or len(value) > MAX_EVENT_BYTES:
                    verdict = fold.refuse(_unreadable(value))
                else:
                    event = decode_known(value)
                    if type(event) is Report and not (proven or event.ext):
                        verdict = judge(event, record.key, record.offset)
                    elif event.ext and not fits(event.ext):
                        verdict = fold.refuse(Refused(Refusal.SCHEMA, str(too_deep())))
                    elif type(event) is Amendment and folded:
                        break
                    elif proven and (unproven := judge_proofs(fold.plan, event, value, record.headers)) is not None:
                        verdict = fold.refuse(unproven)
                    elif type(event) is Report:
                        verdict = judge(event, record.key, record.offset)
                    else:
                        verdict = self._other(event, value, record.offset)
            except _UNDECODABLE as error:
                why = explain(error)
                verdict = fold.refuse(Refused(why.refusal, str(why)))
            folded += 1
            if type(verdict) is Refused:
                refused.append(Refuse(record, verdict))
            elif fold.plan is not self._plan:
                self._plan = fold.plan
                break
        done = records[:folded]
        fold.tallies.appended_at = done[-1].timestamp
        flags = self._collect(written, done, refused)
        step = Apply(self.partition, self.epoch, self.next, self.next + folded, written)
        self.next = step.next
        return Prepared(self, step, refused, done[0].timestamp, _fates(before, fold.tallies), flags)

    def _collect(self, fields: dict[bytes, bytes], records: Sequence[Record], refused: Sequence[Refuse]) -> list[Flag]:
        """Everything the slice changed, as fields with absolute values; the flags that it raised."""
        changes = self.fold.take()
        pack = packed.pack
        for name, state in changes.units.items():
            fields[packed.unit_name(name)] = pack(state)
        for (contest, area), row in changes.cells.items():
            fields[packed.cell_name(contest, area)] = pack(row)
        self._match(changes.units, fields)
        entries = [*self._entries, *map(packed.note_entry, changes.notes), *map(packed.wait_entry, changes.waits)]
        self._entries = []
        entries += map(packed.doubt_entry, changes.doubts)
        for entry in sorted(entries, key=lambda entry: entry.offset):  # whatever the slice, the same journal
            self._write(entry, fields)
        for item in refused:
            code = str(item.refused.refusal)
            self._refusals[code] = self._refusals.get(code, 0) + 1
        if refused:
            fields[packed.REFUSALS] = packed.pack_refusals(self._refusals)
        if self.fold.heard.changed:
            fields[packed.HEARD] = packed.pack_heard(self.fold.heard)
            self.fold.heard.changed = False
        fields[packed.TALLIES] = packed.pack_tallies(self.fold.tallies)
        first = fingerprint(records[0]) if self.next == 0 else self.origin.first
        self.origin = Origin(LAYOUT, first, fingerprint(records[-1]))
        fields[ORIGIN] = msgspec.json.encode(self.origin)
        chain = self.fold.plan.chain.encode()
        if chain != self._definition_written:
            fields[packed.DEFINITION] = self._definition_written = chain
        if len(fields) > MAX_FIELDS:
            raise RebuildRequired(
                f"An amendment changes {len(fields)} fields of partition {self.partition}; a step takes {MAX_FIELDS}.",
                "create the topic with more partitions and publish the night into it anew",
            )
        return [flag for doubt in changes.doubts for flag in doubt.raised]

    def _match(self, units: Mapping[str, State], fields: dict[bytes, bytes]) -> None:
        """Sums over units that were there last time."""
        if self._matched.plan is not self.fold.plan:
            self._matched = self._matched.under(self.fold.plan, self.fold.units())
        elif self._matched:
            self._matched.take(units.items())
        for (contest, area), row in self._matched.changed().items():
            fields[packed.matched_name(contest, area)] = packed.pack(row)

    def _other(self, event: Amendment | Aside, value: bytes, offset: int) -> Refused | None:
        """An event that is no report: amendments change the definition, the others are kept for the results."""
        raw = bytes(value)
        digest = hashlib.blake2b(raw.strip(_BLANKS), digest_size=16).digest()  # the journal gives it back without
        known = self._seen.get(event.id)
        if known is not None:
            if known == digest:
                self.fold.tallies.duplicates += 1
                return None
            detail = f"event {event.id} was sent before with other content"
            return self.fold.refuse(Refused(Refusal.EQUIVOCATION, detail))
        refused = self._misplaced(event) or judge_aside(self.fold.plan, event, str(event.__struct_config__.tag))
        if refused is not None:
            return self.fold.refuse(refused)
        if isinstance(event, Amendment):
            refused = self._amend(event, raw, offset)
        else:
            self._keep(event, raw, offset)
        if refused is None:
            self._seen[event.id] = digest  # a refused event left no trace: a new owner could not know it
        return refused

    def _misplaced(self, event: Amendment | Aside) -> Refused | None:
        """Whether the event belongs to another partition; amendments and acts about a source stand in every one."""
        if everywhere(event):
            return None
        key = partition_key(event)
        right = partition_of(key, self.fold.partitions)
        if right == self.partition:
            return None
        detail = f"{event.id}: its key {key.decode()!r} belongs to partition {right}, not {self.partition}"
        return Refused(Refusal.WRONG_PARTITION, detail)

    def _amend(self, event: Amendment, raw: bytes, offset: int) -> Refused | None:
        chain = chain_hash(self.fold.plan.chain, raw)
        refused = self.fold.amend(event.to_domain(), chain, offset)
        if refused is None:
            self._entries.append(packed.Entry(entry="amendment", offset=offset, event=msgspec.Raw(raw), chain=chain))
        return refused

    def _keep(self, event: Aside, raw: bytes, offset: int) -> None:
        self.fold.aside(event, str(event.__struct_config__.tag))
        self._entries.append(packed.Entry(entry="event", offset=offset, event=msgspec.Raw(raw)))

    def _write(self, entry: packed.Entry, fields: dict[bytes, bytes]) -> None:
        fields[packed.journal_name(self._journal)] = packed.encode_entry(entry)
        self._journal += 1
        fields[packed.JOURNAL_LENGTH] = b"%d" % self._journal

    def _replay_journal(self, claim: Claim, plan: Plan) -> PartitionFold:
        """Definition, acts in force and reports that wait as the partition's prefix left them; event ids seen so far.

        Raises RebuildRequired.
        """
        scratch = PartitionFold(plan, claim.partition, 1)
        for index in range(self._journal):
            entry = packed.decode_entry(claim.fields[packed.journal_name(index)])
            packed.follow(scratch.waits, entry)
            raw = bytes(entry.event)
            if not raw:
                self._replayed.append(entry)
                continue
            event = decode_known(raw)
            self._seen[event.id] = hashlib.blake2b(raw, digest_size=16).digest()
            if isinstance(event, Amendment):
                scratch.amend(event.to_domain(), entry.chain or "")
            elif isinstance(event, Desk):
                scratch.desk.take(event)
                scratch.waits.reject(event)
        reached = claim.fields.get(packed.DEFINITION, plan.chain.encode()).decode()
        if scratch.plan.chain != reached:
            raise RebuildRequired(
                f"Partition {claim.partition} stands at definition {reached[:12]}, its journal leads to "
                f"{scratch.plan.chain[:12]}.",
                "start over (docs/operating.md), or start with the definition that the store was made with",
            )
        return scratch


def _fates(before: tuple[int, ...], now: Tallies) -> dict[str, int]:
    """How much each of the tallies grew."""
    return {item.name: getattr(now, item.name) - old for item, old in zip(fields(now), before, strict=True)}


def _unreadable(value: bytes | None) -> Refused:
    if value is None:
        return Refused(Refusal.NOT_JSON, "the record has no value (a tombstone)")
    return Refused(Refusal.TOO_LARGE, f"{len(value)} bytes, at most {MAX_EVENT_BYTES} are taken")


def _state(
    stored: Mapping[bytes, bytes],
) -> tuple[list[tuple[str, tuple[int, ...]]], list[tuple[str, str, tuple[int, ...]]]]:
    """Units and cells among the fields of a claimed partition."""
    units, cells = [], []
    for name, value in stored.items():
        if name.startswith(packed.UNIT):
            units.append((name[2:].decode(), packed.unpack(value)))
        elif name.startswith(packed.CELL):
            contest, _, area = name[2:].decode().partition("|")
            cells.append((contest, area, packed.unpack(value)))
    return units, cells
