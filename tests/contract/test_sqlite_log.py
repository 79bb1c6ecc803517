"""What only the embedded log promises: processes share its file, one of them folds it, its failures are explained."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tallyroom.domain.errors import LogError
from tallyroom.log import Bounds, Entry, SqliteLog, consumer_lock, events_topic, open_log, wait_for_records
from tallyroom.settings import Settings

TOPIC = events_topic("mini", "test")

APPENDER = """
import asyncio, sys
from pathlib import Path
from tallyroom.log import Entry, SqliteLog

async def main(path, topic, name):
    log = SqliteLog(Path(path))
    await log.create(topic, 2)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(50):
        await log.append(topic, [Entry(f"{name}-{n}-{m}".encode(), name.encode(), (), m % 2) for m in range(20)])
    await log.close()

asyncio.run(main(*sys.argv[1:]))
"""

HOLDER = """
import sys
from pathlib import Path
from tallyroom.log import consumer_lock

with consumer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


async def test_processes_append_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    processes = [_spawn(APPENDER, str(path), TOPIC, name) for name in ("a", "b", "c")]
    for process in processes:  # all three have opened the new file before any of them goes on
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    codes = [await asyncio.to_thread(_finish, process) for process in processes]
    assert codes == [0, 0, 0]
    log = SqliteLog(path)
    assert await log.bounds(TOPIC) == {0: Bounds(0, 1500), 1: Bounds(0, 1500)}
    for partition in (0, 1):
        records = await log.read(TOPIC, partition, 0, 2000)
        assert [record.offset for record in records] == list(range(1500))
        for name in (b"a", b"b", b"c"):  # each appender's own order is kept
            mine = [record.key for record in records if record.value == name]
            assert mine == [b"%s-%d-%d" % (name, n, m) for n in range(50) for m in range(partition, 20, 2)]
    await log.close()


def _spawn(program: str, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *args]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> int:
    process.communicate("go\n", timeout=60)
    return process.returncode


async def test_a_killed_appender_leaves_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    endless = APPENDER.replace("range(50)", "range(10_000_000)")
    process = _spawn(endless, str(path), TOPIC, "a")
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    log = SqliteLog(path)
    await log.create(TOPIC, 2)
    assert await wait_for_records(log, TOPIC, {0: 200}, 30)
    process.kill()
    process.communicate(timeout=30)
    bounds = await log.bounds(TOPIC)
    assert bounds[0].end == bounds[1].end
    assert bounds[0].end % 10 == 0
    assert (await log.append(TOPIC, [Entry(b"k", b"v", (), 0)]))[0].offset == bounds[0].end
    await log.close()


def test_one_process_holds_the_consumer_lock(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    holder = _spawn(HOLDER, str(path))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LogError, match=f"process {holder.pid}.*TALLYROOM_KAFKA_URL"), consumer_lock(path):
        pytest.fail("two consumers at once")
    holder.kill()  # the system gives the lock back, whatever the end
    holder.communicate(timeout=30)
    with consumer_lock(path):
        pass
    with consumer_lock(path):
        pass


async def test_a_failed_append_writes_nothing(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite3")
    await log.create(TOPIC, 2)
    wrong = Entry(b"k", None, (), 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await log.append(TOPIC, [Entry(b"k", b"v", (), 0), wrong])
    assert await log.bounds(TOPIC) == {0: Bounds(0, 0), 1: Bounds(0, 0)}
    assert len(await log.append(TOPIC, [Entry(b"k", b"v", (), 0)])) == 1
    await log.close()


async def test_a_file_that_is_no_log_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    path.write_bytes(b"this is not a database, but a text that somebody put here" * 100)
    log = SqliteLog(path)
    with pytest.raises(LogError, match=r"log\.sqlite3 cannot be used.*TALLYROOM_DATA"):
        await log.partitions(TOPIC)
    await log.close()
    with pytest.raises(LogError, match="is closed"):
        await log.partitions(TOPIC)


async def test_open_log_makes_the_folder(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new" / "folder")
    log = open_log(settings)
    await log.create(TOPIC, 4)
    await log.close()
    again = open_log(settings)
    assert await again.partitions(TOPIC) == 4
    await again.close()
