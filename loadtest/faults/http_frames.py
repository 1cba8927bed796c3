"""HTTP/1.1, as far as a proxy needs it: where a message ends, and the SQL it carries."""

from __future__ import annotations

import re
from collections import deque
from urllib.parse import unquote_plus

from loadtest.faults.framing import Message

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_HEAD_END, _LINE_END = b"\r\n\r\n", b"\r\n"
#: Of a request's body, enough to see what statement it is.
_NAMED_BYTES = 300


class HttpFrames:
    """Requests are called by their line and the beginning of their body, decoded: a ClickHouse statement is in
    the one or the other. Clients must not pipeline.
    """

    def __init__(self) -> None:
        self._up, self._down = bytearray(), bytearray()
        self._asked: deque[str] = deque()

    def requests(self, data: bytes) -> list[Message]:
        self._up += data
        found = []
        while (end := _end(self._up, whole_without_length=True)) is not None:
            message = bytes(self._up[:end])
            del self._up[:end]
            head, _, body = message.partition(_HEAD_END)
            line = unquote_plus(head.partition(_LINE_END)[0].decode("latin-1"))
            self._asked.append(f"{line} {body[:_NAMED_BYTES].decode('latin-1')}")
            found.append(Message(self._asked[-1], message))
        return found

    def answers(self, data: bytes) -> list[Message]:
        self._down += data
        found = []
        while (end := _end(self._down, whole_without_length=not data)) is not None:
            name = self._asked.popleft() if self._asked else "unknown"
            found.append(Message(name, bytes(self._down[:end])))
            del self._down[:end]
        return found

    def answered(self, request: Message) -> None:
        self._asked.pop()


def _end(buffer: bytearray, *, whole_without_length: bool) -> int | None:
    """Where the first message ends; None while it is not whole.

    A message that tells no length: a request has no body; an answer ends where the server closes.
    """
    body = buffer.find(_HEAD_END) + len(_HEAD_END)
    if body < len(_HEAD_END):
        return None
    head = bytes(buffer[:body])
    if _CHUNKED.search(head):
        return _chunks_end(buffer, body)
    if length := _LENGTH.search(head):
        end = body + int(length[1])
        return end if len(buffer) >= end else None
    return (body if not head.startswith(b"HTTP/") else len(buffer)) if whole_without_length else None


def _chunks_end(buffer: bytearray, at: int) -> int | None:
    while (line := buffer.find(_LINE_END, at)) >= 0:
        size = int(bytes(buffer[at:line]).partition(b";")[0], 16)
        at = line + 2 + size + 2
        if len(buffer) < at:
            return None
        if size == 0:
            return at
    return None
