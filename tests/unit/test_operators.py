"""Decisions whose operators have keys: who has signed what, as fold, tabulator and auditor read it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallyroom.codec.definition import decode_definition, definition_hash, encode_definition
from tallyroom.codec.events import (
    AddOperator,
    Amendment,
    Desk,
    RevokeOperator,
    encode_event,
)
from tallyroom.codec.operators import OPERATOR_HEADER, endorse
from tallyroom.codec.signatures import Key
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Signatures, Source
from tallyroom.domain.errors import DefinitionError
from tests.support.mini import MINI, NOON, report
from tests.support.operators import (
    ANNA,
    BORIS,
    BOTH,
    CLARA,
    DECISIONS,
    DORA,
    FORGER,
    NAMES,
    START,
    amendment,
    common,
    judged,
    one,
    operator,
    ruled,
    signed,
)
from tests.support.signing import HALL, public


@pytest.mark.parametrize("kind", DECISIONS)
def test_a_decision_that_everybody_named_has_signed_stands(kind: str) -> None:
    event = DECISIONS[kind]
    assert one(event, *signed(event, ANNA, BORIS)) is None
    assert one(event, *signed(event, BORIS, ANNA)) is None


@pytest.mark.parametrize("kind", DECISIONS)
def test_a_name_alone_is_nobody(kind: str) -> None:
    """Missing, forged, twice the same, made for a source, of another act: none of it counts."""
    event = DECISIONS[kind]
    value, proofs = signed(event, ANNA, BORIS)
    other = signed(msgspec.structs.replace(event, id="act-2"), ANNA, BORIS)[1]
    for headers in (
        (), proofs[:1], (proofs[0], proofs[0]), (proofs[0], endorse(FORGER, value)), (proofs[0], other[1]), other,
        (proofs[0], (OPERATOR_HEADER, BORIS.sign(value))), (proofs[0], (OPERATOR_HEADER, b"boris:")),
        (*proofs, endorse(ANNA, value)), (*proofs, (OPERATOR_HEADER, b"")), (*proofs, endorse(DORA, value)),
        (proofs[0], (OPERATOR_HEADER, BORIS.sign_batch([value])[0])),
    ):  # fmt: skip
        assert one(event, value, headers) == "operators", headers


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("anna",), (ANNA,)),
        (("anna", "anna"), (ANNA, ANNA)),
        (("anna", "anna"), (ANNA,)),
        (("anna", "dora"), (ANNA, DORA)),
        (("anna", "clara"), (ANNA, CLARA)),
        (("anna", "boris", "clara"), (ANNA, BORIS, CLARA)),
        (("anna", "Boris"), (ANNA, BORIS)),
        (("anna", " "), (ANNA,)),
        ((), ()),
    ],
)
@pytest.mark.parametrize("kind", ["freeze", "embargo", "amendment", "release", "correction"])
def test_too_few_unknown_and_revoked_operators_decide_nothing(
    kind: str, names: tuple[str, ...], keys: tuple[Key, ...]
) -> None:
    event = msgspec.structs.replace(DECISIONS[kind], operators=names)
    said = one(event, *signed(event, *keys))
    by_the_source = not names and kind in ("embargo", "correction")  # nobody's decision: the source's own word
    missing = "schema" if not names and kind == "freeze" else "operators"
    assert said == (None if by_the_source else missing)


def test_a_signature_of_a_decision_is_of_no_use_to_a_second_one() -> None:
    """The whole record again is known; its signatures under other bytes are none."""
    freeze, thaw = DECISIONS["freeze"], common(Desk, id="act-2", act="thaw", contest="mayor")
    value, proofs = signed(freeze, ANNA, BORIS)
    records = [(freeze, value, proofs), (freeze, value, proofs), (thaw, encode_event(thaw), proofs)]
    assert judged(ruled(), records) == [None, None, "operators"]


def test_what_is_no_decision_needs_no_operator() -> None:
    event = report()
    assert one(event, encode_event(event), ()) is None


def test_where_no_operator_has_a_key_names_are_text_as_before() -> None:
    definition = ruled(desk=DeskRules(persons=2))
    event = common(Desk, act="freeze", contest="mayor", operators=("A. Name", "B. Name"))
    plain = Amendment(
        id="amendment", election="mini", environment="test", source="desk", reported_at=NOON,
        previous=definition_hash(definition), changes=tuple(AddOperator(operator=operator(key)) for key in BOTH),
    )  # fmt: skip
    said = judged(definition, [(event, encode_event(event), ()), (plain, encode_event(plain), ())])
    assert said == [None, "invalid_amendment"], "nobody could vouch for the first operators"


def test_operators_come_and_go_by_amendment_from_where_it_stands() -> None:
    """Dora decides once she is named; Boris no more once his key is in other hands; what he signed before stands."""
    change = amendment(
        START, AddOperator(operator=operator(DORA)), RevokeOperator(operator="boris", revoked_at=NOON), id="change"
    )
    acts = [
        common(
            Desk, id=f"act-{n}", act="freeze", contest="mayor", operators=names, reported_at=NOON + timedelta(hours=n)
        )
        for n, names in enumerate([NAMES, ("anna", "dora"), NAMES, ("anna", "dora")])
    ]
    order = [(acts[0], BOTH), (acts[1], (ANNA, DORA)), (change, BOTH), (acts[2], BOTH), (acts[3], (ANNA, DORA))]
    records = [(event, *signed(event, *keys)) for event, keys in order]
    assert judged(ruled(), records) == [None, "operators", None, "operators", None]


def test_the_last_two_cannot_be_revoked_without_another_one() -> None:
    event = amendment(START, RevokeOperator(operator="boris", revoked_at=NOON))
    assert one(event, *signed(event, ANNA, BORIS)) == "invalid_amendment"


def test_operators_sign_beside_the_source() -> None:
    """Both proofs are asked where events must be signed."""
    desk = Source(id="desk", names={}, may_report=("desk",), keys=(public(HALL),))
    sources = (*(replace(source, may_report=()) for source in MINI.sources), desk)
    definition = ruled(sources=sources, signatures=Signatures.REQUIRED)
    event = DECISIONS["freeze"]
    value, proofs = signed(event, ANNA, BORIS)
    own = ("tallyroom-signature", HALL.sign(value))
    for headers, expected in (((own, *proofs), None), (proofs, "unsigned"), ((own,), "operators")):
        assert judged(definition, [(event, value, headers)]) == [expected]


@pytest.mark.parametrize(
    ("operators", "why"),
    [
        ((operator(ANNA),), "has 1 whose key is not revoked"),
        ((operator(ANNA), operator(BORIS, revoked_at=datetime(2024, 1, 1, tzinfo=UTC))), "has 1 whose key"),
        ((operator(ANNA), replace(operator(BORIS), key=ANNA.public)), "is another's as well"),
        ((operator(ANNA), operator(BORIS), replace(operator(DORA), key=HALL.public)), "is another's as well"),
        ((operator(ANNA), replace(operator(BORIS), id="ANNA")), "defined 2 times"),
        ((operator(ANNA), replace(operator(BORIS), id="B. Name")), "must be 1 to 64 letters"),
        ((operator(ANNA), replace(operator(BORIS), key="QQ==")), "is not 32 bytes"),
    ],
)
def test_a_definition_whose_operators_are_not_different_people_is_refused(
    operators: tuple[Operator, ...], why: str
) -> None:
    keyed = replace(MINI.sources[0], keys=(public(HALL),))
    definition = ruled(desk=DeskRules(persons=2, operators=operators), sources=(keyed, *MINI.sources[1:]))
    with pytest.raises(DefinitionError, match=why):
        decode_definition(encode_definition(definition), "it")


def test_a_definition_without_operators_has_the_hash_that_it_had() -> None:
    assert b"operators" not in encode_definition(ruled(desk=DeskRules(persons=2)))
