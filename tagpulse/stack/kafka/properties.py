"""The configuration of one node. Pure text: no file is read or written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagpulse.stack.ports import HOST


@dataclass(frozen=True)
class NodePorts:
    """Where one node listens on 127.0.0.1."""

    client: int
    controller: int


def copies(nodes: int) -> int:
    """The replication factor that so many nodes can keep."""
    return min(3, nodes)


def server_properties(number: int, ports: Sequence[NodePorts], log_dir: Path) -> str:
    """The server.properties of node `number` (from 1) of a cluster whose nodes listen on `ports`.

    Every node is broker and controller. With three nodes or more one may be away: whatever was acknowledged to
    a producer with acks=all lies on two of them.
    """
    own, factor = ports[number - 1], copies(len(ports))
    in_sync = max(1, factor - 1)
    return _text(
        {
            "process.roles": "broker,controller",
            "node.id": number,
            # Fixed voters: their addresses are read from here, so ports may change between lives on kept data.
            "controller.quorum.voters": ",".join(f"{n}@{HOST}:{p.controller}" for n, p in enumerate(ports, 1)),
            "listeners": f"CLIENT://{HOST}:{own.client},CONTROLLER://{HOST}:{own.controller}",
            "advertised.listeners": f"CLIENT://{HOST}:{own.client}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": log_dir,
            # A topic made by a typing error would be counted by nobody.
            "auto.create.topics.enable": "false",
            "default.replication.factor": factor,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": factor,
            "transaction.state.log.replication.factor": factor,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": factor,
            "share.coordinator.state.topic.min.isr": in_sync,
            # Sized for one machine: the defaults make 50 partitions of each.
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.num.partitions": 4,
            # A lone worker need not wait for others to join.
            "group.initial.rebalance.delay.ms": 0,
        }
    )


def _text(values: Mapping[str, object]) -> str:
    return "".join(f"{name}={_escaped(str(value))}\n" for name, value in values.items())


def _escaped(value: str) -> str:
    r"""As java.util.Properties reads it back: Latin-1, `\` escapes, `\uXXXX` for the rest (in UTF-16)."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    found = (int.from_bytes(units[n : n + 2], "big") for n in range(0, len(units), 2))
    return "".join(chr(unit) if 0x20 < unit < 0x7F else f"\\u{unit:04x}" for unit in found)
