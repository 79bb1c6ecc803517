"""How aiokafka's clients reach brokers that want encryption and a user: their arguments, and nothing that shows a password."""

import ssl
from functools import cache
from pathlib import Path
from typing import Any

from tallyroom.domain.errors import SettingError
from tallyroom.settings import KafkaSecurity


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
