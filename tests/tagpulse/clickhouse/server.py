"""A server process for tests: chDB takes one directory per process, so it can not run inside of pytest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import clickhouse_connect
from clickhouse_connect.driver.client import Client

WRITER = ("writer", "writer's secret")
ANALYST = ("analyst", "analyst's secret")
ENVIRONMENT = {
    "TAGPULSE_CLICKHOUSE_USER": WRITER[0],
    "TAGPULSE_CLICKHOUSE_PASSWORD": WRITER[1],
    "TAGPULSE_ANALYST_USER": ANALYST[0],
    "TAGPULSE_ANALYST_PASSWORD": ANALYST[1],
}


def command(data: Path, port: int = 0, *more: str) -> list[str]:
    return [sys.executable, "-m", "tagpulse.clickhouse", "--port", str(port), "--data", str(data), *more]


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> int:
        return int(self.headers.get("x-clickhouse-exception-code", "0"))

    @property
    def summary(self) -> dict[str, str]:
        summary: dict[str, str] = json.loads(self.headers["x-clickhouse-summary"])
        return summary


class ServerProcess:
    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data
        self._log = (data.parent / f"{data.name}.log").open("a+")
        self.process = subprocess.Popen(
            command(data, port),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | ENVIRONMENT,
        )
        line = self._stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"the server did not start: {Path(self._log.name).read_text()}")
        ready = json.loads(line)
        assert ready["pid"] == self.process.pid
        self.port: int = ready["port"]

    @property
    def _stdout(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._stdout.close()
        self._log.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, login: tuple[str, str] = WRITER, **more: Any) -> Client:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=login[0], password=login[1], **more
        )

    def post(
        self,
        sql: str | bytes = b"",
        login: tuple[str, str] | None = WRITER,
        headers: Mapping[str, str] | None = None,
        **parameters: str | int,
    ) -> Answer:
        body = sql.encode() if isinstance(sql, str) else sql
        return self.request(body, login, headers or {}, "POST", parameters)

    def get(self, sql: str, login: tuple[str, str] | None = WRITER, **parameters: str | int) -> Answer:
        return self.request(b"", login, {}, "GET", {"query": sql, **parameters})

    def request(
        self,
        body: bytes,
        login: tuple[str, str] | None,
        headers: Mapping[str, str],
        method: str,
        parameters: Mapping[str, str | int],
    ) -> Answer:
        """One request by plain HTTP; errors are answers too."""
        sent = dict(headers)
        if login is not None:
            sent |= {"X-ClickHouse-User": login[0], "X-ClickHouse-Key": login[1]}
        url = f"http://127.0.0.1:{self.port}/?{urllib.parse.urlencode(parameters)}"
        data = body if method == "POST" else None
        request = urllib.request.Request(url, data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())

    def value(self, sql: str) -> str:
        answer = self.post(sql)
        assert answer.status == 200, answer.text
        return answer.text.strip()


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
