"""Stand-ins for the worker and the ClickHouse server: they serve HTTP and keep a journal of what befell them.

Run as a program: `fakes.py worker` or `fakes.py clickhouse --port N …`. The journal is the file $JOURNAL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

SCRIPT = str(Path(__file__).resolve())


def worker_command(index: int) -> tuple[Sequence[str], Mapping[str, str]]:
    return [sys.executable, SCRIPT, "worker"], {"NAME": f"worker-{index}"}


def stubborn_worker_command(index: int) -> tuple[Sequence[str], Mapping[str, str]]:
    return [sys.executable, SCRIPT, "worker"], {"NAME": f"worker-{index}", "STUBBORN": "1"}


def clickhouse_command(port: int, data: Path) -> Sequence[str]:
    return [sys.executable, SCRIPT, "clickhouse", str(port), str(data)]


def note(event: str) -> None:
    with Path(os.environ["JOURNAL"]).open("a") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), "env": dict(os.environ)}) + "\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path in ("/ready", "/ping")
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"Ok.\n")

    def log_message(self, *_: object) -> None:
        pass


def main(role: str, rest: list[str]) -> None:
    name = os.environ.get("NAME", role) if role == "worker" else role
    port = int(os.environ["TAGPULSE_HEALTH_PORT"] if role == "worker" else rest[0])
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def stop(number: int, frame: FrameType | None) -> None:
        note(f"{name} asked to stop")
        if not os.environ.get("STUBBORN"):
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    note(f"{name} started")
    print(json.dumps({"port": port, "pid": os.getpid()}), flush=True)
    server.serve_forever()
    server.server_close()
    note(f"{name} stopped")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
