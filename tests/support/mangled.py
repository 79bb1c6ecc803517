"""Input as no honest program writes it: JSON with values torn out and others put in, bytes flipped, cut and doubled."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

_MARK: Final = "\u2603raw\u2603"
"""What a replaced value is written as first: then its raw text takes the place."""

NASTY: Final = st.sampled_from(
    [
        "0", "-0", "-0.0", "-1", "1.0", "1.5", "1e2", "1e400", "-1e400", "1E-999999999", "9" * 400, "-" + "9" * 400,
        "1" + "0" * 5000,
        str(2**63 - 1), str(2**63), str(2**64), str(-(2**63) - 1), str(10**12), str(10**12 + 1), str(2**53), "01",
        "+1", ".5", "0x10",
        "NaN", "Infinity", "-Infinity", "null", "true", "false", "", "[]", "{}", "[[]]", "[" * 60 + "]" * 60, "[" * 20_000,
        '{"a":' * 60 + "1" + "}" * 60, '{"":""}', '{"a":1,"a":2}', '""', '" "', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"',
        '"|"', '"#"', '"a|b"', '"../../etc/passwd"', '"' + "x" * 5000 + '"', '"\u202e\u0301"', '"1/0"', '"1/20"',
        '"0/1"', '"-1/2"', '"1e9999"',
        '"' + "9" * 5000 + '/1"', '"2026-03-15T21:10:00Z"', '"2026-03-15T21:10:00"', '"0000-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59-23:59"',
        '"0001-01-01T00:00:00+23:59"', '"2026-03-15T21:10:60Z"', '"2026-02-30"', '"1969-12-31T23:59:59Z"',
        '"' + "0" * 64 + '"', '"0:0"',
    ]
)  # fmt: skip
"""JSON texts, whole and broken, that parsers have stumbled over."""


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _places(item, (*path, key))


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


@st.composite
def json_like(draw: st.DrawFn, document: Any) -> bytes:
    """The document with one to three of its values replaced, left out or doubled, as text."""
    texts: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        path = places[draw(st.integers(0, len(places) - 1))]
        texts.append(draw(NASTY))
        document = _with(document, path, f"{_MARK}{len(texts) - 1}")
        if not path:
            break
    text = json.dumps(document, ensure_ascii=False)
    for number, raw in enumerate(texts):
        text = text.replace(f'"{_MARK}{number}"', raw)
    return text.encode("utf-8", "replace")


class Tear(NamedTuple):
    """One change of bytes: ``at`` to ``end`` is cut out or doubled, ``put`` is put in, or all from ``at`` on is gone."""

    how: str
    at: int
    end: int
    put: bytes


@st.composite
def tears(draw: st.DrawFn, length: int) -> list[Tear]:
    """Up to four changes of bytes of this length, one after the other. Hypothesis keeps what is drawn: these are small."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, length))
        end = draw(st.integers(at, min(length, at + 64)))
        how = draw(st.sampled_from(["cut", "double", "put", "end"]))
        put = draw(st.binary(max_size=16)) if how == "put" else b""
        length = {"cut": length - end + at, "double": length + end - at, "put": length + len(put), "end": at}[how]
        made.append(Tear(how, at, end, put))
    return made


def tear(data: bytes, changes: Sequence[Tear]) -> bytes:
    """The bytes after these changes."""
    made = bytearray(data)
    for how, at, end, put in changes:
        if how == "cut":
            del made[at:end]
        elif how == "double":
            made[at:at] = made[at:end]
        elif how == "put":
            made[at:at] = put
        else:
            del made[at:]
    return bytes(made)


def torn(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with up to four changes: some flipped, cut out, doubled, put in."""
    return tears(len(data)).map(lambda changes: tear(data, changes))


def mangled(documents: list[Any]) -> st.SearchStrategy[bytes]:
    """One of the documents mangled as JSON or as bytes, or bytes from nowhere."""
    whole = st.sampled_from(documents)
    return st.one_of(
        whole.flatmap(json_like),
        whole.flatmap(json_like),
        whole.map(lambda document: json.dumps(document).encode()).flatmap(torn),
        st.binary(max_size=400),
        NASTY.map(lambda text: text.encode("utf-8", "replace")),
    )
