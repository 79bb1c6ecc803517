"""Signatures: what proves an event, what does not, and that a batch's tree is the published one."""

from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec import signatures
from tallyroom.codec.definition import decode_definition, definition_hash, encode_definition
from tallyroom.codec.events import Amendment, Desk, RevokeKey, encode_event
from tallyroom.codec.signatures import SIGNATURE_HEADER, Headers, Key, judge_signature, parse
from tallyroom.domain.election import SourceKey
from tallyroom.domain.errors import DefinitionError
from tallyroom.tabulation.amend import AmendmentError, amend
from tallyroom.tabulation.plan import Plan
from tests.support.mini import MINI, NOON, report
from tests.support.signing import DESK, HALL, OTHER, STRANGER, headers, public, signed, signed_definition, signed_plan

REPORT = report()
VALUE = encode_event(REPORT)


def code(found: object) -> str:
    """The refusal's code, or "proven"."""
    return "proven" if found is None else str(found.refusal)  # type: ignore[attr-defined]


def judged(given: Headers, value: bytes = VALUE, **hall: object) -> str:
    return code(judge_signature(signed_plan(**hall), REPORT, value, given))


def test_a_signature_of_the_sources_key_over_these_bytes_proves_the_event() -> None:
    assert judged(headers(HALL.sign(VALUE))) == "proven"
    assert judged(headers(HALL.sign_batch([b"1", VALUE, b"3"])[1])) == "proven"


def test_nothing_is_asked_where_signatures_are_not_required() -> None:
    assert judge_signature(Plan(MINI, definition_hash(MINI)), REPORT, VALUE, ()) is None


@pytest.mark.parametrize(
    ("given_headers", "refusal"),
    [
        ((), "unsigned"),
        ((("ce_id", b"1"), ("Tallyroom-Signature", HALL.sign(VALUE))), "unsigned"),
        (headers(b""), "bad_signature"),
        (headers(HALL.sign(VALUE + b" ")), "bad_signature"),
        (headers(HALL.sign(VALUE) + b"\n"), "bad_signature"),
        (headers(HALL.sign(VALUE)) * 2, "bad_signature"),
        (headers(STRANGER.sign(VALUE)), "bad_signature"),
        (headers(HALL.sign(VALUE).replace(b"hall-1", b"hall-2")), "unknown_key"),
        (headers(OTHER.sign(VALUE)), "unknown_key"),
        (headers(DESK.sign(VALUE)), "unknown_key"),
        (headers(HALL.sign(VALUE) + b":0/0:"), "bad_signature"),
        (headers(HALL.sign(VALUE) + b":0/1:"), "bad_signature"),
        (headers(HALL.sign_batch([VALUE, b"2"])[1]), "bad_signature"),
        (headers(b"hall-1:" + b"A" * 2000), "bad_signature"),
    ],
)
def test_anything_else_has_its_code(given_headers: Headers, refusal: str) -> None:
    assert judged(given_headers) == refusal


def test_a_changed_byte_is_found() -> None:
    forged = VALUE.replace(b'"x":3', b'"x":4')
    assert forged != VALUE
    assert judged(headers(HALL.sign(VALUE)), forged) == "bad_signature"
    assert judged(headers(HALL.sign_batch([VALUE, b"2"])[0]), forged) == "bad_signature"


def test_a_revoked_key_vouches_for_nothing_whatever_time_the_event_states() -> None:
    assert judged(headers(HALL.sign(VALUE)), revoked_at=NOON + timedelta(days=1)) == "revoked_key"


def test_validity_is_that_of_the_stated_time() -> None:
    given_headers = headers(HALL.sign(VALUE))
    assert judged(given_headers, valid_from=NOON, valid_until=NOON + timedelta(seconds=1)) == "proven"
    assert judged(given_headers, valid_from=NOON + timedelta(seconds=1)) == "expired_key"
    assert judged(given_headers, valid_until=NOON) == "expired_key"


def test_an_unknown_source_is_called_that() -> None:
    strange = msgspec.structs.replace(REPORT, source="nobody")
    assert code(judge_signature(signed_plan(), strange, *signed(strange))) == "unknown_source"


def test_a_released_report_may_be_signed_by_the_desk_and_no_other_may() -> None:
    released = msgspec.structs.replace(REPORT, released="0:7", operators=("a", "b"))
    assert code(judge_signature(signed_plan(), released, *signed(released, DESK))) == "proven"
    assert code(judge_signature(signed_plan(), released, *signed(released, HALL))) == "proven"
    assert code(judge_signature(signed_plan(), released, *signed(released, OTHER))) == "unknown_key"


def test_desk_acts_are_signed_as_well() -> None:
    act = Desk(
        id="d", election="mini", environment="test", source="desk", reported_at=NOON, act="freeze", operators=("a",)
    )
    assert code(judge_signature(signed_plan(), act, *signed(act, DESK))) == "proven"
    assert code(judge_signature(signed_plan(), act, *signed(act, HALL))) == "unknown_key"


def amended(*changes: object) -> Plan:
    """The plan after an amendment with these changes, as its bytes say it."""
    start = signed_definition()
    event = Amendment(
        id="m", election="mini", environment="test", source="desk", reported_at=NOON,
        previous=definition_hash(start), changes=changes,  # type: ignore[arg-type]
    )  # fmt: skip
    return Plan(amend(start, msgspec.json.decode(encode_event(event), type=Amendment).to_domain()), "")


def test_an_amendment_revokes_a_key_and_adds_another() -> None:
    revoke = RevokeKey(source="hall", key="hall-1", revoked_at=NOON + timedelta(hours=1))
    new = Key("hall-2", bytes(range(9, 41)))
    add = {"change": "add_key", "source": "hall", "key": {"id": "hall-2", "key": new.public}}
    plan = amended(revoke, add)
    assert code(judge_signature(plan, REPORT, *signed(REPORT, HALL))) == "revoked_key"
    assert code(judge_signature(plan, REPORT, *signed(REPORT, new))) == "proven"


@pytest.mark.parametrize(("source", "key"), [("nobody", "hall-1"), ("hall", "hall-9")])
def test_only_a_key_that_is_there_can_be_revoked(source: str, key: str) -> None:
    with pytest.raises(AmendmentError):
        amended(RevokeKey(source=source, key=key, revoked_at=NOON))


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ((), "it has no key, though events must be signed"),
        ((public(HALL), public(HALL)), "key hall-1 is defined 2 times"),
        ((SourceKey(id="a:b", key=HALL.public),), "must be 1 to 64 letters"),
        ((SourceKey(id="a", key="AAAA"),), "is not 32 bytes in base64"),
        ((SourceKey(id="a", key=HALL.public[:-1] + "\u00fc"),), "is not 32 bytes in base64"),
    ],
)
def test_a_definition_whose_keys_cannot_work_is_refused(keys: tuple[SourceKey, ...], what: str) -> None:
    definition = signed_definition()
    hall, *others = definition.sources
    changed = replace(definition, sources=(replace(hall, keys=keys), *others))
    with pytest.raises(DefinitionError, match=what.replace("(", r"\(")):
        decode_definition(encode_definition(changed), "it")


def test_definitions_without_signatures_keep_their_hash() -> None:
    assert b"signatures" not in encode_definition(MINI)


# RFC 9162, 2.1: the tree of its own recursive definition, not of the code under test.
def mth(values: list[bytes]) -> bytes:
    if len(values) == 1:
        return sha256(b"\0" + values[0]).digest()
    k = 1 << ((len(values) - 1).bit_length() - 1)
    return sha256(b"\1" + mth(values[:k]) + mth(values[k:])).digest()


def path_of(m: int, values: list[bytes]) -> list[bytes]:
    if len(values) == 1:
        return []
    k = 1 << ((len(values) - 1).bit_length() - 1)
    return [*path_of(m, values[:k]), mth(values[k:])] if m < k else [*path_of(m - k, values[k:]), mth(values[:k])]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 31, 32, 33, 100])
def test_the_tree_is_that_of_rfc_9162(size: int) -> None:
    values = [b"%d" % number for number in range(size)]
    for place, header in enumerate(HALL.sign_batch(values)):
        found = parse(header)
        assert found is not None
        assert found.path == b"".join(path_of(place, values))
        assert signatures._root(sha256(b"\0" + values[place]).digest(), found) == mth(values)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=40, unique=True), st.data())
def test_a_way_proves_its_own_value_at_its_own_place_only(values: list[bytes], data: st.DataObject) -> None:
    made = HALL.sign_batch(values)
    place = data.draw(st.integers(0, len(values) - 1))
    other = data.draw(st.integers(0, len(values) - 1))
    value = data.draw(st.one_of(st.sampled_from(values), st.binary(max_size=40)))
    found = parse(made[place])
    assert found is not None
    assert signatures._proven(HALL.public, found, value) is (value == values[place])
    moved = found._replace(place=other)
    same = moved.place == found.place
    assert signatures._proven(HALL.public, moved, values[place]) is same
    assert not signatures._proven(OTHER.public, found, values[place])


@given(st.binary(max_size=300) | st.text(alphabet="ab1:/+=A", max_size=300).map(str.encode))
def test_no_header_is_more_than_bad(header: bytes) -> None:
    assert judged(headers(header)) in {"bad_signature", "unknown_key"}


def test_the_header_is_what_the_documents_say() -> None:
    key, text = HALL.sign(VALUE).split(b":")
    assert (SIGNATURE_HEADER, key) == ("tallyroom-signature", b"hall-1")
    assert len(b64decode(text, validate=True)) == 64
    assert b64encode(b64decode(HALL.public)).decode() == HALL.public
    with pytest.raises(ValueError, match="a batch takes"):
        HALL.sign_batch([b""] * signatures.MAX_BATCH)
    assert HALL.sign_batch([]) == []
