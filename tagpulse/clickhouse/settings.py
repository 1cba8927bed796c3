"""Which settings a request may carry, and how they are written into a `SET` statement."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tagpulse.clickhouse.errors import BAD_ARGUMENTS, READONLY, ServerError
from tagpulse.clickhouse.names import names

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")

# What a runaway query of the analyst meets first. A request may ask for less, never for more.
ANALYST_LIMITS: Mapping[str, float] = {
    "max_execution_time": 30,
    "max_memory_usage": 2_000_000_000,
    "max_result_bytes": 256_000_000,
    "max_result_rows": 1_000_000,
    "max_threads": 2,
}
# Fixed: an overflow is an error, not a silently shorter answer, and nothing is spilled to this disk.
_ANALYST_FIXED = {
    "timeout_overflow_mode": "throw",
    "result_overflow_mode": "throw",
    "max_estimated_execution_time": "0",
    "max_bytes_before_external_group_by": "0",
    "max_bytes_before_external_sort": "0",
    "max_bytes_ratio_before_external_group_by": "0",
    "max_bytes_ratio_before_external_sort": "0",
    "use_query_cache": "0",
    "allow_introspection_functions": "0",
    "allow_ddl": "0",
}
# They change how values are written, nothing else. `output_format_schema` writes a file, so no bare prefix.
_HARMLESS = re.compile(
    r"^(?:output_format_(?:json|csv|tsv|pretty|native|arrow|parquet|decimal|write_statistics)\w*"
    r"|date_time_(?:output|input)_format|session_timezone|extremes|max_block_size|join_use_nulls)$"
)
# Of the HTTP interface, not of the query: the server has acted on them or needs not to.
_TRANSPORT = names(
    "send_progress_in_http_headers http_headers_progress_interval_ms enable_http_compression buffer_size "
    "wait_end_of_query cancel_http_readonly_queries_on_client_close http_zlib_compression_level "
    "http_response_buffer_size http_wait_end_of_query http_receive_timeout http_send_timeout "
    "http_write_exception_in_output_format"
)
# Taken by the HTTP interface: never a setting.
RESERVED = names(
    "query user password database default_format query_id session_id session_timeout session_check "
    "close_session quota_key stacktrace compress decompress role client_protocol_version"
)


def writer_settings(asked: Mapping[str, str]) -> dict[str, str]:
    """The settings of a writer's request; an acknowledged insert is on disk unless it asked otherwise."""
    chosen = {"async_insert": "0"}
    for name, value in asked.items():
        _check_name(name)
        if name not in _TRANSPORT:
            chosen[name] = value
    return chosen


def analyst_settings(asked: Mapping[str, str]) -> dict[str, str]:
    """The limits an analyst's query runs under, with what the request may change; the rest is refused."""
    chosen: dict[str, str] = {name: str(limit) for name, limit in ANALYST_LIMITS.items()} | _ANALYST_FIXED
    for name, value in asked.items():
        _check_name(name)
        if name in _TRANSPORT or (name == "readonly" and value in ("1", "2")):
            continue
        if name in ANALYST_LIMITS:
            chosen[name] = _lowered(name, value)
        elif _HARMLESS.match(name):
            chosen[name] = value
        else:
            raise ServerError(READONLY, f"Cannot modify '{name}' setting in readonly mode.")
    return chosen


def _lowered(name: str, value: str) -> str:
    limit = ANALYST_LIMITS[name]
    try:
        wanted = float(value)
    except ValueError:
        raise ServerError(BAD_ARGUMENTS, f"Setting {name} needs a number, not {value!r}.") from None
    # Zero means "no limit" to ClickHouse; NaN compares false to everything.
    if not 0 < wanted < limit:
        return str(limit)
    return str(wanted if name == "max_execution_time" else max(1, int(wanted)))


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise ServerError(BAD_ARGUMENTS, f"{name!r} is not the name of a setting.")


def quoted(text: str) -> str:
    """A string literal of ClickHouse's SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def set_statement(settings: Mapping[str, str]) -> str:
    """`SET a = '1', b = '2'`; the engine converts the strings to each setting's type. Names must be checked."""
    return "SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
