"""One way to reach ClickHouse: clickhouse-connect over HTTP, with errors that name the remedy."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util import parse_url

from sinks.errors import ConnectError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# What the client says of an error, with a trace, its caller says again, with the remedy.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def connect(
    url: str,
    user: str,
    password: str,
    database: str | None = None,
    *,
    connect_timeout_s: float = 5.0,
    timeout_s: float = 60.0,
    pool_size: int = 16,
) -> Client:
    """Connect to ClickHouse at `url` (http://host:port or https://host:port).

    The client has no session, so threads may share it, and it never repeats an insert by itself: the writer
    must know how often it asked. `timeout_s` bounds the silence on a request in flight.
    Raises ConnectError where the server does not answer or refuses the login or the database.
    """
    parts = parse_url(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ConnectError(f"clickhouse_url is {url!r}: it must look like http://host:8123 or https://host:8443")
    try:
        return clickhouse_connect.get_client(
            host=parts.host,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            secure=parts.scheme == "https",
            username=user,
            password=password,
            database=database or "default",
            autogenerate_session_id=False,
            connect_timeout=connect_timeout_s,
            send_receive_timeout=timeout_s,
            query_retries=0,
            compress=False,
            pool_mgr=get_pool_manager(maxsize=pool_size, num_pools=4),
        )
    except ClickHouseError as error:
        raise ConnectError(
            f"ClickHouse at {url} (user {user!r}, database {database or 'default'!r}) cannot be used: "
            f"{first_line(error)}. Check that it runs, and clickhouse_url, _user, _password and _database."
        ) from error


def first_line(error: BaseException) -> str:
    """What went wrong, in one line: the operating system's word where a connection failed, else the error's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NewConnectionError):
            return str(cause).rpartition(": ")[2]
        if isinstance(cause, MaxRetryError) and cause.reason is not None:
            cause = cause.reason
        else:
            cause = cause.__cause__ or cause.__context__
    return (str(error).splitlines() or [type(error).__name__])[0]


def check_identifier(name: str) -> str:
    """Return `name` if it can stand in SQL without quotes, else raise ValueError."""
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name!r} is not a database name: use letters, digits and underscores, at most 64")
    return name


def quoted(text: str) -> str:
    """`text` as a string literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
