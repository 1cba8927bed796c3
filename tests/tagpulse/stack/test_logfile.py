from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tagpulse.stack.logfile import LogFile


def write(log: LogFile, data: bytes) -> None:
    descriptor = log.begin()
    os.write(descriptor, data)
    os.close(descriptor)


def test_nothing_was_written_yet(log: LogFile) -> None:
    assert log.tail() == ""
    assert log.lines() == []


def test_lines_are_complete_lines_since_the_last_start(log: LogFile) -> None:
    write(log, b"old\n")
    write(log, b"new\nhalf")
    assert log.lines() == ["new"]
    assert log.tail() == "new\nhalf"


def test_bytes_that_are_no_text(log: LogFile) -> None:
    write(log, b"\xff\xfe\n")
    assert log.tail() == "\ufffd\ufffd"


def test_a_big_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagpulse.stack.logfile.ROTATE_BYTES", 10)
    log = LogFile(tmp_path / "it.log")
    for text in (b"0123456789\n", b"a\n", b"b\n"):
        write(log, text)
    assert (tmp_path / "it.log.1").read_text() == "0123456789\n"
    assert log.path.read_text() == "a\nb\n"
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
