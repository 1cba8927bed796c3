"""A Kafka of one or more nodes in one directory.

DIR/cluster.json           number of nodes, cluster id
DIR/announced              there once those who keep track of offsets know of this log
DIR/node-N/server.properties, DIR/node-N/log/, DIR/node-N/tmp/
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tagpulse.stack.errors import DataDirectoryError, ProcessExitedError
from tagpulse.stack.kafka import jars
from tagpulse.stack.kafka.node import KafkaNode, java_command, java_environment
from tagpulse.stack.kafka.properties import NodePorts, copies, server_properties
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import HOST, free_ports
from tagpulse.stack.process import ManagedProcess

_FORMATTER_HEAP = "128m"


class KafkaCluster:
    """A Broker (see there) whose log is on disk."""

    durable = True
    idempotent = True

    def __init__(
        self,
        folder: Path,
        logs: Path,
        *,
        nodes: int = 1,
        port: int = 0,
        grace_s: float = 60.0,
        lock: int | None = None,
    ) -> None:
        """`port`: of the first node, the others follow; 0: free ones are chosen. `logs`: what the processes say."""
        self.replication_factor = copies(nodes)
        self._folder = folder
        self._logs = logs
        free = free_ports(2 * nodes)
        clients = [port + n for n in range(nodes)] if port else free[:nodes]
        self._ports = [NodePorts(*pair) for pair in zip(clients, free[nodes:], strict=True)]
        self._nodes = [self._node(number, grace_s, lock) for number in range(1, nodes + 1)]

    def _node(self, number: int, grace_s: float, lock: int | None) -> KafkaNode:
        name = f"broker-{number}" if len(self._ports) > 1 else "broker"
        return KafkaNode(
            number,
            name,
            LogFile(self._logs / f"{name}.log"),
            folder=self._folder / f"node-{number}",
            port=self._ports[number - 1].client,
            grace_s=grace_s,
            lock=lock,
        )

    @property
    def nodes(self) -> Sequence[KafkaNode]:
        """See Broker."""
        return self._nodes

    @property
    def bootstrap_servers(self) -> str:
        """See Broker."""
        return ",".join(f"{HOST}:{ports.client}" for ports in self._ports)

    @property
    def log_is_new(self) -> bool:
        """See Broker."""
        return not self._announced.exists()

    @property
    def _announced(self) -> Path:
        return self._folder / "announced"

    def announced(self) -> None:
        """See Broker."""
        self._announced.touch()

    async def prepare(self, tell: Callable[[str], None]) -> None:
        """See Broker. Raises ToolMissingError, DownloadError, DataDirectoryError, or what the formatter's end says."""
        await jars.require_java()
        await jars.fetch(LogFile(self._logs / "broker-download.log"), tell)
        if "," in str(self._folder):
            raise DataDirectoryError(self._folder, "Kafka takes a comma for the end of a path", "Choose another name.")
        if self._folder.exists():
            self._check_kept()
        else:
            await self._format()
        for node in self._nodes:
            self._configure(node, self._folder)

    def _check_kept(self) -> None:
        try:
            kept = json.loads((self._folder / "cluster.json").read_text())["nodes"]
        except (OSError, ValueError, KeyError) as error:
            raise DataDirectoryError(
                self._folder, f"it is not a log that was made here: {error!r}", "Choose another data directory."
            ) from error
        if kept != len(self._nodes):
            raise DataDirectoryError(
                self._folder,
                f"it is the log of {kept} node(s), not of {len(self._nodes)}",
                f"Start with --kafka-nodes {kept}, or choose another data directory.",
            )

    async def _format(self) -> None:
        """Make the directory, whole or not at all."""
        # An id that began with a dash would be taken for an option.
        cluster = "T" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]
        unborn = self._folder.with_name(self._folder.name + ".new")
        shutil.rmtree(unborn, ignore_errors=True)
        for node in self._nodes:
            self._configure(node, unborn)
        formatters = [asyncio.create_task(self._format_node(node, unborn, cluster)) for node in self._nodes]
        try:
            await asyncio.gather(*formatters)
        finally:
            for formatter in formatters:
                formatter.cancel()
            await asyncio.gather(*formatters, return_exceptions=True)
        (unborn / "cluster.json").write_text(json.dumps({"nodes": len(self._nodes), "cluster": cluster}))
        unborn.rename(self._folder)

    async def _format_node(self, node: KafkaNode, parent: Path, cluster: str) -> None:
        folder = parent / node.folder.name
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config"]
        process = ManagedProcess(
            f"{node.name} (format)",
            [*java_command(folder, _FORMATTER_HEAP), *tool, str(folder / node.properties.name)],
            env=java_environment(),
            log=node.log,
            grace_s=1.0,
        )
        if await jars.run_to_end(process) != 0:
            raise ProcessExitedError(process.name, process.exit_text(), node.log.tail(), node.log.path)

    def _configure(self, node: KafkaNode, parent: Path) -> None:
        folder = parent / node.folder.name
        (folder / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
        number = self._nodes.index(node) + 1
        (folder / node.properties.name).write_text(server_properties(number, self._ports, folder / "log"))
