"""Records that aiokafka 0.14 cannot read, read all the same.

It decodes the names of headers as UTF-8 and raises UnicodeDecodeError for one that is not; brokers let it pass. Such a record would
end every consumer that comes to it, for ever: one hostile producer could stop the night, and no tool on aiokafka could read its
log again. Here that one record loses its headers (so that it is unsigned), and everything else stays as it is.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

_HEAD: Final = struct.Struct(">qi")  # of a batch: offset, and the number of bytes behind this


def be_patient() -> None:
    """Let all consumers of this process read such records; calling it again changes nothing."""
    fetcher.MemoryRecords = PatientRecords


class PatientRecords:
    """What a fetch brought, batch by batch: aiokafka's own reader, and the bytes for a second try."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = memoryview(data)

    def size_in_bytes(self) -> int:
        """Bytes fetched."""
        size: int = self._records.size_in_bytes()
        return size

    def has_next(self) -> bool:
        """Whether another whole batch is there."""
        more: bool = self._records.has_next()
        return more

    def next_batch(self) -> Any:
        """The next batch."""
        _, length = _HEAD.unpack_from(self._data)
        whole, self._data = self._data[: _HEAD.size + length], self._data[_HEAD.size + length :]
        return _Batch(self._records.next_batch(), whole)


class _Batch:
    """A batch whose records come from aiokafka's reader, or from the patient one where that gives up."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            yield from _Patient(self._data)  # from the first: the fetcher passes over what it has had


class _Patient(_DefaultRecordBatchPy):  # type: ignore[misc]  # "final" there, for its type checker
    """The library's reader in Python, except for what it does with such a record."""

    _pos: int

    def _read_msg(self, *given: Any) -> Any:
        start = self._pos
        try:
            return super()._read_msg(*given)
        except UnicodeDecodeError:
            self._pos = start
            return self._bare()

    def _bare(self) -> Any:
        """The record at the position without its headers (the format: Kafka's protocol guide, "Record")."""
        buffer = self._buffer
        length, at = decode_varint(buffer, self._pos)
        end = at + length
        _, at = decode_varint(buffer, at)
        later, at = decode_varint(buffer, at)
        place, at = decode_varint(buffer, at)
        key, at = _nullable(buffer, at)
        value, at = _nullable(buffer, at)
        self._pos = end
        stamped = self.timestamp_type == self.LOG_APPEND_TIME
        time = self.max_timestamp if stamped else self.first_timestamp + later
        return _DefaultRecordPy(self.base_offset + place, time, self.timestamp_type, key, value, [])


def _nullable(buffer: Any, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(buffer, at)
    return (None, at) if length < 0 else (bytes(buffer[at : at + length]), at + length)
