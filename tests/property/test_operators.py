"""Whatever names and signatures a decision carries: three readings agree, and it stands exactly if those people signed it."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.codec.events import encode_event
from tallyroom.codec.operators import OPERATOR_HEADER, endorse
from tests.support.operators import ANNA, BORIS, CLARA, DECISIONS, DORA, FORGER, one

ABLE = {"anna", "boris"}
KEYS = (ANNA, BORIS, CLARA, DORA, FORGER)
USUAL = (["anna", "boris"], ["anna", "boris"], ["anna", "clara"], ["anna", "boris", "clara"])
NAMED = st.lists(st.sampled_from(["anna", "boris", "clara", "dora", "ANNA", "boris ", ""]), max_size=4)
# Mostly right: honest signatures of this very decision, and something beside or instead.
HONEST = st.sampled_from([[0, 1], [1, 0], [0, 1, 2], [0, 2], [0], []]).map(lambda some: [("this", n) for n in some])
STRANGE = st.lists(st.tuples(st.sampled_from(["this", "other", "bare"]), st.integers(0, 4)), max_size=2)
PROOFS = st.tuples(HONEST, STRANGE).map(lambda both: [*both[0], *both[1]])


@given(st.sampled_from(sorted(DECISIONS)), st.sampled_from(USUAL) | NAMED, PROOFS)
def test_a_decision_stands_exactly_if_those_named_have_signed_it(
    kind: str, names: Sequence[str], proofs: Sequence[tuple[str, int]]
) -> None:
    event = msgspec.structs.replace(DECISIONS[kind], operators=tuple(names))
    value, other = encode_event(event), encode_event(msgspec.structs.replace(event, id="another"))
    headers = []
    for what, number in proofs:
        key = KEYS[number]
        made = (
            (OPERATOR_HEADER, key.sign(value)) if what == "bare" else endorse(key, value if what == "this" else other)
        )
        headers.append(made)
    right = [KEYS[number].id if what == "this" and number < 4 else "?" for what, number in proofs]
    said = one(event, value, tuple(headers))
    if not names and kind in ("freeze", "reject"):
        assert said == "schema", "an act without people is none"
    elif not names and kind in ("embargo", "correction"):
        assert said is None, "the source's own word"
    else:
        stands = sorted(right) == sorted(names) and set(names) == ABLE and len(names) == len(ABLE)
        assert said == (None if stands else "operators")
