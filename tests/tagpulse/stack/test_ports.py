from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tagpulse.stack.errors import PortTakenError
from tagpulse.stack.ports import HOST, free_port, is_free, require_free


def test_a_chosen_port_is_not_one_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if lowest <= 16_000:
        pytest.skip("nearly every port of this machine is for outgoing connections")
    assert all(15_000 <= free_port() < lowest for _ in range(50))


def test_a_port_that_is_listened_on_is_taken() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(PortTakenError, match=rf"Port {port} .* wanted for Kafka, is in use"):
            require_free(port, "Kafka")
    require_free(port, "Kafka")


def test_lingering_connections_do_not_take_a_port() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # closes first, so the server's side waits in TIME_WAIT
        client.close()
    assert is_free(port)
