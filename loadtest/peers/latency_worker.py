"""The real worker of a stack, which notes when it has counted each batch. Argument: the file to write that to."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import orjson

from streams.checkpoints import Checkpoints
from streams.settings import Settings
from streams.worker import run

COUNTED = "counted.ndjson"


def main() -> None:
    # Appended to: a worker that is started again goes on where it was.
    counted = Path(sys.argv[1]).open("ab", 0)  # noqa: SIM115 - for the life of the process
    count = Checkpoints.add

    async def add(checkpoints: Checkpoints, batch: Any) -> None:
        await count(checkpoints, batch)
        partition = checkpoints._partitions.get((batch.topic, batch.partition))
        if partition is None or partition.epoch != batch.epoch or partition.position < batch.next_offset:
            return  # It was dropped: the partition has moved, its owner of today counts it.
        counted.write(orjson.dumps((batch.topic, batch.partition, batch.next_offset, time.monotonic())) + b"\n")

    setattr(Checkpoints, "add", add)  # noqa: B010 - this process has no other purpose
    run(Settings())


if __name__ == "__main__":
    main()
