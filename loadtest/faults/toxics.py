"""What a proxy can do to the messages that pass it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Direction(Enum):
    """Which way a message goes."""

    UP = "up"
    """From the client to the server: requests."""
    DOWN = "down"
    """From the server to the client: answers."""


UP, DOWN = Direction.UP, Direction.DOWN


def _nothing() -> None:
    pass


@dataclass(eq=False, kw_only=True)
class Toxic:
    """Done to each message of `direction` whose name contains `match`, while the proxy has it.

    An answer has the name of its request. The effects of several toxics add up. `hits` counts the messages that
    it was done to; after `times` of them (None: no bound) it does nothing any more.
    """

    direction: Direction
    match: str = ""
    times: int | None = None
    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much is added to `latency_s`, evenly spread."""
    bytes_per_s: float | None = None
    slice_bytes: int | None = None
    """Written in pieces of so many bytes, each on its own."""
    hold: bool = False
    """Kept back while the toxic lasts, then delivered late, as a network does that comes back."""
    cut_after: int | None = None
    """So many bytes of it are passed on, then both sides of the connection are reset."""
    on_cut: Callable[[], None] = _nothing
    """Called between the last byte and the reset."""
    answer: bytes | None = None
    """Sent back at once; the server never sees the request."""
    hits: int = 0

    def takes(self, direction: Direction, name: str) -> bool:
        """Whether it is to be done to this message."""
        spent = self.times is not None and self.hits >= self.times
        return direction is self.direction and not spent and self.match in name


def latency(direction: Direction, seconds: float, jitter_s: float = 0.0, *, match: str = "") -> Toxic:
    """Every message comes late."""
    return Toxic(direction=direction, latency_s=seconds, jitter_s=jitter_s, match=match)


def bandwidth(direction: Direction, bytes_per_s: float, *, match: str = "") -> Toxic:
    """A thin line."""
    return Toxic(direction=direction, bytes_per_s=bytes_per_s, slice_bytes=max(1, int(bytes_per_s / 50)), match=match)


def sliced(direction: Direction, size: int, *, match: str = "") -> Toxic:
    """Pieces of `size` bytes."""
    return Toxic(direction=direction, slice_bytes=size, match=match)


def black_hole(direction: Direction, *, match: str = "") -> Toxic:
    """Connections are accepted and nothing gets through, for as long as the toxic lasts."""
    return Toxic(direction=direction, hold=True, match=match)


def cut(
    direction: Direction,
    after: int,
    *,
    match: str = "",
    times: int | None = 1,
    on_cut: Callable[[], None] = _nothing,
) -> Toxic:
    """The connection is reset `after` so many bytes of a message."""
    return Toxic(direction=direction, cut_after=after, match=match, times=times, on_cut=on_cut)


def lost_answer(match: str = "", *, times: int | None = 1) -> Toxic:
    """The server has done what was asked, and the connection is reset before a byte of its answer arrives."""
    return cut(DOWN, 0, match=match, times=times)


def answered(answer: bytes, *, match: str = "", times: int | None = None) -> Toxic:
    """The proxy answers in place of the server."""
    return Toxic(direction=UP, answer=answer, match=match, times=times)


def http_error(status: int, code: int, message: str) -> bytes:
    """An answer as a ClickHouse server gives it for an exception."""
    body = f"Code: {code}. DB::Exception: {message}\n".encode()
    head = (
        f"HTTP/1.1 {status} Error\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        f"X-ClickHouse-Exception-Code: {code}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
