"""One partition read record by record, without a store: what every record means, decided by the fold as a tabulator decides it."""

import hashlib
from typing import Final

from tallyroom.codec.definition import chain_hash
from tallyroom.codec.events import (
    Amendment,
    AnyEvent,
    Aside,
    Report,
    Undecodable,
    decode_event,
    everywhere,
    partition_key,
)
from tallyroom.codec.operators import judge_proofs
from tallyroom.codec.signatures import Headers
from tallyroom.domain.events import Refusal
from tallyroom.domain.partition import partition_of
from tallyroom.tabulation.asides import judge_aside
from tallyroom.tabulation.fold import PartitionFold
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused, Verdict

_BLANKS: Final = b" \t\r\n"


class PartitionReader:
    """Folds the records of a partition in offset order. ``fold``: the state reached; ``asides``: accepted other events by id."""

    def __init__(self, plan: Plan, partition: int = 0, partitions: int = 1) -> None:
        self.fold = PartitionFold(plan, partition, partitions)
        self.asides: dict[str, Aside] = {}
        self._seen: dict[str, bytes] = {}

    def take(
        self, value: bytes | None, key: bytes | None, headers: Headers, offset: int
    ) -> tuple[AnyEvent | None, Verdict | Refused | None]:
        """The record's event (None: it is none) and what became of it; None: an event that is no report, accepted."""
        try:
            event = decode_event(value or b"")
        except Undecodable as error:
            return None, self.fold.refuse(Refused(error.refusal, str(error)))
        unproven = judge_proofs(self.fold.plan, event, value or b"", headers)
        if unproven is not None:
            return event, self.fold.refuse(unproven)
        if isinstance(event, Report):
            return event, self.fold.report(event, partition_key(event) if key is None else key, offset)
        return event, self._other(event, bytes(value or b""), offset)

    def _other(self, event: AnyEvent, raw: bytes, offset: int) -> Verdict | Refused | None:
        digest = hashlib.blake2b(raw.strip(_BLANKS), digest_size=16).digest()
        known = self._seen.get(event.id)
        if known == digest:
            self.fold.tallies.duplicates += 1
            return Verdict.DUPLICATE
        refused = self._objection(event, known is not None)
        if refused is not None:
            return self.fold.refuse(refused)
        if isinstance(event, Amendment):
            refused = self.fold.amend(event.to_domain(), chain_hash(self.fold.plan.chain, raw), offset)
        elif isinstance(event, Aside):
            self.fold.aside(event, str(event.__struct_config__.tag))
            self.asides[event.id] = event
        if refused is None:
            self._seen[event.id] = digest
        return refused

    def _objection(self, event: AnyEvent, known: bool) -> Refused | None:
        if known:
            return Refused(Refusal.EQUIVOCATION, f"event {event.id} was sent before with other content")
        key = partition_key(event)
        if not everywhere(event) and partition_of(key, self.fold.partitions) != self.fold.partition:
            return Refused(Refusal.WRONG_PARTITION, f"{event.id}: its key {key.decode()!r} belongs elsewhere")
        return judge_aside(self.fold.plan, event, str(event.__struct_config__.tag))
