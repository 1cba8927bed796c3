"""Errors as ClickHouse states them: a code, a message, a name, and the HTTP status that goes with the code."""

from __future__ import annotations

import re

_CODE = re.compile(r"Code: (\d+)\.")

# The codes this server raises itself; everything else comes from the engine with its own code.
BAD_ARGUMENTS = (36, "BAD_ARGUMENTS")
CANNOT_READ_ALL_DATA = (33, "CANNOT_READ_ALL_DATA")
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
SYNTAX_ERROR = (62, "SYNTAX_ERROR")
TOO_LARGE = (307, "TOO_MANY_BYTES")
UNKNOWN_FORMAT = (73, "UNKNOWN_FORMAT")
READONLY = (164, "READONLY")
TOO_MANY_QUERIES = (202, "TOO_MANY_SIMULTANEOUS_QUERIES")
SESSION_IS_LOCKED = (373, "SESSION_IS_LOCKED")
SESSION_NOT_FOUND = (372, "SESSION_NOT_FOUND")
ACCESS_DENIED = (497, "ACCESS_DENIED")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
ABORTED = (236, "ABORTED")
UNKNOWN = (1002, "UNKNOWN_EXCEPTION")

# What ClickHouse's own HTTP handler answers for these codes; every other code is a 500.
_STATUS = {
    **dict.fromkeys((194, AUTHENTICATION_FAILED[0]), 401),
    **dict.fromkeys((192, 193, 511, ACCESS_DENIED[0]), 403),
    **dict.fromkeys((6, 7, 8, 9, 26, 27, 33, 36, 38, 41, 43, 44, 53, 62, 69, 70, 72, 117, 130, 131), 400),
    **dict.fromkeys((CANNOT_DECOMPRESS[0], 427, 456, 457), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 75, 78, 81, 115, 139, SESSION_NOT_FOUND[0]), 404),
    TOO_LARGE[0]: 413,
    ABORTED[0]: 503,
    NOT_IMPLEMENTED[0]: 501,
    159: 408,
    202: 503,
}


class ServerError(Exception):
    """A failure to report to the client: `code` and `name` of ClickHouse, and a whole message."""

    def __init__(self, kind: tuple[int, str], text: str) -> None:
        self.code, self.name = kind
        self.message = f"Code: {self.code}. DB::Exception: {text} ({self.name})"
        super().__init__(self.message)

    @property
    def status(self) -> int:
        """The HTTP status ClickHouse sends with this code."""
        return _STATUS.get(self.code, 500)


class EngineError(ServerError):
    """What chDB raised, with the code the engine put into its text."""

    def __init__(self, error: BaseException | str) -> None:
        text = str(error)
        found = _CODE.search(text)
        super().__init__((int(found[1]) if found else UNKNOWN[0], UNKNOWN[1]), text)
        if found:
            self.message = text[found.start() :]
