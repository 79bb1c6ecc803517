"""Decisions of operators as events: made, checked against the log, written, and looked at again once they are in it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from tallyroom.codec.events import Amendment, AnyEvent, Declaration, Desk, Report, encode_event
from tallyroom.codec.operators import endorse, judge_operators
from tallyroom.codec.signatures import SIGNATURE_HEADER, Key
from tallyroom.desk.book import At, Book, Case, CaseState
from tallyroom.domain.errors import TallyroomError
from tallyroom.domain.events import RELEASABLE, SOFT, Refusal
from tallyroom.log.base import EventLog
from tallyroom.producer.entries import entries_of
from tallyroom.tabulation.asides import judge_aside
from tallyroom.tabulation.desk import too_few
from tallyroom.tabulation.plan import Plan

ByHand = Report | Desk | Declaration | Amendment
Act = Literal["freeze", "thaw", "release", "reject", "accept_with_flag", "accept_strictly", "call", "uncall"]

_INSTEAD: Final = {
    Refusal.UNKNOWN_UNIT: "if the unit exists, amend the definition (`tallyroom amend`); the report is then judged again",
    Refusal.CLOSED_UNIT: "if the unit was closed by mistake, amend the definition (`reopen_unit`)",
    Refusal.WRONG_PARTITION: "its producer has to send it with the right key and partitioner",
    Refusal.OPERATORS: "make the decision again and name enough people",
}


class DeskError(TallyroomError):
    """A decision cannot be made: the text says why, the action what can be done instead."""


class Draft(NamedTuple):
    """A decision as bytes, and the headers of the operators who have signed these bytes."""

    value: bytes
    proofs: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class People:
    """Who decides, why, with which key their desk signs (None: nothing is signed here), and the keys of those who are here.

    ``hands``: each has the id of its operator. Used where the definition knows the operators' keys.
    """

    operators: tuple[str, ...]
    reason: str
    key: Key | None = None
    hands: tuple[Key, ...] = ()


class Hand:
    """Writes decisions into the log of a book. ``wall``: for elections whose clock is the wall's.

    ``drafts``: decisions that some of those named have not signed yet. They are not in the log.
    """

    def __init__(
        self, log: EventLog, topic: str, book: Book, wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._log, self._topic, self._book, self._wall = log, topic, book, wall
        self.drafts: list[Draft] = []

    def now(self) -> datetime:
        """Election time: the wall's on a live night; else as far as the log has come, which a replay carries."""
        clock = self._wall() if self._book.plan.environment == "live" else self._book.clock() or self._wall()
        newest = max((act.reported_at for act in self._book.acts.values()), default=None)
        # Acts are in force in the order of their times: none may be as old as the one before it.
        return clock if newest is None or clock > newest else newest + timedelta(milliseconds=1)

    def require(self, people: People) -> None:
        """Raises DeskError unless enough people are named and they give a reason."""
        few = too_few(people.operators, self._book.plan.persons)
        if few is not None:
            raise DeskError(
                f"Not decided: {few}.", "name everybody who decides: --operator 'A. Name' --operator 'B. Name'"
            )
        if not people.reason.strip():
            raise DeskError("Not decided: no reason is given.", "say why: --reason 'confirmed by telephone'")

    def source(self, kind: str, wanted: str | None = None) -> str:
        """The source under which the desk writes events of this kind. Raises DeskError."""
        able = [name for name, allowed in self._book.plan.may_report.items() if kind in allowed]
        if wanted is not None and wanted in able:
            return wanted
        desks = [name for name in able if "desk" in self._book.plan.may_report[name]]
        for found in (desks, able):
            if wanted is None and len(found) == 1:
                return found[0]
        shown = ", ".join(able) or "none"
        raise DeskError(
            f"The definition's sources that may send a {kind}: {shown}.",
            "name one with --source" if able else f'give one of its sources "may_report": ["{kind}"] before the night',
        )

    async def release(self, case: Case, people: People) -> AnyEvent:
        """Let a refused report through: the same report again, with where it stood and who decided. Raises DeskError."""
        self.require(people)
        report = self._open(case, CaseState.RELEASED)  # who said no may still say yes
        if report is None or case.code not in RELEASABLE:
            soft = ", ".join(sorted(RELEASABLE))
            raise DeskError(
                f"{case.at} was refused as {case.code}: no decision can make a figure of it (only of {soft}).",
                _INSTEAD.get(case.code, "have it corrected where it came from, or reject it (docs/quarantine.md)"),
            )
        made = msgspec.structs.replace(
            report,
            id=f"{report.id[:90]}-released-{case.at}",
            released=str(case.at),
            release_reason=people.reason,
            operators=people.operators,
        )
        await self.write(made, people)
        return made

    async def reject(self, case: Case, people: People) -> AnyEvent:
        """Say that a refused record stays out for good. Raises DeskError."""
        self.require(people)
        self._open(case, CaseState.RELEASED, CaseState.REJECTED)
        event = case.event
        named = isinstance(event, Report) and self._book.leaf(event) is not None
        made = self.act(
            "reject",
            people,
            contest=event.contest if named and isinstance(event, Report) else None,
            unit=event.unit if named and isinstance(event, Report) else None,
            count_group=event.count_group if named and isinstance(event, Report) else None,
            version=event.version if named and isinstance(event, Report) else None,
            target=str(case.at),
        )
        await self.write(made, people)
        return made

    def act(self, what: Act, people: People, *, source: str | None = None, **about: object) -> Desk:
        """An act of the desk, about whatever ``about`` names (fields of `Desk`)."""
        at = self.now()
        digest = hashlib.sha256(repr((what, sorted(about.items()), people.operators, at, self._book.offsets)).encode())
        fields = {name: value for name, value in about.items() if value is not None}
        return Desk(
            id=f"desk-{what}-{digest.hexdigest()[:16]}",
            election=self._book.plan.election,
            environment=self._environment(),
            source=self.source("desk", source),
            reported_at=at,
            act=what,
            operators=people.operators,
            reason=people.reason or None,
            **fields,  # type: ignore[arg-type]
        )

    async def write(self, event: ByHand, people: People) -> list[At]:
        """Send the decision; where somebody whom it names has yet to sign it, keep it in ``drafts`` instead. Raises DeskError."""
        if people.hands and not self._book.plan.operators:
            raise DeskError(
                "Not decided: the definition knows no operator's key (desk.operators), so nobody's signature proves anything.",
                "name people without a key",
            )
        for key in people.hands:
            require_hand(self._book.plan, key)
        value = encode_event(event)
        proofs = [endorse(key, value) for key in people.hands]
        if self._book.plan.operators and 0 < len(proofs) < len(event.operators):
            self._require_sound(event)
            self.drafts.append(Draft(value, tuple(proofs)))
            return []
        return await self.send(event, Draft(value, tuple(proofs)), people.key)

    async def send(self, event: ByHand, draft: Draft, key: Key | None) -> list[At]:
        """Append the event (to every partition if it belongs there), read on, and make sure that it stands. Raises DeskError.

        Writing the same event again after an interruption is harmless: it is known by its id, a report by its version.
        """
        self._require_sound(event)
        wrong = judge_operators(self._book.plan, event, draft.value, draft.proofs)
        if wrong is not None:
            raise DeskError(
                f"Not decided: {wrong.detail}.",
                "sign with each operator's own key: --operator ID=KEYFILE; who is elsewhere signs the file that is made then, with "
                "`tallyroom desk countersign`",
            )
        if self._book.plan.signed and key is None:
            raise DeskError(
                "This election takes signed events only.", "name the desk's private key with --key (docs/security.md)"
            )
        signature = () if key is None else ((SIGNATURE_HEADER, key.sign(draft.value)),)
        headers = (*signature, *draft.proofs)
        entries = entries_of(event, draft.value, event.reported_at, self._book.partitions, headers)
        places = [At(*position) for position in await self._log.append(self._topic, entries)]
        await self._book.follow()
        for at in places:
            refused = self._book.cases.get(at)
            if refused is not None:
                raise DeskError(
                    f"The log holds the decision at {at}, and it was refused: {refused.code}: {refused.detail}.",
                    "totals are as before; see docs/quarantine.md for the code, then decide again",
                )
        return places

    def _require_sound(self, event: ByHand) -> None:
        """Raises DeskError for an event that the fold would not take, whoever signs it."""
        kind = str(event.__struct_config__.tag)
        wrong = None if isinstance(event, Report) else judge_aside(self._book.plan, event, kind)
        if wrong is not None:
            raise DeskError(f"Not decided: {wrong.detail} ({wrong.refusal}).", "correct it; nothing was written")

    def soft(self, case: Case) -> bool:
        """Whether a release would leave a flag beside the figures."""
        return case.code in SOFT

    def _open(self, case: Case, *over: CaseState) -> Report | None:
        """The case's report, if it is one. Raises DeskError for a case in one of these states."""
        state = self._book.state(case)
        if state in over:
            decision = self._book.decision(case)
            who = ", ".join(decision.operators) if decision else "somebody"
            raise DeskError(f"{case.at} was {state} by {who} already.", "nothing needs to be done")
        return case.report

    def _environment(self) -> Literal["live", "test", "simulation"]:
        return self._book.plan.environment  # type: ignore[return-value]


def require_hand(plan: Plan, key: Key) -> None:
    """Raises DeskError unless this is the key that proves an operator of the definition."""
    operator = plan.operators.get(key.id)
    if operator is None:
        raise DeskError(f"{key.id!r} is no operator of the definition.", f"name one of {', '.join(plan.operators)}")
    if operator.key != key.public:
        raise DeskError(
            f"This is not the key that the definition has for {key.id}.",
            "use the file whose public part was handed out",
        )
    if operator.revoked_at is not None:
        raise DeskError(f"The key of {key.id} is revoked.", "another operator has to sign")


def place(text: str) -> At:
    """``PARTITION:OFFSET`` as a place. Raises DeskError."""
    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise DeskError(
            f"{text!r} is no place in the log.", "give PARTITION:OFFSET as `tallyroom quarantine list` shows it"
        )
    return At(int(partition), int(offset))


def chosen(book: Book, places: Sequence[str]) -> list[Case]:
    """The refused records at these places. Raises DeskError for a place at which nothing was refused."""
    found = []
    for text in places:
        case = book.cases.get(place(text))
        if case is None:
            raise DeskError(
                f"Nothing was refused at {text}.", "give PARTITION:OFFSET as `tallyroom quarantine list` shows it"
            )
        found.append(case)
    return found
