"""Ports on 127.0.0.1."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

from tagpulse.stack.errors import PortTakenError

HOST = "127.0.0.1"

_LOWEST = 15_000
_ATTEMPTS = 200


def free_port() -> int:
    """A port nobody listens on, from below the range the kernel takes for outgoing connections.

    Ours must still be free when a server is restarted. A port of the outgoing range might by then belong to
    some connection; worse, a client that keeps knocking on a closed loopback port of that range can be given
    this very port as its own, connects to itself, and the server can never have it back.
    """
    end = _outgoing_range_start()
    for _ in range(_ATTEMPTS if end > _LOWEST + 1000 else 0):
        port = random.randrange(_LOWEST, end)  # noqa: S311 - not a secret
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Distinct free ports."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a former listener that linger must not make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


async def accepts(port: int) -> None:
    """Return when somebody accepts a connection on `port`. Raises OSError where nobody does."""
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    await writer.wait_closed()


def require_free(port: int, what: str) -> None:
    """Raises PortTakenError unless `port` can be bound now."""
    if not is_free(port):
        raise PortTakenError(port, what)


def _outgoing_range_start() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
        return int(text.split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
