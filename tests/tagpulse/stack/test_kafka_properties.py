from __future__ import annotations

from pathlib import Path

from tagpulse.stack.kafka.properties import NodePorts, server_properties


def parsed(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_one_node_needs_nobody_else() -> None:
    found = parsed(server_properties(1, [NodePorts(9092, 9093)], Path("/data/log")))
    assert found["listeners"] == "CLIENT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert found["log.dirs"] == "/data/log"
    factors = {name: value for name, value in found.items() if name.endswith(("factor", "isr", "replicas"))}
    assert len(factors) == 7
    assert set(factors.values()) == {"1"}


def test_of_three_nodes_one_may_be_away() -> None:
    ports = [NodePorts(9092, 9093), NodePorts(9094, 9095), NodePorts(9096, 9097)]
    found = parsed(server_properties(2, ports, Path("/data/log")))
    assert found["node.id"] == "2"
    assert found["advertised.listeners"] == "CLIENT://127.0.0.1:9094"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097"
    assert (found["default.replication.factor"], found["min.insync.replicas"]) == ("3", "2")
    assert (found["offsets.topic.replication.factor"], found["transaction.state.log.min.isr"]) == ("3", "2")


def test_any_path_is_escaped_for_java() -> None:
    text = server_properties(1, [NodePorts(1, 2)], Path("/a b/é\\c/😀"))
    assert "log.dirs=/a\\u0020b/\\u00e9\\\\c/\\ud83d\\ude00\n" in text
    assert text.isascii()
