"""From an HTTP request to what it asks for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from urllib.parse import parse_qsl

from multidict import MultiMapping

from tagpulse.clickhouse.coding import decompress
from tagpulse.clickhouse.errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, SYNTAX_ERROR, UNKNOWN_FORMAT, ServerError
from tagpulse.clickhouse.settings import RESERVED
from tagpulse.clickhouse.statement import Insert, split_insert

_DEFAULT_FORMAT = "TabSeparated"


@dataclass(slots=True)
class Asked:
    """One request, decoded. Exactly one of `sql` and `insert` is set."""

    sql: str = ""
    insert: Insert | None = None
    form: str = _DEFAULT_FORMAT
    database: str = ""
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    session_id: str = ""
    session_timeout_s: float = 60.0
    session_check: bool = False
    close_session: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    compress: bool = False


def decode(headers: Mapping[str, str], query: MultiMapping[str], body: bytes, limit: int) -> Asked:
    """Read the whole request: URL parameters, form fields, body. Blocks while it decompresses."""
    body = decompress(body, headers.get("Content-Encoding", "").strip().lower(), limit)
    fields = dict(query)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        fields |= _multipart(headers["Content-Type"], body)
        body = b""
    elif kind == "application/x-www-form-urlencoded" and "query" not in fields and body.startswith(b"query="):
        fields |= dict(parse_qsl(body.decode(), keep_blank_values=True))
        body = b""
    asked = _fields(fields, headers)
    text = fields.get("query", "").encode()
    # As in ClickHouse, the statement is the one in the URL continued by the body.
    insert = split_insert(text + b"\n" + body if text else body)
    if insert is not None:
        asked.insert = insert
        return asked
    try:
        asked.sql = (text + (b"\n" if text and body else b"") + body).decode()
    except UnicodeDecodeError as error:
        raise ServerError(SYNTAX_ERROR, f"The query is not valid UTF-8: {error}") from None
    if not asked.sql.strip():
        raise ServerError(SYNTAX_ERROR, "Syntax error: Empty query")
    if "\0" in asked.sql:
        raise ServerError(SYNTAX_ERROR, "Syntax error: the query holds a zero byte")
    return asked


def _fields(fields: Mapping[str, str], headers: Mapping[str, str]) -> Asked:
    asked = Asked(
        form=headers.get("X-ClickHouse-Format") or fields.get("default_format") or _DEFAULT_FORMAT,
        database=headers.get("X-ClickHouse-Database") or fields.get("database", ""),
        session_id=fields.get("session_id", ""),
        session_check=fields.get("session_check", "0") not in ("", "0"),
        close_session=fields.get("close_session", "0") not in ("", "0"),
        compress=fields.get("enable_http_compression", "0") not in ("", "0", "false"),
    )
    if not asked.form.isalnum():
        raise ServerError(UNKNOWN_FORMAT, f"Unknown format {asked.form}")
    if fields.get("query_id"):
        asked.query_id = fields["query_id"]
    if fields.get("session_timeout"):
        try:
            asked.session_timeout_s = min(3600.0, max(1.0, float(fields["session_timeout"])))
        except ValueError:
            raise ServerError(BAD_ARGUMENTS, "session_timeout needs a number of seconds") from None
    for name in ("compress", "decompress"):
        if fields.get(name, "0") not in ("", "0", "false"):
            raise ServerError(
                NOT_IMPLEMENTED,
                f"{name}=1 (ClickHouse's own block compression) is not supported; use Content-Encoding "
                "and enable_http_compression=1",
            )
    if fields.get("role"):
        raise ServerError(NOT_IMPLEMENTED, "role= is not supported: the login decides")
    for name, value in fields.items():
        if name.startswith("param_"):
            asked.params[name.removeprefix("param_")] = value
        elif name not in RESERVED:
            asked.settings[name] = value
    return asked


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a form, as clickhouse-connect sends queries that carry parameters."""
    message = message_from_bytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body, policy=policy.HTTP
    )
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise ServerError(NOT_IMPLEMENTED, "External data in a query is not supported; insert it into a table.")
        payload = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(payload, bytes):
            raise ServerError(BAD_ARGUMENTS, "The multipart form has a part without a name")
        fields[name] = payload.decode()
    return fields
