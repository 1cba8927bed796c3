"""The directory of a stack: kept, or temporary; one stack at a time.

DIR/lock               locked while a stack runs on DIR, holds its process id
DIR/credentials.json   mode 0600
DIR/clickhouse/        the server's data
DIR/kafka/             the log of Apache Kafka, where it was asked for
DIR/logs/              one file per process
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from tagpulse.stack.errors import DataDirectoryError, DataDirectoryInUseError

_TEMPORARY = "tagpulse-stack-"
_UNBORN = "tagpulse-new-"


class RunDirectory:
    """Locks the directory while entered. `lock` is a descriptor whose holders share the lock."""

    def __init__(self, path: Path | None) -> None:
        """`path`: the directory to keep, made if needed; None for a temporary one, removed on exit."""
        self.temporary = path is None
        self.lock = -1
        self._path = path.absolute() if path else None

    @property
    def path(self) -> Path:
        assert self._path is not None
        return self._path

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def clickhouse(self) -> Path:
        return self.path / "clickhouse"

    @property
    def kafka(self) -> Path:
        """Made by whoever needs it."""
        return self.path / "kafka"

    @property
    def credentials(self) -> Path:
        return self.path / "credentials.json"

    def __enter__(self) -> RunDirectory:
        """Raises DataDirectoryInUseError or DataDirectoryError."""
        if self._path is None:
            self._path, self.lock = _make_temporary()
        else:
            self.lock = _open_kept(self._path)
        try:
            os.ftruncate(self.lock, 0)
            os.write(self.lock, f"{os.getpid()}\n".encode())
            for folder in (self.logs, self.clickhouse):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            os.close(self.lock)
            raise _unusable(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def _open_kept(path: Path) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    if not _try_lock(descriptor):
        owner = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise DataDirectoryInUseError(path, owner)
    return descriptor


def _make_temporary() -> tuple[Path, int]:
    """A locked temporary directory. It takes the name that `_sweep` looks for only once it is locked."""
    _sweep()
    try:
        unborn = Path(tempfile.mkdtemp(prefix=_UNBORN))
        descriptor = _open_kept(unborn)
        path = unborn.with_name(unborn.name.replace(_UNBORN, _TEMPORARY, 1))
        unborn.rename(path)
    except OSError as error:
        raise _unusable(Path(tempfile.gettempdir()), error) from error
    return path, descriptor


def _sweep() -> None:
    """Remove what stacks that were killed by SIGKILL have left: directories of ours that nobody locks."""
    for path in Path(tempfile.gettempdir()).glob(_TEMPORARY + "*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue
        if _try_lock(descriptor):
            shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(path: Path, error: OSError) -> DataDirectoryError:
    return DataDirectoryError(
        path, error.strerror or str(error), "Choose a directory on a local disk that you can write to."
    )
