"""One node of Apache Kafka, broker and controller in one process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tagpulse.stack.broker import listed_brokers
from tagpulse.stack.kafka import jars
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.server import Server

_HEAP = "512m"


class KafkaNode(Server):
    """Serves the log in `folder`; started again, the same log on the same ports."""

    purpose = "Kafka"

    def __init__(
        self,
        number: int,
        name: str,
        log: LogFile,
        *,
        folder: Path,
        port: int,
        grace_s: float,
        lock: int | None,
    ) -> None:
        """`lock`: descriptor of the lock on the data. The process shares it: it may outlive us by a moment."""
        super().__init__(name, log, port=port, grace_s=grace_s)
        self._number = number
        self.folder = folder
        self._lock = lock

    @property
    def properties(self) -> Path:
        """Its configuration file."""
        return self.folder / "server.properties"

    def argv(self) -> Sequence[str]:
        """Raises ToolMissingError."""
        return [*java_command(self.folder, _HEAP), "kafka.Kafka", str(self.properties)]

    def env(self) -> Mapping[str, str]:
        return java_environment()

    def keep_open(self) -> Sequence[int]:
        return () if self._lock is None else (self._lock,)

    async def serves(self) -> bool:
        return self._number in await listed_brokers(self.port)


def java_command(folder: Path, heap: str) -> Sequence[str]:
    """Java with Kafka's classes, up to the name of the class. Raises ToolMissingError."""
    # The quick compiler alone halves what a start costs. Temporary files (native libraries of the codecs) go where
    # they are removed with the rest.
    return [
        *(
            jars.java(),
            f"-Xmx{heap}",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            "-XX:+ExitOnOutOfMemoryError",
        ),
        *(f"-Djava.io.tmpdir={folder / 'tmp'}", "-Djava.net.preferIPv4Stack=true", "-cp", jars.class_path()),
    ]


def java_environment() -> Mapping[str, str]:
    """Nothing of ours that might turn up in a process listing, nothing of the user's meant for other programs."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
