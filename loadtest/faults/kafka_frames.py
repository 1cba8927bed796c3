"""Kafka's protocol, as far as a proxy needs it: lengths, names of requests, and the addresses of brokers."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from loadtest.faults.framing import Message

_NAMES = {
    0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit", 9: "OffsetFetch",
    10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup", 18: "ApiVersions",
}  # fmt: skip
_TELL_ADDRESSES = ("Metadata", "FindCoordinator")
_HOST = b"127.0.0.1"
#: A request and an answer begin alike: length, then (api key, api version) or nothing, then the correlation id.
_REQUEST, _ANSWER = struct.Struct(">ihhi"), struct.Struct(">ii")


class KafkaFrames:
    """Requests are called by their names in the protocol ("Fetch", "JoinGroup", ...).

    `ports` maps the port of each broker to that of the proxy before it. Brokers must give their address as
    127.0.0.1: it is replaced byte by byte, in the answers that tell clients where to go.
    """

    def __init__(self, ports: Mapping[int, int]) -> None:
        self._ports = {port.to_bytes(4, "big"): to.to_bytes(4, "big") for port, to in ports.items()}
        self._up, self._down = bytearray(), bytearray()
        self._asked: dict[int, str] = {}

    def requests(self, data: bytes) -> list[Message]:
        found = []
        for frame in _frames(self._up, data):
            _, key, _, correlation = _REQUEST.unpack_from(frame)
            self._asked[correlation] = _NAMES.get(key, f"request {key}")
            found.append(Message(self._asked[correlation], frame))
        return found

    def answers(self, data: bytes) -> list[Message]:
        found = []
        for frame in _frames(self._down, data):
            name = self._asked.pop(_ANSWER.unpack_from(frame)[1], "unknown")
            found.append(Message(name, self._readdressed(frame) if name in _TELL_ADDRESSES else frame))
        return found

    def answered(self, request: Message) -> None:
        self._asked.pop(_REQUEST.unpack_from(request.data)[3], None)

    def _readdressed(self, frame: bytes) -> bytes:
        for port, to in self._ports.items():
            frame = re.sub(re.escape(_HOST + port), lambda _, to=to: _HOST + to, frame)  # type: ignore[misc]
        return frame


def _frames(buffer: bytearray, data: bytes) -> list[bytes]:
    buffer += data
    frames = []
    while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[:4], "big")):
        frames.append(bytes(buffer[:size]))
        del buffer[:size]
    return frames
