"""The process: start, stop, and what goes wrong in between."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.tagpulse.clickhouse.server import ENVIRONMENT, Answer, ServerProcess, command

TABLE = "CREATE TABLE default.kept (n UInt64) ENGINE = MergeTree ORDER BY n"


def _start(argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=os.environ | ENVIRONMENT | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_says_one_line_when_ready(tmp_path: Path) -> None:
    port_file = tmp_path / "port.json"
    argv = command(tmp_path / "data", 0, "--port-file", str(port_file))
    with subprocess.Popen(argv, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = json.loads(line)
        assert ready == {"port": ready["port"], "pid": process.pid}
        assert port_file.read_text() == line
        process.terminate()
        assert process.stdout.read() == ""
        assert process.wait(30) == 0


def test_restart_keeps_the_data(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        server.post(TABLE)
        server.post("INSERT INTO default.kept SELECT number FROM numbers(1000)")
        assert server.stop() == 0
    with ServerProcess(tmp_path / "data", server.port) as again:
        assert again.port == server.port
        assert again.value("SELECT count() FROM default.kept") == "1000"


def test_sigkill_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    with ServerProcess(tmp_path / "data") as server:
        server.post(TABLE)
        killer = threading.Timer(1.0, server.process.kill)
        killer.start()
        try:
            while server.post(f"INSERT INTO default.kept VALUES ({acknowledged})").status == 200:
                acknowledged += 1
        except OSError:
            pass
        killer.join()
    assert acknowledged > 10
    with ServerProcess(tmp_path / "data") as again:
        kept = again.value(f"SELECT uniqExact(n), count() FROM default.kept WHERE n < {acknowledged}")
        assert kept == f"{acknowledged}\t{acknowledged}"
        # The one that was under way may have landed or not, never twice.
        assert int(again.value("SELECT count() FROM default.kept")) <= acknowledged + 1


def test_a_stop_lets_an_insert_end(tmp_path: Path) -> None:
    answers: list[Answer] = []
    with ServerProcess(tmp_path / "data") as server:
        server.post(TABLE)
        sql = "INSERT INTO default.kept SELECT number + sleepEachRow(1) FROM numbers(3)"
        insert = threading.Thread(target=lambda: answers.append(server.post(sql)))
        insert.start()
        time.sleep(0.7)
        started = time.monotonic()
        server.process.terminate()
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        insert.join()
        assert server.stop() == 0
        assert time.monotonic() - started > 1.0
    assert [answer.status for answer in answers] == [200]
    with ServerProcess(tmp_path / "data") as again:
        assert again.value("SELECT count() FROM default.kept") == "3"


def test_a_stop_does_not_wait_for_readers(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        sql = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
        query = threading.Thread(target=server.post, args=(sql,))
        query.start()
        time.sleep(0.5)
        assert server.stop() == 0
        query.join()


def test_a_stop_waits_for_a_writer_with_a_bound(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        server.post(TABLE)
        sql = "INSERT INTO default.kept SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
        insert = threading.Thread(target=server.post, args=(sql,))
        insert.start()
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started > 9.0
        insert.join()
    with ServerProcess(tmp_path / "data") as again:
        assert again.value("SELECT count() FROM default.kept") == "0"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stops_with_connections_open(tmp_path: Path, how: signal.Signals) -> None:
    with ServerProcess(tmp_path / "data") as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        client = server.client()
        assert server.stop(how) == 0
        idle.close()
        client.close()


def test_more_signals_do_not_disturb_the_end(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        server.post(TABLE)
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.002)
        assert server.stop() == 0


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _start(command(tmp_path / "data", port))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_data_directory_in_use(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        done = _start(command(tmp_path / "data"))
        assert (done.returncode, done.stdout) == (2, "")
        assert str(tmp_path / "data") in done.stderr
        assert str(server.process.pid) in done.stderr
        assert server.value("SELECT 1") == "1"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"TAGPULSE_CLICKHOUSE_PASSWORD": ""}, "TAGPULSE_CLICKHOUSE_PASSWORD"),
        ({"TAGPULSE_ANALYST_USER": ""}, "TAGPULSE_ANALYST_USER"),
        ({"TAGPULSE_ANALYST_USER": "writer"}, "must differ"),
    ],
)
def test_no_login_may_be_missing(tmp_path: Path, change: dict[str, str], named: str) -> None:
    done = _start(command(tmp_path / "data"), **change)
    assert done.returncode == 2
    assert named in done.stderr


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        assert all("secret" not in part for part in psutil.Process(server.process.pid).cmdline())
        assert "secret" not in server.value("SELECT groupArray(value) FROM system.settings")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_orphan_exits(tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"server = subprocess.Popen({command(tmp_path / 'data', 0, '--exit-with-parent')!r}, stdout=subprocess.PIPE)\n"
        "sys.stdout.write(server.stdout.readline().decode())\n"
        "sys.stdout.flush()\n"
        "time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(json.loads(parent.stdout.readline())["pid"])
        assert orphan.is_running()
        parent.send_signal(how)
        parent.wait(10)
        orphan.wait(15)
        assert not orphan.is_running()
