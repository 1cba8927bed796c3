"""The response to a request."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets

from aiohttp import web

from tagpulse.clickhouse.coding import Compressor, negotiate
from tagpulse.clickhouse.engine import Statistics
from tagpulse.clickhouse.errors import ServerError
from tagpulse.clickhouse.request import Asked

_CONTENT_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
}


class Answer:
    """The response: in one piece with true headers where it can be, else sent as it comes."""

    def __init__(self, request: web.Request, headers: dict[str, str]) -> None:
        self._request = request
        self._headers = headers
        self._held: list[bytes] = []
        self._response: web.StreamResponse | None = None
        self._encoding: tuple[str, Compressor] | None = None
        self._tag = secrets.token_hex(8)
        self._status = 200
        self._error: ServerError | None = None
        self.statistics = Statistics()
        self.form = ""

    def asked(self, asked: Asked) -> None:
        """What the request says about its answer."""
        # An id is echoed as a header, so it must not be able to make a second one.
        self._headers["X-ClickHouse-Query-Id"] = "".join(c for c in asked.query_id if c.isprintable())[:256]
        if asked.compress:
            self._encoding = negotiate(self._request.headers.get("Accept-Encoding", ""))

    def hold(self, parts: list[bytes]) -> None:
        """Take a part of the answer, to be sent with what comes next or at the end."""
        self._held.extend(parts)

    async def write(self, data: bytes) -> None:
        """Send a part of an answer that does not fit in memory."""
        self._held.append(data)
        await self._flush()

    async def _flush(self) -> None:
        response = await self._started()
        held, self._held = b"".join(self._held), []
        if self._encoding is not None:
            held = await asyncio.to_thread(self._encoding[1].compress, held)
        if held:
            await response.write(held)

    async def _started(self) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(status=self._status, headers=self._final_headers())
            await self._response.prepare(self._request)
        return self._response

    def _final_headers(self) -> dict[str, str]:
        counted = self.statistics
        summary = {name: str(count) for name, count in dataclasses.asdict(counted).items()}
        headers = self._headers | {
            "X-ClickHouse-Summary": json.dumps(summary, separators=(",", ":")),
            "Content-Type": _CONTENT_TYPES.get(self.form, "text/plain; charset=UTF-8"),
        }
        if self._error is not None:
            headers["X-ClickHouse-Exception-Code"] = str(self._error.code)
        else:
            headers["X-ClickHouse-Exception-Tag"] = self._tag
        if self.form:
            headers["X-ClickHouse-Format"] = self.form
        if self._encoding is not None:
            headers["Content-Encoding"] = self._encoding[0]
        if self._status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        return headers

    async def failed(self, error: ServerError) -> None:
        """Make the response an error: by its status, or in the body where that is on its way already."""
        message = f"{error.message}\n".encode()
        if self._response is None:
            self._held = [message]
            self._status, self._error, self.form = error.status, error, ""
            self._encoding = None
            return
        # The way ClickHouse marks an error inside an answer, which clients look for.
        block = f"\r\n__exception__\r\n{self._tag}\r\n".encode() + message
        block += f"{len(message)} {self._tag}\r\n__exception__\r\n".encode()
        self._held.append(block)

    async def finished(self) -> web.StreamResponse:
        """Send the rest."""
        if self._response is None and self._encoding is None:
            return web.Response(status=self._status, headers=self._final_headers(), body=b"".join(self._held))
        await self._flush()
        response = await self._started()
        if self._encoding is not None:
            await response.write(self._encoding[1].finish())
        await response.write_eof()
        return response
