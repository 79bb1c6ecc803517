"""Signatures of operators under their decisions: Ed25519, one header of the record for each person.

    tallyroom-operator: OPERATOR:SIGNATURE

What is signed is ``STATEMENT`` and the exact bytes of the record's value. These name election, place, time and everybody who
decides, so a signature serves no other act; and since no event begins like ``STATEMENT``, none made for a source serves here.
"""

from collections.abc import Mapping
from typing import Final

from tallyroom.codec.events import Amendment, AnyEvent, Declaration, Desk, Report
from tallyroom.codec.signatures import Headers, Key, judge_signature, parse, verified
from tallyroom.domain.desk import Operator
from tallyroom.domain.events import Refusal
from tallyroom.tabulation.desk import unproven
from tallyroom.tabulation.plan import Plan
from tallyroom.tabulation.supersede import Refused

OPERATOR_HEADER: Final = "tallyroom-operator"
STATEMENT: Final = b"tallyroom-operator/v1\n"


def endorse(key: Key, value: bytes) -> tuple[str, bytes]:
    """The header of an operator whose key has his id, for these bytes."""
    return OPERATOR_HEADER, key.sign(STATEMENT + value)


def signed_by(operators: Mapping[str, Operator], value: bytes, headers: Headers) -> list[str]:
    """For each header of an operator the id of whose signature it is; empty if it is none, or another one of the same person."""
    found: list[str] = []
    for name, text in headers:
        if name != OPERATOR_HEADER:
            continue
        signature = parse(text or b"")
        operator = None if signature is None or signature.size else operators.get(signature.key)
        if signature is None or operator is None or operator.id in found:
            found.append("")
        else:
            holds = verified(operator.key, signature.signature, STATEMENT + bytes(value))
            found.append(operator.id if holds else "")
    return found


def judge_operators(plan: Plan, event: AnyEvent, value: bytes, headers: Headers) -> Refused | None:
    """Why a decision is not proven to be that of the people whom it names, or None. Where no operator has a key, all are proven.

    A function of the record and of the definition as the partition's prefix has amended it; no clock is asked. Whether the
    people are enough is the fold's question.
    """
    if not plan.operators or not isinstance(event, Report | Amendment | Declaration | Desk) or not by_hand(event):
        return None
    wrong = unproven(plan.operators, event.operators, signed_by(plan.operators, value, headers))
    return None if wrong is None else Refused(Refusal.OPERATORS, f"{event.id}: {wrong}")


def judge_proofs(plan: Plan, event: AnyEvent, value: bytes, headers: Headers) -> Refused | None:
    """Why the record is not proven to come from its source and, if people decided it, from them; or None."""
    return judge_signature(plan, event, value, headers) or judge_operators(plan, event, value, headers)


def by_hand(event: Report | Amendment | Declaration | Desk) -> bool:
    """Whether operators stand behind the event, or have to."""
    released = isinstance(event, Report) and event.released is not None
    return released or bool(event.operators) or isinstance(event, Amendment | Desk)
