"""apikeys: keys for readers of a gateway. The file holds hashes; a key is printed once, when it is made."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tallyroom.cli.common import console, print_json, print_table, settings
from tallyroom.codec.apikeys import ApiKey, KeyFile, Scope, decode_keys, digest, encode_keys, key_text
from tallyroom.domain.errors import SettingError

app = typer.Typer(no_args_is_help=True, help="Keys for readers of a gateway.")

File = Annotated[Path | None, typer.Option("--file", help="The file of keys; else TALLYROOM_API_KEYS.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who gets it.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it is for; may be repeated. Else snapshot and stream.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests a second; else TALLYROOM_KEY_RATE.")] = None,
    file: File = None,
) -> None:
    """Make a key and print it: it is shown this once and stored nowhere."""
    scopes = tuple(dict.fromkeys(scope or (Scope.SNAPSHOT, Scope.STREAM)))
    identifier = secrets.token_hex(4)
    key = key_text(identifier, secrets.token_urlsafe(32))
    made = ApiKey(id=identifier, name=name, sha256=digest(key), scopes=scopes, rate=rate, created=datetime.now(UTC))
    with _changing(_path(file)) as keys:
        keys.append(made)
    console.print(f"Key {identifier} for {name}, scopes {', '.join(scopes)}. It is not shown again:")
    typer.echo(key)


@app.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, file: File = None) -> None:
    """Who has keys, for what, since when; never the keys."""
    found = _read(_path(file)).keys
    if as_json:
        print_json(
            [{name: value for name, value in msgspec.to_builtins(key).items() if name != "sha256"} for key in found]
        )
        return
    rows = [
        (
            key.id,
            key.name,
            " ".join(key.scopes),
            "" if key.rate is None else f"{key.rate:g}",
            _day(key.created),
            _day(key.revoked),
        )
        for key in found
    ]
    print_table(f"{len(found)} keys", ["id", "name", "scopes", "rate", "made", "revoked"], rows)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], file: File = None) -> None:
    """End a key: running gateways refuse it within two seconds."""
    with _changing(_path(file)) as keys:
        known = {key.id: index for index, key in enumerate(keys)}
        if key_id not in known:
            raise SettingError(f"There is no key {key_id!r}.", "look at `tallyroom apikeys list`")
        found = keys[known[key_id]]
        if found.revoked is None:
            keys[known[key_id]] = msgspec.structs.replace(found, revoked=datetime.now(UTC))
    console.print(f"Key {key_id} of {found.name} is revoked.")


def _path(file: Path | None) -> Path:
    path = file or settings().access.keys
    if path is None:
        raise SettingError("No file of keys is named.", "use --file, or set TALLYROOM_API_KEYS")
    return path


def _read(path: Path) -> KeyFile:
    return decode_keys(path.read_bytes(), str(path)) if path.exists() else KeyFile()


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[list[ApiKey]]:
    """The keys, to be changed; then the file is replaced whole. Two commands at once wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = list(_read(path).keys)
        yield keys
        fresh = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(encode_keys(KeyFile(keys=tuple(keys))))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"
