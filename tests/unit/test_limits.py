"""Figures and shapes at and beyond the limits of docs/security.md: one verdict each, whatever the parser's own taste."""

import pytest

from tallyroom.codec.events import Report, Undecodable, decode_event, encode_event
from tests.support.mini import report

VALUE = encode_event(report()).decode()


def judged(text: str) -> str:
    """The code of the refusal, or "read"."""
    try:
        decode_event(text.encode())
    except Undecodable as error:
        return str(error.refusal)
    return "read"


def counting(figure: str) -> str:
    """A report in which selection x has this figure, as it is written."""
    assert '"x":3' in VALUE
    return VALUE.replace('"x":3', f'"x":{figure}')


@pytest.mark.parametrize("figure", ["0", "3", str(10**12)])
def test_figures_that_are_taken(figure: str) -> None:
    assert judged(counting(figure)) == "read"


@pytest.mark.parametrize(
    "figure",
    ["-1", "-0.0", "1.5", "3.0", "3e0", "1e400", "1e-400", str(10**12 + 1), str(2**63), str(2**64), "9" * 5000, "-" + "9" * 5000,
     '"3"', "null", "true", "[3]", '{"a":3}'],
)  # fmt: skip
def test_figures_that_are_not(figure: str) -> None:
    assert judged(counting(figure)) == "schema"


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "03", "+3", ".5", "3.", "0x3", ""])
def test_figures_that_are_no_json(figure: str) -> None:
    assert judged(counting(figure)) == "not_json"


def test_negative_zero_is_refused_or_zero() -> None:
    assert judged(counting("-0")) == "read"
    event = decode_event(counting("-0").encode())
    assert isinstance(event, Report)
    assert repr(event.counts["x"]) == "0"


def test_of_two_equal_names_the_last_counts() -> None:
    event = decode_event(counting('9,"x":3').encode())
    assert isinstance(event, Report)
    assert event.counts["x"] == 3
    twice = decode_event(VALUE.replace('"unit":"a"', '"unit":"b","unit":"a"').encode())
    assert isinstance(twice, Report)
    assert twice.unit == "a"


@pytest.mark.parametrize(("levels", "code"), [(32, "read"), (33, "schema"), (100_000, "schema")])
def test_depth(levels: int, code: str) -> None:
    inner = "[" * (levels - 1) + "]" * (levels - 1)
    assert judged(VALUE[:-1] + f',"ext":{{"a":{inner}}}}}') == code


@pytest.mark.parametrize("name", ["x" * 129, ""])
def test_names_of_figures_are_bounded(name: str) -> None:
    assert judged(VALUE.replace('"x":3', f'"{name}":3')) == "schema"
