"""The login of those who operate: the worker's own, on tables of this build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sinks.client import connect
from sinks.migrations import require_current
from streams.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def owner(settings: Settings, timeout_s: float = 60.0) -> Client:
    """Connect as the worker does. `timeout_s` bounds the silence on a request. Raises ConnectError, MigrationError."""
    client = connect(
        settings.clickhouse_url,
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        settings.clickhouse_database,
        timeout_s=timeout_s,
    )
    require_current(client)
    return client
