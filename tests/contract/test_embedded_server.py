"""The server that we start ourselves: repaired, alone in its folder, and gone when its parent is."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.store import EmbeddedValkey, embedded
from tallyroom.store.base import Answer
from tests.support.store_fixtures import REAL, Stores, apply_one, binary_of

PARENT = """
import asyncio, os, signal, sys
from pathlib import Path
from tallyroom.store import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
asyncio.run(asyncio.to_thread(server.start))  # the thread that started it is gone now
print(server.pid, server.port, flush=True)
sys.stdin.read()
"""


def newest_part(folder: Path) -> Path:
    """The append-only file's part that is written to."""
    return max((folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("tail", [b"\x00garbage\xff" * 10, b"*4\r\n$4\r\nHSET\r\n$3", b""])
async def test_a_damaged_end_is_cut_off(
    server_alone: EmbeddedValkey, stores_alone: Stores, tmp_path: Path, tail: bytes
) -> None:
    store = stores_alone.client()
    claim = await store.claim(0)
    for offset in range(3):
        assert await apply_one(store, (0, claim.epoch), (offset, offset + 1), {b"x": b"%d" % offset}) is Answer.OK
    server_alone.stop()
    part = newest_part(tmp_path / "server")
    part.write_bytes(part.read_bytes() + tail if tail else part.read_bytes()[:-3])
    kept = 3 if tail else 2
    for times in range(2):
        await asyncio.to_thread(server_alone.start)
        again = await store.claim(0)
        assert (again.offset, again.epoch) == (kept, claim.epoch + 1 + times)
        assert again.fields[b"x"] == b"%d" % (kept - 1)
        server_alone.kill() if times else server_alone.stop()


def remove(folder: Path) -> None:
    """Remove the folder. A child of a killed server that was rewriting its file may still put something into it."""
    deadline = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < deadline, "something still writes into the folder"
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kind", REAL)
async def test_a_file_cut_at_any_byte_of_its_last_writes_is_repaired_and_stays_so(kind: str, tmp_path: Path) -> None:
    """Two restarts after each cut: a file that is loaded up to the cut and then written on would fail at the second."""
    folder, binary = tmp_path / "server", binary_of(kind)
    server = EmbeddedValkey(folder, binary)
    server.start()
    stores = Stores(server.url)
    store = stores.client()
    claim = await store.claim(0)
    for offset in range(4):
        fields = {b"x": b"%d" % offset, b"t:a|b": os.urandom(24)}
        assert await apply_one(store, (0, claim.epoch), (offset, offset + 1), fields) is Answer.OK
    server.stop()
    part = newest_part(folder)
    whole = part.read_bytes()
    left: dict[int, int] = {}
    for cut in range(1, min(len(whole), 400)):
        part.write_bytes(whole[:-cut])
        assert server._repair(binary)
        left.setdefault(part.stat().st_size, cut)
    assert len(left) >= 3, "the cuts went through several writes"
    saved = tmp_path / "saved"
    part.write_bytes(whole)
    shutil.copytree(folder, saved)
    for size, cut in left.items():
        await asyncio.to_thread(remove, folder)
        shutil.copytree(saved, folder)
        part.write_bytes(whole[:-cut])
        seen = []
        for _ in range(2):
            await asyncio.to_thread(server.start)
            again = await store.claim(0)
            assert again.fields.get(b"x", b"-1") == b"%d" % (again.offset - 1), f"{size} bytes were left"
            seen.append(again.offset)
            server.kill()
        assert seen[0] == seen[1] <= 4
    await stores.close()


async def test_a_folder_has_one_server(
    server_alone: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCKED_S", 0.1)
    with pytest.raises(StoreUnavailable, match=r"Another store server.*TALLYROOM_DATA"):
        EmbeddedValkey(tmp_path / "server").start()
    pid = server_alone.pid
    assert server_alone.start().pid == pid  # ours: nothing to do


def test_what_the_server_says_is_in_the_error(tmp_path: Path, server_alone: EmbeddedValkey) -> None:
    (tmp_path / "other" / "appendonlydir").mkdir(parents=True)
    manifest = tmp_path / "other" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("file none.base.rdb seq 1 type b\n")
    with pytest.raises(StoreUnavailable, match=r"(?s)ended at once.*none\.base\.rdb"):
        EmbeddedValkey(tmp_path / "other").start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_the_server_ends_with_its_parent_but_not_with_the_thread_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "server")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        assert embedded.first_line(port, b"PING") == b"+PONG"
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with EmbeddedValkey(tmp_path / "server") as again:  # and its folder is free
        assert again.pid is not None
