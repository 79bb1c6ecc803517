"""A real Kafka broker that wants TLS, a user (SCRAM-SHA-512) and a right for everything: one node, KRaft, loopback only.

Certificates and passwords are the caller's. The node's own traffic proves itself by certificate, everybody else by password.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallyroom.settings import KafkaSecurity, Secret
from tallyroom.testing.kafka import SINGLE_NODE, KafkaBroker

_STARTED: Final = "Kafka Server started"

_SECURED: Final = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=CONTROLLER:SSL,SASL_SSL:SASL_SSL
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
ssl.enabled.protocols=TLSv1.3,TLSv1.2
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
username="{admin}" password="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:CN={common_name};User:{admin}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: ``ca`` that both sides trust, ``keystore`` with the broker's private key (PKCS 8) and its certificate.

    The certificate is for 127.0.0.1 and localhost, its subject ``CN=common_name``.
    """

    ca: Path
    keystore: Path
    common_name: str


class SecuredBroker(KafkaBroker):
    """One secured broker process; ``users``: name -> password, the first one may do everything."""

    def __init__(self, certificates: Certificates, users: Mapping[str, str], folder: Path | None = None) -> None:
        super().__init__(folder)
        self._certificates = certificates
        self._users = users

    @property
    def admin(self) -> str:
        """The user who may do everything."""
        return next(iter(self._users))

    def access(self, user: str, password: str | None = None) -> KafkaSecurity:
        """How this user reaches the broker; ``password``: another one than his."""
        secret = Secret(self._users[user] if password is None else password)
        return KafkaSecurity("sasl_ssl", "SCRAM-SHA-512", user, secret, self._certificates.ca)

    def _properties(self, controller: int) -> str:
        return (_SECURED + SINGLE_NODE).format(
            port=self.port,
            controller=controller,
            logs=self.folder / "data",
            keystore=self._certificates.keystore,
            ca=self._certificates.ca,
            common_name=self._certificates.common_name,
            admin=self.admin,
            password=self._users[self.admin],
        )

    def _format_options(self) -> list[str]:
        options = []
        for name, password in self._users.items():
            options += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        return options

    def _answers(self) -> bool:
        """Nobody unknown gets an answer: the broker's own word is taken."""
        log = self.folder / "broker.log"
        return log.exists() and _STARTED in log.read_text("utf-8", "replace")
