"""The partitioner against Java's published values and against aiokafka's own."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import example, given
from hypothesis import strategies as st

from tallyroom.domain.partition import murmur2, partition_of


# Vectors of Kafka's own UtilsTest.testMurmur2; Java's int is signed.
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_equals_the_java_client(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


@given(st.binary(max_size=64), st.integers(1, 1024))
@example(b"", 8)
@example(b"\xff\xff\xff\xff\xff", 7)
def test_equals_aiokafka(key: bytes, partitions: int) -> None:
    assert murmur2(key) == aiokafka_murmur2(key)
    everything = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everything, everything)


def test_keys_spread_over_all_partitions() -> None:
    found = [partition_of(f"president|SIM-{number}".encode(), 8) for number in range(8000)]
    assert min(found.count(partition) for partition in range(8)) > 800
