"""Settings, read once at the start of a command. Every name here stands in docs/operating.md."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tallyroom.domain.errors import SettingError

DEFAULT_HTTP_PORT: Final = 8600
DEFAULT_OPS_PORT: Final = 8601
DEFAULT_PARTITIONS: Final = 8
_ANCESTOR: Final = re.compile(r"'self'|'none'|\*|https?://[A-Za-z0-9.*-]+(:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read a gateway, and how much. Rates are requests a second, 0: no limit."""

    keys: Path | None = None  # file of hashed API keys
    public: bool = True  # whether snapshot and stream need no key
    rate: float = 50.0  # of one address
    key_rate: float = 200.0  # of one key that has no rate of its own
    streams: int = 10_000  # open at once, in all
    streams_each: int = 500  # of one address or key
    proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For is believed
    frame_ancestors: str = "'self'"  # who may show the page in a frame


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
    access: Access = Access()

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
        partitions=_count(environ, "TALLYROOM_PARTITIONS", DEFAULT_PARTITIONS, 1024),
        host=environ.get("TALLYROOM_HOST") or "127.0.0.1",
        log_format=environ.get("TALLYROOM_LOG_FORMAT") or "auto",
        key_file=Path(key_file) if key_file else None,
        access=read_access(environ),
    )
    if settings.kafka_url is not None:
        _ = settings.bootstrap  # a malformed address must fail at the start, not at the first use
    return settings


def read_access(environ: Mapping[str, str]) -> Access:
    """Who may read a gateway. Open to everybody unless there are keys and nobody says so. Raises SettingError."""
    usual, keys = Access(), environ.get("TALLYROOM_API_KEYS") or None
    public = _flag(environ, "TALLYROOM_PUBLIC", default=keys is None)
    if keys is None and not public:
        raise SettingError(
            "TALLYROOM_PUBLIC=false, and no TALLYROOM_API_KEYS: nobody could read.",
            "name a file made by `tallyroom apikeys add`, or set TALLYROOM_PUBLIC=true",
        )
    return Access(
        keys=Path(keys) if keys else None,
        public=public,
        rate=_rate(environ, "TALLYROOM_RATE", usual.rate),
        key_rate=_rate(environ, "TALLYROOM_KEY_RATE", usual.key_rate),
        streams=_count(environ, "TALLYROOM_STREAMS", usual.streams, 1_000_000),
        streams_each=_count(environ, "TALLYROOM_STREAMS_EACH", usual.streams_each, 1_000_000),
        proxies=_networks(environ, "TALLYROOM_PROXIES"),
        frame_ancestors=_ancestors(environ, "TALLYROOM_FRAME_ANCESTORS"),
    )


def _flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    text = environ.get(name) or str(default).lower()
    if text not in ("true", "false"):
        raise SettingError(f"{name}={text!r} is neither true nor false.", f"set {name} to true or false")
    return text == "true"


def _rate(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise SettingError(f"{name}={text!r} is not a rate.", f"set {name} to requests a second, 0 for no limit")
    return float(text)


def _networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = [part.strip() for part in (environ.get(name) or "").split(",") if part.strip()]
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in found)
    except ValueError as error:
        raise SettingError(f"{name}: {error}.", f"set {name} to addresses or networks, as 10.0.0.0/8") from error


def _ancestors(environ: Mapping[str, str], name: str) -> str:
    text = environ.get(name) or Access().frame_ancestors
    if not all(_ANCESTOR.fullmatch(part) for part in text.split(" ")):
        raise SettingError(
            f"{name}={text!r} is not a list of origins.",
            f"set {name} to 'self', 'none', * or origins with one space between them: https://news.example",
        )
    return text


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) > 65535:
        raise SettingError(f"{name}={text!r} is not a port.", f"set {name} to a number from 0 to 65535")
    return int(text)


def _count(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise SettingError(f"{name}={text!r} is not a number that can be used.", f"set {name} from 1 to {most}")
    return int(text)
