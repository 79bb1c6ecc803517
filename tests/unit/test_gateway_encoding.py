"""Content coding, entity tags and conditional requests."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.gateway.encoding import Coding, Resource, chosen, names_tag


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", Coding.IDENTITY),
        ("gzip, deflate, br, zstd", Coding.ZSTD),
        ("gzip, deflate, br", Coding.GZIP),
        ("GZIP", Coding.GZIP),
        ("zstd;q=0.5, gzip;q=0.8", Coding.GZIP),
        ("zstd;q=0, gzip", Coding.GZIP),
        ("gzip;q=0, zstd;q=0", Coding.IDENTITY),
        ("gzip;q=0.1, identity;q=0.9", Coding.IDENTITY),
        ("*", Coding.ZSTD),
        ("*;q=0", Coding.IDENTITY),
        ("br", Coding.IDENTITY),
        ("gzip;q=nonsense", Coding.IDENTITY),
    ],
)
def test_the_coding_follows_the_weights(header: str, coding: Coding) -> None:
    assert chosen(header) is coding


@given(st.text(alphabet="gzipstd*;q=0.19, ", max_size=40))
def test_any_header_gets_a_coding(header: str) -> None:
    assert chosen(header) in Coding


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", W/"abc", "y"', True),
        ("*", True),
        (' "x"', False),
        ("abc", False),
        ('"abcd"', False),
    ],
)
def test_if_none_match_compares_weakly_over_lists(header: str, named: bool) -> None:
    assert names_tag(header, "abc") is named


@pytest.mark.parametrize("size", [10_000, 200_000])
async def test_each_coding_has_its_own_strong_tag_and_the_same_content(size: int) -> None:
    data = b"0123456789" * (size // 10)
    resource = Resource(data, "application/json")
    made = {coding: await resource.encoded(coding) for coding in Coding}
    assert len({encoded.tag for encoded in made.values()}) == 3
    assert made[Coding.IDENTITY].body == data
    assert gzip.decompress(made[Coding.GZIP].body) == data
    assert zstandard.ZstdDecompressor().decompress(made[Coding.ZSTD].body) == data
    assert (b"content-encoding", b"gzip") in made[Coding.GZIP].headers
    assert resource.ready(Coding.GZIP) is made[Coding.GZIP]
    again = Resource(data, "application/json")
    assert (await again.encoded(Coding.GZIP)).tag == made[Coding.GZIP].tag


async def test_what_is_small_is_not_coded() -> None:
    encoded = await Resource(b"{}", "application/json").encoded(Coding.ZSTD)
    assert encoded.body == b"{}"
    assert b"content-encoding" not in dict(encoded.headers)
