"""How clients of this project log in to Kafka: one place for worker, producer and admin client."""

from __future__ import annotations

import ssl
from typing import Any

from streams.settings import Settings


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
