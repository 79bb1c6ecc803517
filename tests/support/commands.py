"""Commands as an operator types them, in this process or in one of their own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from tallyroom.cli import app

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")


def run(settings: Mapping[str, str], *arguments: str, code: int = 0, folder: Path | None = None) -> str:
    """What a process of the command prints; if it must fail, all that it says as one line."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TALLYROOM_")}
    done = subprocess.run(
        [SCRIPT, *arguments], env={**own, "COLUMNS": "200", **settings}, capture_output=True, timeout=120, check=False,
        cwd=folder,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == code, (arguments, said)
    assert "Traceback" not in said
    return done.stdout.decode() if code == 0 else " ".join(said.split())


async def told(settings: Mapping[str, str], *arguments: str) -> str:
    """All that a command says that succeeds, in this process: a second of starting Python is saved, all else is the same."""
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "200", **settings})
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.output
