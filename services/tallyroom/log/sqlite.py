"""The embedded event log: one SQLite file with partitions and offsets as in Kafka.

Any number of processes append and read at once; SQLite serialises the writers. A log object does all its work on one
thread of its own, so the event loop never waits for a disk.
"""

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tallyroom.domain.errors import LogError, TopicMismatch
from tallyroom.log.base import Bounds, Entry, LogRecord, Position
from tallyroom.log.routing import no_partition, no_topic, out_of_range, route

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 15.0
"""How long a writer waits for another process's transaction. A batch takes milliseconds; more means a stuck disk."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    timestamp INTEGER NOT NULL, key BLOB, value BLOB NOT NULL, headers BLOB,
    PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;
"""
_INSERT: Final = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)"
_END: Final = "SELECT coalesce(max(offset), -1) + 1 FROM record WHERE topic = ? AND partition = ?"
_READ: Final = """
SELECT offset, timestamp, key, value, headers FROM record
WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?
"""

_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode


class SqliteLog:
    """An ``EventLog`` in the file ``path`` (and its ``-wal`` and ``-shm`` beside it); nothing is opened before use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-log")
        self._opened: sqlite3.Connection | None = None  # only the worker touches it
        self._topics: dict[str, tuple[int, int]] = {}  # id and partitions: neither ever changes
        self._closed = False

    async def create(self, topic: str, partitions: int) -> None:
        """See ``EventLog.create``."""
        await self._run(self._create, topic, partitions)

    async def partitions(self, topic: str) -> int:
        """See ``EventLog.partitions``."""
        return (await self._run(self._topic, topic))[1]

    async def bounds(self, topic: str) -> Mapping[int, Bounds]:
        """See ``EventLog.bounds``."""
        return await self._run(self._bounds, topic)

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """See ``EventLog.append``. All entries are written in one transaction, so on an error none was."""
        return await self._run(self._append, topic, entries)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[LogRecord]:
        """See ``EventLog.read``."""
        return await self._run(self._read, topic, partition, offset, limit)

    async def close(self) -> None:
        """Close the file; appends that are under way are finished first."""
        if self._closed:
            return
        await self._run(self._close)
        self._closed = True
        self._worker.shutdown()

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        if self._closed:
            raise LogError(f"The event log {self._path} is closed.", "this is a fault of the program: report it")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *args)
        except (sqlite3.Error, OSError) as error:
            raise LogError(
                f"The event log {self._path} cannot be used: {error}.",
                "check that the folder TALLYROOM_DATA is writable, has free space, and is not on a network file system",
            ) from error

    # Below here everything runs on the worker thread.

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            # Two processes that switch a new file to WAL at once get SQLITE_BUSY without waiting: one at a time.
            with _locked(self._path.with_name(self._path.name + ".opening"), fcntl.LOCK_EX):
                self._opened = _connect(self._path)
        return self._opened

    def _create(self, topic: str, partitions: int) -> None:
        with _writing(self._connection()) as connection:
            connection.execute("INSERT OR IGNORE INTO topic (name, partitions) VALUES (?, ?)", (topic, partitions))
        found = self._topic(topic)[1]
        if found != partitions:
            raise TopicMismatch(
                f"Topic {topic} in {self._path} has {found} partitions, not {partitions}.",
                "set TALLYROOM_PARTITIONS to the number it was created with, or use another TALLYROOM_DATA folder",
            )

    def _topic(self, topic: str) -> tuple[int, int]:
        if topic not in self._topics:
            row = self._connection().execute("SELECT id, partitions FROM topic WHERE name = ?", (topic,)).fetchone()
            if row is None:
                raise no_topic(topic)
            self._topics[topic] = (row[0], row[1])
        return self._topics[topic]

    def _end(self, topic_id: int, partition: int) -> int:
        end: int = self._connection().execute(_END, (topic_id, partition)).fetchone()[0]
        return end

    def _bounds(self, topic: str) -> dict[int, Bounds]:
        topic_id, partitions = self._topic(topic)
        return {number: Bounds(0, self._end(topic_id, number)) for number in range(partitions)}

    def _append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        topic_id, partitions = self._topic(topic)
        routed = sorted(route(topic, entries, partitions).items())
        placed: list[Position | None] = [None] * len(entries)
        now = time.time_ns() // 1_000_000
        with _writing(self._connection()) as connection:
            for partition, indexes in routed:
                first = self._end(topic_id, partition)
                rows = []
                for offset, index in enumerate(indexes, first):
                    key, value, headers, _ = entries[index]
                    placed[index] = Position(partition, offset)
                    packed = _encode_headers(headers) if headers else None
                    rows.append((topic_id, partition, offset, now, key, value, packed))
                connection.executemany(_INSERT, rows)
        return [position for position in placed if position is not None]

    def _read(self, topic: str, partition: int, offset: int, limit: int) -> list[LogRecord]:
        topic_id, partitions = self._topic(topic)
        if not 0 <= partition < partitions:
            raise no_partition(topic, partition, partitions)
        rows = self._connection().execute(_READ, (topic_id, partition, offset, limit)).fetchall()
        if not rows or offset < 0:
            end = self._end(topic_id, partition)
            if not 0 <= offset <= end:
                raise out_of_range(topic, partition, offset, Bounds(0, end))
        return [
            LogRecord(partition, at, timestamp, key, value, _decode_headers(headers) if headers else ())
            for at, timestamp, key, value, headers in rows
        ]

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@contextmanager
def consumer_lock(path: Path) -> Iterator[None]:
    """Hold the right to be the one process that folds the embedded log at ``path``.

    A lock of the operating system: it ends with the process, however that ends. Raises LogError if it is taken.
    """
    with _locked(path.with_name(path.name + ".consumer"), fcntl.LOCK_EX | fcntl.LOCK_NB) as file:
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[int]:
    """The file descriptor of a lock file, locked. Raises LogError if someone else has it and ``LOCK_NB`` is set."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, operation)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode() or "unknown"
            raise LogError(
                f"Another tabulator (process {holder}) already reads the embedded log beside {path}.",
                "stop it first; to share the work among several tabulators, set TALLYROOM_KAFKA_URL",
            ) from error
        yield file
    finally:
        os.close(file)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA page_size = 16384")  # of a new file: a batch then touches fewer pages
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL syncs the write-ahead log at each commit. NORMAL would let a power cut take back appends that were already
    # acknowledged and counted, and the store would be ahead of the log that it must be recomputable from.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 2000")
    connection.executescript(_SCHEMA)
    return connection


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction. IMMEDIATE takes the write lock before offsets are read: no two writers number alike."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:  # commits, or rolls back if the body raises
        yield connection
