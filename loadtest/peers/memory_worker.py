"""A worker of a stack that counts in memory, one of several in a group. Argument: a folder.

Writes the records counted so far into the file <worker name>.seen (8 bytes, little-endian), and its counts into
<worker name>.ndjson once there is a file `deliver`. The group must be complete before the first record comes: a
partition that moves would be counted from its beginning again.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from loadtest.peers.job import write_counts
from loadtest.peers.memory_writer import MemoryWriter, install
from streams.settings import Settings
from streams.worker import run

SEEN, COUNTS, DELIVER = ".seen", ".ndjson", "deliver"
_LOOK_S = 0.1


def main() -> None:
    folder, settings = Path(sys.argv[1]), Settings()
    name = settings.worker_name
    seen = (folder / f"{name}{SEEN}").open("wb", 0)

    def written(records: int) -> None:
        seen.seek(0)
        seen.write(records.to_bytes(8, "little"))

    def deliver() -> None:
        while not (folder / DELIVER).exists():
            time.sleep(_LOOK_S)
        partial = folder / f"{name}.partial"
        write_counts(partial, writer.counts())
        partial.rename(folder / f"{name}{COUNTS}")

    writer = MemoryWriter(written)
    install(writer)
    threading.Thread(target=deliver, daemon=True).start()
    run(settings)


def records_seen(folder: Path, name: str) -> int:
    """What the worker `name` has counted so far."""
    try:
        return int.from_bytes((folder / f"{name}{SEEN}").read_bytes(), "little")
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    main()
