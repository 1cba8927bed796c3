"""Apache Kafka as part of a stack; stand-ins for ClickHouse and the workers."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.errors import DataDirectoryError
from tagpulse.stack.kafka.cluster import KafkaCluster
from tagpulse.stack.options import Endpoints, EventKind
from tagpulse.stack.ports import HOST
from tagpulse.stack.supervisor import Stack
from tagpulse.stack.topics import create_topics
from tests.tagpulse.stack.helpers import alive
from tests.tagpulse.stack.test_supervisor import OPTIONS, Events

pytestmark = pytest.mark.usefixtures("kafka")


@pytest.mark.faults
async def test_the_log_outlives_the_process_and_the_stack(journal_path: Path, tmp_path: Path) -> None:
    announced: list[str] = []

    async def prepare_broker(endpoints: Endpoints) -> None:
        announced.append(endpoints.kafka)

    events = Events()
    data = tmp_path / "mit Ümlaut and space"
    options = replace(OPTIONS, broker=BrokerKind.KAFKA, data=data, partitions=2, prepare_broker=prepare_broker)
    async with Stack(options, events.append) as stack:
        (node,) = stack.broker.nodes
        worker = stack.workers[0].process.pid
        listening = [c.laddr for c in psutil.Process(node.process.pid).net_connections() if c.status == "LISTEN"]
        assert {address for address, _ in listening} == {HOST}
        assert len(listening) == 2
        topics = dict.fromkeys(stack.endpoints.topics.values(), 2)
        os.kill(node.process.pid, signal.SIGKILL)
        await events.until(EventKind.READY, "broker", 2)
        assert await create_topics(stack.endpoints.kafka, dict.fromkeys(topics, 7)) == topics
        assert stack.workers[0].process.pid == worker, "workers need not be started again"
        last = node.process.pid
    assert not alive(last)
    events.clear()
    async with Stack(replace(options, partitions=4), events.append) as stack:
        assert await create_topics(stack.endpoints.kafka, dict.fromkeys(topics, 7)) == topics
    assert len(announced) == 1, "the log is new once"
    kept = [event.detail for event in events if event.kind is EventKind.KEPT]
    assert sorted(kept) == sorted(f"{topic} keeps its 2 partitions, not 4" for topic in topics)
    with pytest.raises(DataDirectoryError, match=r"log of Apache Kafka, .* embedded broker .* --broker kafka"):
        async with Stack(replace(OPTIONS, data=data)):
            pytest.fail("started")
    with pytest.raises(DataDirectoryError, match=r"log of 1 node\(s\), not of 3\. Start with --kafka-nodes 1"):
        await KafkaCluster(data / "kafka", data / "logs", nodes=3).prepare(lambda what: None)


async def test_the_processes_of_a_cluster(journal_path: Path) -> None:
    events = Events()
    options = replace(OPTIONS, broker=BrokerKind.KAFKA, kafka_nodes=3)
    async with Stack(options, events.append) as stack:
        assert [node.name for node in stack.broker.nodes] == ["broker-1", "broker-2", "broker-3"]
        assert len(stack.endpoints.kafka.split(",")) == 3
        pids = [node.process.pid for node in stack.broker.nodes]
    assert not any(map(alive, pids))
    assert {event.detail for event in events if event.kind is EventKind.STOPPED and "broker" in event.name} == {
        "exit code 143"
    }


async def test_a_path_that_kafka_cannot_take(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="comma"):
        await KafkaCluster(tmp_path / "a,b" / "kafka", tmp_path).prepare(lambda what: None)
