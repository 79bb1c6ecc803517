"""Which partition a key belongs to: murmur2, as Kafka's Java client and aiokafka compute it.

librdkafka's default partitioner differs (CRC32), so a record's partition is checked against this one, never assumed.
"""

from struct import unpack_from
from typing import Final

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, 0 to ``partitions - 1``, of a record with this key (Java's ``toPositive(murmur2(key)) % n``)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Unsigned 32-bit MurmurHash2 with the seed of Kafka's ``Utils.murmur2``.

    Whole little-endian words at once, and masks only where a product needs them: this runs once per unit and contest
    when an election is loaded.
    """
    length = len(data)
    words = length >> 2
    h = _SEED ^ length
    for k in unpack_from(f"<{words}I", data):
        k = k * _MULTIPLIER & _MASK
        h = (h * _MULTIPLIER & _MASK) ^ ((k ^ (k >> 24)) * _MULTIPLIER & _MASK)
    if length & 3:
        h = (h ^ int.from_bytes(data[words << 2 :], "little")) * _MULTIPLIER & _MASK
    h = (h ^ (h >> 13)) * _MULTIPLIER & _MASK
    return h ^ (h >> 15)
