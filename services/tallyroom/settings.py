"""Settings, read once at the start of a command. Every name here stands in docs/operating.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tallyroom.domain.errors import SettingError

DEFAULT_HTTP_PORT: Final = 8600
DEFAULT_OPS_PORT: Final = 8601
DEFAULT_PARTITIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. ``None`` ports: the service takes a free one and prints it."""

    kafka_url: str | None = None  # kafka://host:port[,host:port]; None: SQLite log in ``data``
    redis_url: str | None = None  # None: embedded Valkey with its files in ``data``
    data: Path = Path(".tallyroom")
    http_port: int = DEFAULT_HTTP_PORT
    ops_port: int | None = None
    partitions: int = DEFAULT_PARTITIONS
    host: str = "127.0.0.1"  # address that services listen on; 0.0.0.0 in a container
    log_format: str = "auto"  # json, text, or auto: text on a terminal
    key_file: Path | None = None  # private key that events of this process are signed with

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap servers as ``host:port[,host:port]``. Raises SettingError if the URL is unset or malformed."""
        if self.kafka_url is None:
            raise SettingError("TALLYROOM_KAFKA_URL is not set.", "set it to kafka://host:port[,host:port]")
        scheme, _, servers = self.kafka_url.partition("://")
        if scheme != "kafka" or not servers:
            raise SettingError(
                f"TALLYROOM_KAFKA_URL={self.kafka_url!r} is not a kafka:// address.",
                "set it to kafka://host:port[,host:port]",
            )
        return servers.rstrip("/")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the ``TALLYROOM_*`` variables. Raises SettingError naming the variable that cannot work."""
    redis_url = environ.get("TALLYROOM_REDIS_URL") or None
    if redis_url and urlsplit(redis_url).scheme not in {"redis", "rediss", "unix"}:
        raise SettingError(
            f"TALLYROOM_REDIS_URL={redis_url!r} is not a redis:// address.", "set it to redis://host:port/0"
        )
    ops = environ.get("TALLYROOM_OPS_PORT")
    key_file = environ.get("TALLYROOM_KEY_FILE")
    settings = Settings(
        kafka_url=environ.get("TALLYROOM_KAFKA_URL") or None,
        redis_url=redis_url,
        data=Path(environ.get("TALLYROOM_DATA") or ".tallyroom"),
        http_port=_port(environ, "TALLYROOM_HTTP_PORT", DEFAULT_HTTP_PORT),
        ops_port=_port(environ, "TALLYROOM_OPS_PORT", 0) if ops else None,
        partitions=_count(environ, "TALLYROOM_PARTITIONS", DEFAULT_PARTITIONS),
        host=environ.get("TALLYROOM_HOST") or "127.0.0.1",
        log_format=environ.get("TALLYROOM_LOG_FORMAT") or "auto",
        key_file=Path(key_file) if key_file else None,
    )
    if settings.kafka_url is not None:
        _ = settings.bootstrap  # a malformed address must fail at the start, not at the first use
    return settings


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) > 65535:
        raise SettingError(f"{name}={text!r} is not a port.", f"set {name} to a number from 0 to 65535")
    return int(text)


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise SettingError(f"{name}={text!r} is not a partition count.", f"set {name} to a number from 1 to 1024")
    return int(text)
