"""Settings: what cannot work is named at the start, and no password is ever shown."""

import io
import logging
import traceback
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
import structlog

from tallyroom.domain.errors import SettingError
from tallyroom.log import open_log
from tallyroom.settings import KafkaSecurity, Secret, Settings, StoreAccess, read_settings
from tallyroom.store import open_store
from tallyroom.telemetry.logs import configure_logs, get_logger

SECURED = {
    "TALLYROOM_KAFKA_URL": "kafka://k:9094",
    "TALLYROOM_KAFKA_SECURITY": "sasl_ssl",
    "TALLYROOM_KAFKA_USERNAME": "tab",
    "TALLYROOM_KAFKA_PASSWORD": "leak-kafka",
    "TALLYROOM_REDIS_URL": "rediss://r:6380/0",
    "TALLYROOM_REDIS_USERNAME": "tab",
    "TALLYROOM_REDIS_PASSWORD": "leak-redis",
}


def test_nothing_set_is_the_embedded_default() -> None:
    assert read_settings({}) == Settings()
    assert read_settings(dict.fromkeys(SECURED, "")) == Settings()


def test_passwords_come_from_variables_or_files(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("leak-file\n")
    given = read_settings(SECURED)
    assert given.kafka == KafkaSecurity("sasl_ssl", "SCRAM-SHA-512", "tab", Secret("leak-kafka"))
    assert given.store == StoreAccess("rediss://r:6380/0", "tab", Secret("leak-redis"))
    for name in ("TALLYROOM_KAFKA_PASSWORD", "TALLYROOM_REDIS_PASSWORD"):
        filed = {**SECURED, name: "", f"{name}_FILE": str(path)}
        read = read_settings(filed)
        password = read.kafka.password if "KAFKA" in name else read.redis_password
        assert password == Secret("leak-file")
        with pytest.raises(SettingError, match="are both set"):
            read_settings({**filed, name: "leak-two"})


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"leak-a\nleak-b\n"])
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        read_settings({**SECURED, "TALLYROOM_KAFKA_PASSWORD": "", "TALLYROOM_KAFKA_PASSWORD_FILE": str(path)})
    assert "leak-" not in str(caught.value)


def test_credentials_in_the_address_are_taken_out_of_it() -> None:
    read = read_settings({"TALLYROOM_REDIS_URL": "redis://tab:leak-%40url@r:6379/0"})
    assert read.store == StoreAccess("redis://r:6379/0", "tab", Secret("leak-@url"))
    assert read_settings({"TALLYROOM_REDIS_URL": "redis://:leak-url@r/1"}).store.url == "redis://r/1"
    assert read_settings({"TALLYROOM_REDIS_URL": "unix:///run/store.sock"}).store == StoreAccess(
        "unix:///run/store.sock"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"TALLYROOM_KAFKA_SECURITY": "tls"},
        {"TALLYROOM_KAFKA_SECURITY": "plaintext"},
        {"TALLYROOM_KAFKA_SECURITY": "ssl"},
        {"TALLYROOM_KAFKA_USERNAME": ""},
        {"TALLYROOM_KAFKA_PASSWORD": ""},
        {"TALLYROOM_KAFKA_MECHANISM": "GSSAPI"},
        {"TALLYROOM_KAFKA_PASSWORD": "", "TALLYROOM_KAFKA_PASSWORD_FILE": "/nonexistent/leak"},
        {"TALLYROOM_KAFKA_URL": "kafka://tab:leak-url@k:9094"},
        {"TALLYROOM_KAFKA_URL": "http://k:9094"},
        {"TALLYROOM_KAFKA_REPLICATION": "0"},
        {"TALLYROOM_KAFKA_REPLICATION": "2", "TALLYROOM_KAFKA_MIN_INSYNC": "3"},
        {"TALLYROOM_REDIS_URL": "http://tab:leak-url@r"},
        {"TALLYROOM_REDIS_URL": "redis://tab:leak-url@r:port"},
        {"TALLYROOM_REDIS_URL": "redis://[leak-url"},
        {"TALLYROOM_REDIS_URL": "redis://tab:leak-url@r"},
        {"TALLYROOM_REDIS_URL": "redis://r/0?password=leak-url"},
        {"TALLYROOM_HTTP_PORT": "70000"},
        {"TALLYROOM_HTTP_PORT": "9" * 5000},
        {"TALLYROOM_HTTP_PORT": "\u0663"},
        {"TALLYROOM_PARTITIONS": "1025"},
        {"TALLYROOM_SESSION_TIMEOUT": "0"},
        {"TALLYROOM_SESSION_TIMEOUT": "3.5"},
    ],
)
def test_what_cannot_work_is_named_without_its_password(wrong: Mapping[str, str]) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({**SECURED, **wrong})
    told = str(caught.value)
    assert next(iter(wrong)).removesuffix("_FILE") in told
    assert "leak-" not in told
    assert "leak-" not in "".join(traceback.format_exception(caught.value))


def test_the_session_time_out_is_that_of_the_documents() -> None:
    assert read_settings({}).session_s == 10
    assert read_settings({"TALLYROOM_SESSION_TIMEOUT": "3"}).session_s == 3


def test_replicas_and_acknowledgements() -> None:
    assert read_settings({}).replication == (1, 1)
    assert read_settings({"TALLYROOM_KAFKA_REPLICATION": "3"}).replication == (3, 2)
    given = {"TALLYROOM_KAFKA_REPLICATION": "3", "TALLYROOM_KAFKA_MIN_INSYNC": "3"}
    assert read_settings(given).replication == (3, 3)


def test_what_a_child_is_given_reads_as_the_same() -> None:
    for given in (SECURED, {"TALLYROOM_REDIS_URL": "redis://tab:leak-url@r:6379/0"}, {}):
        read = read_settings(given)
        again = read_settings({**given, **read.environment()})
        assert again == read


async def test_no_password_is_shown_by_anything_that_holds_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = read_settings(SECURED)
    log, store = open_log(read), open_store(read.store, "e", "test")
    shown = [repr(item) for item in (read, read.kafka, read.store, log, store)]
    shown += [f"{getattr(read, item.name)}" for item in fields(read)]
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    before = logging.getLogger().handlers, structlog.get_config()
    try:
        for form in ("json", "text"):
            configure_logs("test", form)
            get_logger("test").warning(
                "here", settings=read, kafka=read.kafka, store=read.store, secret=Secret("leak-x")
            )
            try:
                plain = read.store.password.reveal() if read.store.password else ""
                raise ValueError(read, read.kafka.password, len(plain))
            except ValueError:
                get_logger("test").exception("failed")
    finally:
        logging.getLogger().handlers = before[0]
        structlog.configure(**before[1])
    assert "here" in stream.getvalue()
    assert "leak-" not in stream.getvalue() + "".join(shown)
    await log.close()
    await store.close()


def test_a_secret_is_equal_to_itself_alone() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert (Secret("a").reveal(), str(Secret("a")), f"{Secret('a')}") == ("a", "Secret(...)", "Secret(...)")
    with pytest.raises(TypeError):
        hash(Secret("a"))
