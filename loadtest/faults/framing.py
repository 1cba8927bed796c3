"""Where messages begin and end, and what they are called: a proxy must know to lose the answer of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, whole. `name` says what was asked for."""

    name: str
    data: bytes


class Framing(Protocol):
    """Of one connection. What is fed need not end where a message ends: the rest is kept."""

    def requests(self, data: bytes) -> list[Message]:
        """The requests that are whole with `data`."""

    def answers(self, data: bytes) -> list[Message]:
        """The answers that are whole with `data`; empty `data` means that the server has closed."""

    def answered(self, request: Message) -> None:
        """`request`, the last one, is not passed on: its answer will not come."""


class Bytes:
    """No protocol: what one read brought is a message, without a name."""

    def requests(self, data: bytes) -> list[Message]:
        return [Message("", data)] if data else []

    def answers(self, data: bytes) -> list[Message]:
        return [Message("", data)] if data else []

    def answered(self, request: Message) -> None:
        pass
