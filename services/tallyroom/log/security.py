"""How aiokafka's clients reach brokers that want encryption and a user: their arguments, what to do when they are turned away, and
nothing that shows a password."""

import ssl
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
)

from tallyroom.domain.errors import SettingError
from tallyroom.settings import KafkaSecurity

FORBIDDEN: Final = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)
"""What aiokafka raises where the broker says that the user may not. An idempotent producer that may write to no topic at all is
told so about the cluster."""


def client_options(security: KafkaSecurity) -> dict[str, Any]:
    """Arguments of every aiokafka client. Raises SettingError if the certificates cannot be read."""
    if security.protocol == "plaintext":
        return {}
    options: dict[str, Any] = {
        "security_protocol": security.protocol.upper(),
        "ssl_context": tls_context(security.ca),
    }
    if security.protocol == "sasl_ssl" and security.password is not None:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password.reveal(),
        }
    return options


@cache
def tls_context(ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, the server's certificate and name checked; ``ca`` None: by the system's certificates."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            f"TALLYROOM_KAFKA_CA={str(ca)!r} holds no certificates: {error}.", "name a file of PEM certificates"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def reason(error: Exception, security: KafkaSecurity, seconds: float) -> str:
    """Why a broker did not do what it was asked to, in words."""
    if isinstance(error, TimeoutError):
        return f"no answer in {seconds:.0f} s"
    if isinstance(error, FORBIDDEN):
        return f"user {security.username!r} has no right to it ({type(error).__name__})"
    return repr(error)


def remedy(error: Exception, security: KafkaSecurity) -> str:
    """What the operator can do about it."""
    if isinstance(error, FORBIDDEN):
        return f"{other_user(security)} (docs/security.md, 'Kafka')"
    running = "check that the brokers run and that TALLYROOM_KAFKA_URL names them"
    if security.protocol == "sasl_ssl" and isinstance(error, KafkaConnectionError):
        # aiokafka tries every broker and says of none why it was turned away.
        return (
            f"{running}; a wrong password of {security.username!r} or a wrong TALLYROOM_KAFKA_CA looks the same: "
            "see TALLYROOM_KAFKA_USERNAME and TALLYROOM_KAFKA_PASSWORD_FILE"
        )
    return f"{running}; then start this again"


def other_user(security: KafkaSecurity) -> str:
    """What to do for a user who lacks a right."""
    return (
        f"run this as the user that has the right (TALLYROOM_KAFKA_USERNAME), or give it to {security.username!r} as "
        "deploy/kafka/acls.sh does"
    )
