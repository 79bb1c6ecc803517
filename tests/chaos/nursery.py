"""A process that has imported everything and forks services on request: starting one costs a tenth of a second, not two.

A forked service is a process like any other: it may be killed and frozen, and runs the same command line. Requests come as lines of
JSON on standard input, answers go to standard output; when the input ends, all children are killed.
"""

import ctypes
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000


def main() -> None:
    """Serve requests until the input ends."""
    from tallyroom import cli  # noqa: PLC0415 - imported here and nowhere else: what is forked has it
    from tallyroom.tabulator import faust_app  # noqa: F401, PLC0415

    wakes, wake = os.pipe()
    for end in (wakes, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    children: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(wakes, selectors.EVENT_READ)
        pending = b""
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wakes in ready:
                os.read(wakes, 4096)
                _reap(children)
            if sys.stdin.fileno() in ready:
                data = os.read(sys.stdin.fileno(), 1 << 16)
                if not data:
                    break
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    children.add(_fork(json.loads(line), cli.main))
    for child in children:
        os.kill(child, signal.SIGKILL)


def _reap(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _say({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _fork(request: Mapping[str, Any], run: Any) -> int:
    pid = os.fork()
    if pid:
        _say({"request": request["request"], "pid": pid})
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _become(request)
        run()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - what an interpreter of its own would print before it ends
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _become(request: Mapping[str, Any]) -> None:
    """Output to its file, environment, network namespace and command line."""
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number)
    os.environ.update(request["environment"])
    if request["space"]:
        with Path("/run/netns", request["space"]).open() as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    sys.argv = ["tallyroom", *request["arguments"]]


def _say(answer: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
