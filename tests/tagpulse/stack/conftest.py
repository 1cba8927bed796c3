from __future__ import annotations

from pathlib import Path

import pytest

from tagpulse.stack.logfile import LogFile


@pytest.fixture
def journal_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-ins of this test write their journal."""
    path = tmp_path / "journal"
    monkeypatch.setenv("JOURNAL", str(path))
    return path


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "logs" / "process.log")


@pytest.fixture(autouse=True)
def temporary_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary stack directories of a test are made here, also by programs that it starts."""
    path = tmp_path_factory.mktemp("tmp")
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path
