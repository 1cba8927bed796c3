"""Toxics do what they say, on real sockets and on the frames of both protocols."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from loadtest.faults.http_frames import HttpFrames
from loadtest.faults.kafka_frames import KafkaFrames
from loadtest.faults.proxy import Proxy, kafka_proxy
from loadtest.faults.toxics import (
    DOWN,
    UP,
    Toxic,
    answered,
    bandwidth,
    black_hole,
    cut,
    http_error,
    latency,
    lost_answer,
    sliced,
)


class Echo(socketserver.ThreadingTCPServer):
    """Sends back what it is sent, and keeps it."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echoing)
        self.heard = bytearray()


class _Echoing(socketserver.BaseRequestHandler):
    server: Echo

    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.server.heard += data
                self.request.sendall(data)
        except ConnectionError:
            pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy([echo.server_address[1]]) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connected(proxy) as client:
        yield client


def connected(proxy: Proxy) -> socket.socket:
    (port,) = proxy.ports.values()
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def asked(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return received(client, len(data))


def received(client: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (part := client.recv(65536)):
        data += part
    return bytes(data)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_without_toxics_all_passes(client: socket.socket) -> None:
    data = bytes(range(256)) * 4_000
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    assert received(client, len(data)) == data
    sender.join()


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_black_hole_delivers_late(client: socket.socket, proxy: Proxy, echo: Echo, direction: object) -> None:
    assert asked(client, b"before") == b"before"
    toxic = black_hole(UP if direction is UP else DOWN)
    with proxy.toxic(toxic):
        client.sendall(b"held back")
        wait_for(lambda: toxic.hits)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert (b"held back" in echo.heard) is (direction is DOWN)
    client.settimeout(30)
    assert received(client, 9) == b"held back"


def test_nobody_sees_a_close_through_a_black_hole(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    toxic = black_hole(UP)
    with proxy.toxic(toxic):
        client.sendall(b"late")
        wait_for(lambda: toxic.hits)
        client.close()
        time.sleep(0.1)
        assert not echo.heard
    wait_for(lambda: echo.heard == b"late")


def test_a_lost_answer_was_asked_for(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    with proxy.toxic(lost_answer()) as (toxic,):
        client.sendall(b"done, but not heard of")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert echo.heard == b"done, but not heard of"
        assert toxic.hits == 1
        with connected(proxy) as second:
            assert asked(second, b"only once") == b"only once"


def test_a_cut_passes_so_many_bytes(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    called = threading.Event()
    with proxy.toxic(cut(UP, 4, on_cut=called.set)):
        client.sendall(b"half of it")
        with pytest.raises(ConnectionResetError):
            received(client, 5)
    assert called.is_set()
    wait_for(lambda: echo.heard == b"half")


def test_refused_and_back(client: socket.socket, proxy: Proxy) -> None:
    assert asked(client, b"x") == b"x"
    with proxy.refusing():
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connected(proxy)
    with connected(proxy) as again:
        assert asked(again, b"back") == b"back"


def test_a_reset_reaches_what_a_black_hole_holds(client: socket.socket, proxy: Proxy) -> None:
    with proxy.toxic(black_hole(UP), black_hole(DOWN)) as (up, _):
        client.sendall(b"held back")
        wait_for(lambda: up.hits)
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize(
    ("toxic", "at_least_s"),
    [(latency(UP, 0.2), 0.2), (latency(DOWN, 0.1, 0.1), 0.1), (bandwidth(UP, 50_000), 0.2), (sliced(DOWN, 100), 0.0)],
    ids=["latency", "jitter", "bandwidth", "slices"],
)
def test_a_bad_line_changes_nothing_but_time(
    client: socket.socket, proxy: Proxy, toxic: Toxic, at_least_s: float
) -> None:
    began, data = time.monotonic(), bytes(range(250)) * 40
    with proxy.toxic(toxic):
        assert asked(client, data) == data
        assert time.monotonic() - began >= at_least_s
    assert toxic.hits


# -- frames ---------------------------------------------------------------------------------------------------


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


_INSERT = b"POST /?query=INSERT+INTO+ingest%20(a) HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
_SELECT = b"GET /?query=SELECT+1 HTTP/1.1\r\nHost: x\r\n\r\n"
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\r\n\r\n3;x=1\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_http_messages_are_named_by_their_sql(size: int) -> None:
    frames = HttpFrames()
    asked = [message for piece in pieces(_INSERT + _SELECT, size) for message in frames.requests(piece)]
    assert [message.data for message in asked] == [_INSERT, _SELECT]
    assert "INSERT INTO ingest (a)" in asked[0].name
    assert "hello" in asked[0].name
    answers = [message for piece in pieces(_PLAIN + _CHUNKED, size) for message in frames.answers(piece)]
    assert [message.data for message in answers] == [_PLAIN, _CHUNKED]
    assert [message.name for message in answers] == [message.name for message in asked]


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    frames = HttpFrames()
    frames.requests(_SELECT)
    assert frames.answers(b"HTTP/1.1 200 OK\r\n\r\nall of") == []
    assert frames.answers(b" it") == []
    assert [message.data for message in frames.answers(b"")] == [b"HTTP/1.1 200 OK\r\n\r\nall of it"]


def test_what_the_proxy_answers_takes_no_later_answer() -> None:
    frames = HttpFrames()
    (refused,) = frames.requests(_INSERT)
    frames.answered(refused)
    frames.requests(_SELECT)
    assert "SELECT 1" in frames.answers(_PLAIN)[0].name


def test_an_error_in_place_of_the_server(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    wanted = http_error(500, 242, "Table is in readonly mode")
    with proxy.toxic(answered(wanted)):
        client.sendall(b"anything")
        assert received(client, len(wanted)) == wanted
    assert not echo.heard


def kafka_frame(*numbers: bytes) -> bytes:
    body = b"".join(numbers)
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_kafka_frames_are_named_and_brokers_readdressed(size: int) -> None:
    frames = KafkaFrames({9092: 15_001})
    fetch = kafka_frame(b"\x00\x01\x00\x04", b"\x00\x00\x00\x07", b"rest")
    metadata = kafka_frame(b"\x00\x03\x00\x04", b"\x00\x00\x00\x08", b"rest")
    asked = [message for piece in pieces(fetch + metadata, size) for message in frames.requests(piece)]
    assert [(message.name, message.data) for message in asked] == [("Fetch", fetch), ("Metadata", metadata)]
    address = b"\x00\x09127.0.0.1" + (9092).to_bytes(4, "big")
    tells = kafka_frame(b"\x00\x00\x00\x08", address)
    holds = kafka_frame(b"\x00\x00\x00\x07", address)
    told = [message for piece in pieces(tells + holds, size) for message in frames.answers(piece)]
    assert [message.name for message in told] == ["Metadata", "Fetch"]
    assert told[0].data == tells.replace((9092).to_bytes(4, "big"), (15_001).to_bytes(4, "big"))
    assert told[1].data == holds, "a record may hold the address of a broker"


@pytest.mark.parametrize("bootstrap", ["localhost:9092", "127.0.0.1", "127.0.0.1:9092,example.com:9092", ""])
def test_only_brokers_of_this_machine(bootstrap: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:PORT"):
        kafka_proxy(bootstrap)
