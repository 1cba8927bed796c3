"""`python -m tagpulse.clickhouse`: the server's arguments and its life.

Logins come from the environment (TAGPULSE_CLICKHOUSE_USER and _PASSWORD, TAGPULSE_ANALYST_USER and
_PASSWORD), never from the command line, which everybody on the machine can read. When the server is ready it
prints one line `{"port": N, "pid": N}`. SIGTERM and SIGINT end it: what runs may finish, data is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import errno
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from aiohttp import web

from tagpulse.clickhouse.access import Credentials

HOST = "127.0.0.1"
_DRAIN_S = 10.0
_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PARENT_WATCH_S = 0.5


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop. 0: stopped cleanly; 2: could not start."""
    parser = argparse.ArgumentParser(prog="python -m tagpulse.clickhouse", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--data", type=Path, required=True, help="directory that keeps the data")
    parser.add_argument("--port-file", type=Path, help="file to write the ready line to as well")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when the parent process ends")
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parent = os.getppid()
    if options.exit_with_parent:
        _die_with_parent(parent)
    try:
        credentials = _credentials()
        # Before the engine, which takes longer and would hold the directory: a taken port is told at once.
        listener = _listen(options.port)
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # Imported late: loading chDB takes a quarter of a second that the errors above need not wait for.
    from tagpulse.clickhouse.engine import DataDirectoryInUseError, Engine
    from tagpulse.clickhouse.errors import ServerError

    try:
        engine = Engine(options.data)
    except (DataDirectoryInUseError, ServerError, RuntimeError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    watched = parent if options.exit_with_parent else None
    idle = asyncio.run(_serve(engine, credentials, listener, options.port_file, watched))
    # The interpreter gives up our handlers at its own end, but leaves ignored signals ignored.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if not idle:
        # Something in the engine did not stop: what was acknowledged is on disk, so leave without it.
        logging.getLogger(__name__).warning("queries were still running at the end")
        os._exit(0)
    engine.close()
    return 0


def _credentials() -> Credentials:
    def pair(prefix: str) -> tuple[str, str]:
        names = (f"{prefix}_USER", f"{prefix}_PASSWORD")
        values = [os.environ.pop(name, "") for name in names]
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if missing:
            raise StartError(f"set {' and '.join(missing)} in the environment: no login has an empty name or password")
        return values[0], values[1]

    credentials = Credentials(writer=pair("TAGPULSE_CLICKHOUSE"), analyst=pair("TAGPULSE_ANALYST"))
    if credentials.writer[0] == credentials.analyst[0]:
        raise StartError("TAGPULSE_CLICKHOUSE_USER and TAGPULSE_ANALYST_USER must differ")
    return credentials


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A server that was just killed leaves connections in TIME_WAIT, which must not keep its port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} on {HOST} is taken by another process; stop it or choose another with --port (0: any)"
            ) from None
        raise StartError(f"cannot listen on port {port} of {HOST}: {error}") from None
    except OverflowError:
        listener.close()
        raise StartError(f"{port} is not a port: 0 to 65535") from None
    listener.setblocking(False)
    return listener


def _die_with_parent(parent: int) -> None:
    """Ask the kernel for a SIGTERM at the parent's death; `_serve` watches as well, where prctl is not there."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


async def _serve(
    engine: object, credentials: Credentials, listener: socket.socket, port_file: Path | None, parent: int | None
) -> bool:
    """Serve until a signal or the parent's death. True if nothing runs any more."""
    from tagpulse.clickhouse.engine import Engine
    from tagpulse.clickhouse.http import Server

    assert isinstance(engine, Engine)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    # Not `add_signal_handler`: the loop takes its handlers back when it ends, and a second signal would then kill
    # the process while the engine closes.
    for number in _STOP_SIGNALS:
        signal.signal(number, end)
    server = Server(engine, credentials, socket.gethostname())
    runner = web.AppRunner(
        server.application(),
        auto_decompress=False,
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    site = web.SockSite(runner, listener)
    await site.start()
    ready = json.dumps({"port": listener.getsockname()[1], "pid": os.getpid()})
    if port_file is not None:
        partial = port_file.with_name(port_file.name + ".partial")
        partial.write_text(ready + "\n")
        partial.replace(port_file)
    print(ready, flush=True)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PARENT_WATCH_S if parent is not None else None)
        if parent is not None and os.getppid() != parent:
            stop.set()
    await site.stop()
    idle = await server.drain(_DRAIN_S)
    await runner.cleanup()
    return idle


if __name__ == "__main__":
    sys.exit(main())
