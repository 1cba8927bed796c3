"""How clients of this project log in to Kafka: one place for worker, producer and admin client."""

from __future__ import annotations

import ssl
from typing import Any

from streams.settings import Settings

#: What to do where the broker refuses a worker as a member of its group, by the error's name.
GROUP_REMEDIES = {
    "InvalidSessionTimeoutError": (
        "Set TAGPULSE_KAFKA_SESSION_TIMEOUT_S within the broker's group.min.session.timeout.ms (by default 6 s) and "
        "group.max.session.timeout.ms."
    ),
    "GroupAuthorizationFailedError": "Grant the worker read access to the group TAGPULSE_KAFKA_GROUP names.",
}


def security_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for aiokafka's clients. Raises FileNotFoundError where the CA file is not there."""
    options: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol.endswith("SSL"):
        authority = settings.kafka_ssl_ca_file
        options["ssl_context"] = ssl.create_default_context(cafile=str(authority) if authority else None)
    if settings.kafka_security_protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options
