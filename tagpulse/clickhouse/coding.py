"""Compression of bodies, both ways, with a bound on what a compressed body may become."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import lz4.frame  # type: ignore[import-untyped]
from backports import zstd

from tagpulse.clickhouse.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, TOO_LARGE, ServerError

# In the order of what costs a loopback connection least.
_OFFERED = ("lz4", "zstd", "gzip", "deflate")


class Compressor(Protocol):
    """A stream of compressed bytes."""

    def compress(self, data: bytes) -> bytes:
        """Take in some bytes, give out what is ready."""

    def finish(self) -> bytes:
        """The rest."""


def decompress(data: bytes, encoding: str, limit: int) -> bytes:
    """The body behind a `Content-Encoding`; concatenated frames are one body, a cut one is an error."""
    if encoding in ("", "identity"):
        return data
    make = _DECOMPRESSORS.get(encoding)
    if make is None:
        raise ServerError(NOT_IMPLEMENTED, f"Content-Encoding {encoding} is not supported; use {', '.join(_OFFERED)}")
    parts: list[bytes] = []
    size = 0
    try:
        while data:
            decoder = make()
            while not decoder.eof:
                part = decoder.decompress(data, limit - size + 1)
                data = b""
                size += len(part)
                if size > limit:
                    raise ServerError(TOO_LARGE, f"The request's body is larger than {limit} bytes when decompressed")
                parts.append(part)
                if isinstance(decoder, _Zlib):
                    data = decoder.tail
                if not part and not data and not decoder.eof:
                    raise ServerError(CANNOT_DECOMPRESS, f"The {encoding} body ends too early")
            data = decoder.unused_data or b""
    except (zlib.error, zstd.ZstdError, RuntimeError, EOFError) as error:
        raise ServerError(CANNOT_DECOMPRESS, f"The body is not valid {encoding}: {error}") from None
    return b"".join(parts)


class _Zlib:
    """zlib's decoder with the interface of the others: gzip and zlib headers, or raw deflate."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=47)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def tail(self) -> bytes:
        return self._decoder.unconsumed_tail

    def decompress(self, data: bytes, limit: int) -> bytes:
        return self._decoder.decompress(data, limit)


_DECOMPRESSORS: dict[str, Any] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "zstd": zstd.ZstdDecompressor,
    "lz4": lz4.frame.LZ4FrameDecompressor,
}


class _ZlibOut:
    def __init__(self, wbits: int) -> None:
        self._encoder = zlib.compressobj(1, wbits=wbits)

    def compress(self, data: bytes) -> bytes:
        return self._encoder.compress(data)

    def finish(self) -> bytes:
        return self._encoder.flush()


class _ZstdOut:
    def __init__(self) -> None:
        self._encoder = zstd.ZstdCompressor(level=1)

    def compress(self, data: bytes) -> bytes:
        return self._encoder.compress(data)

    def finish(self) -> bytes:
        return self._encoder.flush()


class _Lz4Out:
    def __init__(self) -> None:
        self._encoder = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._encoder.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._encoder.compress(data))

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._encoder.flush())


def negotiate(accept: str) -> tuple[str, Compressor] | None:
    """The first of our encodings that an `Accept-Encoding` takes."""
    accepted = {}
    for item in accept.split(","):
        name, _, weight = item.partition(";")
        accepted[name.strip().lower()] = weight.replace(" ", "")
    for name in _OFFERED:
        if name in accepted and accepted[name] not in ("q=0", "q=0.0"):
            return name, _compressor(name)
    return None


def _compressor(name: str) -> Compressor:
    if name == "lz4":
        return _Lz4Out()
    if name == "zstd":
        return _ZstdOut()
    return _ZlibOut(31 if name == "gzip" else 15)
