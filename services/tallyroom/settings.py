"""Settings, read once at the start of a command. Every name here stands in docs/operating.md."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tallyroom.domain.errors import SettingError

DEFAULT_HTTP_PORT: Final = 8600
DEFAULT_OPS_PORT: Final = 8601
DEFAULT_PARTITIONS: Final = 8
DEFAULT_SESSION_S: Final = 10
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


KAFKA_PROTOCOLS: Final = ("plaintext", "ssl", "sasl_ssl")
KAFKA_MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


class Secret:
    """A password: shown by nothing, in no representation, log line or error. ``reveal`` is for the client that sends it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The password itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(other._value.encode(), self._value.encode())

    __hash__ = None  # type: ignore[assignment]  # nothing is looked up by a password


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How brokers are reached. ``ca``: certificates that theirs are checked with; None: those of the system."""

    protocol: str = "plaintext"  # plaintext, ssl, sasl_ssl
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: Secret | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How the store's server is reached: its address without credentials, and these."""

    url: str
    username: str | None = None
    password: Secret | None = None
    ca: Path | None = None


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
    session_s: int = DEFAULT_SESSION_S  # silence after which Kafka gives a tabulator's partitions to another
    log_format: str = "auto"  # json, text, or auto: text on a terminal
    key_file: Path | None = None  # private key that events of this process are signed with
    access: Access = Access()
    kafka: KafkaSecurity = KafkaSecurity()
    replication: tuple[int, int] = (1, 1)  # of topics that are created: replicas, and how many must acknowledge
    redis_username: str | None = None
    redis_password: Secret | None = None
    redis_ca: Path | None = None

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap servers as ``host:port[,host:port]``. Raises SettingError if the URL is unset or malformed."""
        if self.kafka_url is None:
            raise SettingError("TALLYROOM_KAFKA_URL is not set.", "set it to kafka://host:port[,host:port]")
        scheme, _, servers = self.kafka_url.partition("://")
        if "@" in servers:  # without the address itself: a password may stand in it
            raise SettingError(
                "TALLYROOM_KAFKA_URL holds a user.", "set TALLYROOM_KAFKA_USERNAME and TALLYROOM_KAFKA_PASSWORD_FILE"
            )
        if scheme != "kafka" or not servers:
            raise SettingError(
                f"TALLYROOM_KAFKA_URL={self.kafka_url!r} is not a kafka:// address.",
                "set it to kafka://host:port[,host:port]",
            )
        return servers.rstrip("/")

    @property
    def store(self) -> StoreAccess:
        """How to reach the store. Raises SettingError if TALLYROOM_REDIS_URL is unset."""
        if self.redis_url is None:
            raise SettingError(
                "TALLYROOM_REDIS_URL is not set; a single service has no embedded store.",
                "set it to redis://host:port/0, or use `tallyroom night`, which brings a store along",
            )
        return StoreAccess(self.redis_url, self.redis_username, self.redis_password, self.redis_ca)

    def environment(self) -> dict[str, str]:
        """How the servers are reached, as variables for a process that is started with our environment."""
        kafka, (replicas, insync) = self.kafka, self.replication
        return {
            "TALLYROOM_KAFKA_URL": self.kafka_url or "",
            "TALLYROOM_KAFKA_SECURITY": kafka.protocol,
            "TALLYROOM_KAFKA_MECHANISM": kafka.mechanism,
            "TALLYROOM_KAFKA_USERNAME": kafka.username or "",
            "TALLYROOM_KAFKA_PASSWORD": kafka.password.reveal() if kafka.password else "",
            "TALLYROOM_KAFKA_PASSWORD_FILE": "",
            "TALLYROOM_KAFKA_CA": str(kafka.ca or ""),
            "TALLYROOM_KAFKA_REPLICATION": str(replicas),
            "TALLYROOM_KAFKA_MIN_INSYNC": str(insync),
            "TALLYROOM_REDIS_URL": self.redis_url or "",
            "TALLYROOM_REDIS_USERNAME": self.redis_username or "",
            "TALLYROOM_REDIS_PASSWORD": self.redis_password.reveal() if self.redis_password else "",
            "TALLYROOM_REDIS_PASSWORD_FILE": "",
            "TALLYROOM_REDIS_CA": str(self.redis_ca or ""),
        }


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the ``TALLYROOM_*`` variables, and the files that hold passwords. Raises SettingError naming what cannot work."""
    store = _store(environ)
    ops = environ.get("TALLYROOM_OPS_PORT")
    settings = Settings(
        kafka_url=environ.get("TALLYROOM_KAFKA_URL") or None,
        redis_url=None if store is None else store.url,
        data=Path(environ.get("TALLYROOM_DATA") or ".tallyroom"),
        http_port=_port(environ, "TALLYROOM_HTTP_PORT", DEFAULT_HTTP_PORT),
        ops_port=_port(environ, "TALLYROOM_OPS_PORT", 0) if ops else None,
        partitions=_count(environ, "TALLYROOM_PARTITIONS", DEFAULT_PARTITIONS, 1024),
        host=environ.get("TALLYROOM_HOST") or "127.0.0.1",
        session_s=_count(environ, "TALLYROOM_SESSION_TIMEOUT", DEFAULT_SESSION_S, 300),
        log_format=environ.get("TALLYROOM_LOG_FORMAT") or "auto",
        access=read_access(environ),
        key_file=_path(environ, "TALLYROOM_KEY_FILE"),
        kafka=_kafka(environ),
        replication=_replication(environ),
        redis_username=None if store is None else store.username,
        redis_password=None if store is None else store.password,
        redis_ca=None if store is None else store.ca,
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


def _kafka(environ: Mapping[str, str]) -> KafkaSecurity:
    protocol = (environ.get("TALLYROOM_KAFKA_SECURITY") or "plaintext").lower()
    mechanism = environ.get("TALLYROOM_KAFKA_MECHANISM") or "SCRAM-SHA-512"
    username, password = environ.get("TALLYROOM_KAFKA_USERNAME") or None, _secret(environ, "TALLYROOM_KAFKA_PASSWORD")
    if protocol not in KAFKA_PROTOCOLS:
        raise SettingError(
            f"TALLYROOM_KAFKA_SECURITY={protocol!r} is not known.", f"set it to one of {', '.join(KAFKA_PROTOCOLS)}"
        )
    if mechanism not in KAFKA_MECHANISMS:
        raise SettingError(
            f"TALLYROOM_KAFKA_MECHANISM={mechanism!r} is not known.", f"set it to one of {', '.join(KAFKA_MECHANISMS)}"
        )
    if (protocol == "sasl_ssl") is not (username is not None and password is not None):
        raise SettingError(
            f"TALLYROOM_KAFKA_SECURITY={protocol} and a user name with a password do not go together.",
            "set TALLYROOM_KAFKA_USERNAME and TALLYROOM_KAFKA_PASSWORD_FILE for sasl_ssl, and for nothing else",
        )
    return KafkaSecurity(protocol, mechanism, username, password, _path(environ, "TALLYROOM_KAFKA_CA"))


def _replication(environ: Mapping[str, str]) -> tuple[int, int]:
    replicas = _count(environ, "TALLYROOM_KAFKA_REPLICATION", 1, 32)
    insync = _count(environ, "TALLYROOM_KAFKA_MIN_INSYNC", max(1, replicas - 1), 32)
    if insync > replicas:
        raise SettingError(
            f"TALLYROOM_KAFKA_MIN_INSYNC={insync} is more than TALLYROOM_KAFKA_REPLICATION={replicas}.",
            "leave it out: one less than the replicas is taken",
        )
    return replicas, insync


def _store(environ: Mapping[str, str]) -> StoreAccess | None:
    """The store's address, with a user and password that stand in it taken out."""
    url = environ.get("TALLYROOM_REDIS_URL") or None
    username = environ.get("TALLYROOM_REDIS_USERNAME") or None
    password, ca = _secret(environ, "TALLYROOM_REDIS_PASSWORD"), _path(environ, "TALLYROOM_REDIS_CA")
    if url is None:
        return None
    example = "set it to redis://host:port/0 or rediss://host:port/0"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SettingError("TALLYROOM_REDIS_URL is no address.", example) from None
    if parts.scheme not in {"redis", "rediss", "unix"}:
        # Without the address itself: a password may stand in it.
        raise SettingError("TALLYROOM_REDIS_URL does not begin with redis://, rediss:// or unix://.", example)
    if "password" in parse_qs(parts.query):
        raise SettingError("TALLYROOM_REDIS_URL has a password behind its '?'.", "set TALLYROOM_REDIS_PASSWORD_FILE")
    if parts.password is not None and password is not None:
        raise SettingError("TALLYROOM_REDIS_URL has a password, and another one is set.", "take it out of the address")
    start = len(parts.scheme) + len("://")
    bare = url[:start] + parts.netloc.rpartition("@")[2] + url[start + len(parts.netloc) :]
    inside = Secret(unquote(parts.password)) if parts.password else None
    return StoreAccess(bare, username or unquote(parts.username or "") or None, password or inside, ca)


def _secret(environ: Mapping[str, str], name: str) -> Secret | None:
    """A password from the variable, or from the file that the variable with _FILE behind it names."""
    given, path = environ.get(name) or None, _path(environ, f"{name}_FILE")
    if given is not None and path is not None:
        raise SettingError(f"{name} and {name}_FILE are both set.", f"set {name}_FILE alone")
    if path is None:
        return None if given is None else Secret(given)
    try:
        text = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):  # without the cause: that of a decoder holds what it read
        raise SettingError(
            f"The file that {name}_FILE names cannot be read: {path}.", "name a text file that this user may read"
        ) from None
    if not text or not text.isprintable():
        raise SettingError(f"The file that {name}_FILE names holds no password.", "put it there, on one line")
    return Secret(text)


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) > 65535:
        raise SettingError(f"{name}={text!r} is not a port.", f"set {name} to a number from 0 to 65535")
    return int(text)


def _count(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise SettingError(f"{name}={text!r} is not a number that can be used.", f"set {name} from 1 to {most}")
    return int(text)
