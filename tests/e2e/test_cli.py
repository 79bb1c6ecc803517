"""The console script as people and scripts use it: processes, their exit codes, and what they say."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tallyroom.night.night import free_port
from tallyroom.recordings.format import Recording, open_recording
from tallyroom.testing.night import StartNight
from tests.support.golden import assert_golden, roots

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPT: Final = Path(sys.executable).with_name("tallyroom")
EVENTS: Final = "tallyroom.kz-2023.simulation.events"
Environment = dict[str, str]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Settings of a process: the embedded default in a folder of its own, on free ports, without what we were started with."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TALLYROOM_")}
    ports = {"TALLYROOM_HTTP_PORT": str(free_port()), "TALLYROOM_OPS_PORT": str(free_port())}
    return {**own, **ports, "TALLYROOM_DATA": str(tmp_path / "data"), "COLUMNS": "200"}


def run(environment: Environment, *arguments: str, code: int = 0, stdin: bytes = b"") -> tuple[str, str]:
    """Standard output and error of a command that must end with this code."""
    done = subprocess.run(
        [SCRIPT, *arguments], env=environment, input=stdin, capture_output=True, timeout=240, check=False
    )
    out, error = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"ended with {done.returncode}\n{out}\n{error}"
    assert "Traceback" not in error
    return out, error


def words(text: str) -> str:
    """The text without line breaks: errors are wrapped for people."""
    return re.sub(r"\s+", " ", text)


def written(environment: Environment) -> int:
    """How many events the topic holds."""
    shown = json.loads(run(environment, "topics", "show", "kz-2023", "--json")[0])
    return sum(after - first for first, after in shown[EVENTS].values())


def lines(count: int) -> list[bytes]:
    """The first reports of the night as NDJSON."""
    events = (event.value for event in open_recording("kz-2023").events() if b'"type":"report"' in event.value)
    return [next(events) for _ in range(count)]


def test_a_night_ends_with_its_final_table(environment: Environment) -> None:
    out, error = run(environment, "night", "kz-2023", "--speed", "max", "--exit")
    assert re.search(r"Amanat +│ 3,431,510 │ 53\.90 %", out)
    assert "10,223 of 10,223 units, shares of 6,366,441" in out
    assert f"http://127.0.0.1:{environment['TALLYROOM_HTTP_PORT']}/" in error


def test_a_night_as_json(environment: Environment) -> None:
    out, _ = run(environment, "night", "bw-2025", "--speed", "max", "--exit", "--json")
    assert_golden(json.loads(out), open_recording("bw-2025").manifest)


def test_tabulate_needs_no_server(environment: Environment) -> None:
    snapshot = json.loads(run(environment, "tabulate", "kz-2023")[0])
    manifest = open_recording("kz-2023").manifest
    assert roots(snapshot) == dict(manifest.golden)
    assert snapshot["quarantined"] == manifest.expect["quarantined"]
    assert not Path(environment["TALLYROOM_DATA"]).exists()


async def test_snapshot_shows_what_a_gateway_serves(environment: Environment, tallyroom_night: StartNight) -> None:
    async with tallyroom_night("bw-2025") as night:
        published = await night.run_to_end()
        shown = json.loads(run(environment, "snapshot", "--json", "--url", night.url)[0])
        table, _ = run(environment, "snapshot", "--url", night.url)
    assert shown == published
    assert re.search(r"second +│ unofficial-complete +│ +1,104 │ +1,104 │ cdu", table)


def test_snapshot_without_a_gateway(environment: Environment) -> None:
    _, error = run(environment, "snapshot", "--url", f"http://127.0.0.1:{free_port()}", code=1)
    assert "does not answer" in words(error)
    assert "--url" in words(error)


def test_topics_publish_and_bad_lines(environment: Environment, tmp_path: Path) -> None:
    _, said = run(environment, "topics", "create", "kz-2023")
    assert f"{EVENTS}: 8 partitions" in said
    run(environment, "topics", "create", "kz-2023")
    assert written(environment) == 0

    sound = lines(3)
    misspelt = sound[0].replace(b'"version"', b'"versoin"')
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([sound[0], b"{oops", sound[1], b"", misspelt, sound[2]]) + b"\n")

    _, said = run(environment, "publish", str(file), "--election", "kz-2023", code=1)
    assert "0 events sent, 2 bad lines" in said
    assert re.search(r"line 2: not_json: \S", said)
    assert re.search(r"line 5: schema: .*versoin", said)
    assert written(environment) == 0, "one bad line and nothing is sent"

    out, _ = run(environment, "publish", str(file), "--election", "kz-2023", "--skip-bad", "--json", code=1)
    done: dict[str, Any] = json.loads(out)
    assert (done["sent"], [bad["number"] for bad in done["bad"]]) == (3, [2, 5])
    assert written(environment) == 3

    run(environment, "publish", "-", "--election", "kz-2023", stdin=b"\n".join(sound))
    assert written(environment) == 6


def test_publish_without_topics(environment: Environment) -> None:
    _, error = run(environment, "publish", "-", "--election", "kz-2023", stdin=lines(1)[0], code=1)
    assert "tallyroom topics create" in words(error)


def test_replay_a_part_and_record_it(environment: Environment, tmp_path: Path) -> None:
    run(environment, "topics", "create", "kz-2023")
    span = ("--from", "2023-03-19T15:00:00Z", "--until", "2023-03-19T16:00:00Z")
    _, said = run(environment, "replay", "kz-2023", "--speed", "max", *span)
    wanted = [e for e in open_recording("kz-2023").events() if e.at.hour == 15 and e.at.day == 19]
    assert f"{len(wanted):,} events sent" in said
    assert written(environment) == len(wanted)

    run(environment, "record", "kz-2023", "-o", str(tmp_path / "recorded"), "--title", "An hour")
    recorded = Recording(tmp_path / "recorded")
    recorded.verify()
    assert recorded.manifest.title == "An hour"
    assert sorted(recorded.events()) == sorted(wanted)


def test_a_whole_night_comes_back_from_its_topic(environment: Environment, tmp_path: Path) -> None:
    run(environment, "topics", "create", "bw-2025")
    run(environment, "replay", "bw-2025", "--speed", "max")
    run(environment, "record", "bw-2025", "-o", str(tmp_path / "again"))
    again, source = Recording(tmp_path / "again"), open_recording("bw-2025")
    assert again.manifest.golden == source.manifest.golden
    assert again.definition() == source.definition()
    assert sorted(again.events()) == sorted(source.events())


@contextmanager
def taken(environment: Environment, name: str) -> Iterator[None]:
    """Somebody listens on the port of this setting."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(environment[name])))
        listener.listen()
        yield


@pytest.mark.parametrize("name", ["TALLYROOM_HTTP_PORT", "TALLYROOM_OPS_PORT"])
def test_a_taken_port_is_named_with_its_setting(environment: Environment, name: str) -> None:
    with taken(environment, name):
        _, error = run(environment, "night", "kz-2023", "--speed", "max", "--exit", code=1)
    assert f"Port {environment[name]} is taken" in words(error)
    assert f"set {name} to a free port" in words(error)


@pytest.mark.parametrize("arguments", [("night", "kz-1999"), ("tabulate", "kz-1999"), ("replay", "kz-1999")])
def test_an_unknown_recording_is_explained(environment: Environment, arguments: tuple[str, ...]) -> None:
    _, error = run(environment, *arguments, code=1)
    assert "'kz-1999' is neither a built-in night (" in words(error)
    assert "kz-2023" in words(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TALLYROOM_KAFKA_URL", "localhost:9092"), ("TALLYROOM_REDIS_URL", "http://x"), ("TALLYROOM_HTTP_PORT", "http")],
)
def test_a_setting_that_cannot_work_is_named(environment: Environment, name: str, value: str) -> None:
    _, error = run({**environment, name: value}, "night", "kz-2023", "--exit", code=1)
    said = words(error)
    assert name in said
    assert "what to do: set" in said
    if name == "TALLYROOM_REDIS_URL":
        assert value not in said, "an address may hold a password"
    else:
        assert f"{name}='{value}'" in said


@pytest.mark.parametrize("speed", ["fast", "0", "-1"])
def test_a_speed_that_is_none_is_refused(environment: Environment, speed: str) -> None:
    _, error = run(environment, "night", "kz-2023", "--speed", speed, "--exit", code=2)
    assert "speed" in error.lower() or "neither a number" in error
