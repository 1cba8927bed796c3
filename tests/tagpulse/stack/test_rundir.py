from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tagpulse.stack.errors import DataDirectoryError, DataDirectoryInUseError
from tagpulse.stack.rundir import RunDirectory


def test_a_kept_directory_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with RunDirectory(path) as directory:
        (directory.clickhouse / "table").write_text("rows")
    with RunDirectory(path) as directory:
        assert (directory.clickhouse / "table").read_text() == "rows"
        assert directory.logs == path / "logs"


def test_a_temporary_directory_goes() -> None:
    with RunDirectory(None) as directory:
        (directory.logs / "it.log").write_text("words")
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert not directory.path.exists()


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    with (
        RunDirectory(tmp_path),
        pytest.raises(DataDirectoryInUseError, match=rf"{tmp_path}.*process {os.getpid()}.*Stop that stack"),
        RunDirectory(tmp_path),
    ):
        pytest.fail("entered twice")
    with RunDirectory(tmp_path):
        pass


def test_the_lock_is_held_as_long_as_a_process_shares_it(tmp_path: Path) -> None:
    with RunDirectory(tmp_path) as directory:
        holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[directory.lock])
    with pytest.raises(DataDirectoryInUseError), RunDirectory(tmp_path):
        pass
    holder.communicate(b"\n")
    with RunDirectory(tmp_path):
        pass


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match="Not a directory"), RunDirectory(tmp_path / "file" / "x"):
        pass


def test_what_a_killed_stack_left_is_swept(temporary_directory: Path) -> None:
    left = temporary_directory / "tagpulse-stack-left"
    left.mkdir()
    (left / "lock").touch()
    foreign = temporary_directory / "tagpulse-stack-foreign"
    foreign.mkdir()
    with RunDirectory(None) as running, RunDirectory(None):
        assert not left.exists()
        assert foreign.exists(), "without a lock file it may not be ours"
        assert running.path.exists()
