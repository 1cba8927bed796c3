from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tagpulse.stack.embedded_broker import EmbeddedBroker
from tagpulse.stack.errors import BinaryMissingError, PortTakenError, TopicCreationError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import HOST, free_port
from tagpulse.stack.topics import create_topics
from tests.tagpulse.stack.helpers import DEADLINE_S


@pytest.fixture
async def broker(log: LogFile) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(log)
    yield broker
    await broker.stop()


async def test_topics_are_created_once(broker: EmbeddedBroker) -> None:
    await broker.start(DEADLINE_S)
    assert await create_topics(broker.bootstrap_servers, {"a": 4, "b": 1}) == {"a": 4, "b": 1}
    assert await create_topics(broker.bootstrap_servers, {"a": 9, "c": 2}) == {"a": 4, "c": 2}


async def test_a_refused_topic_is_named(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> SimpleNamespace:
        return SimpleNamespace(topic_errors=[("a", 38, None)])

    await broker.start(DEADLINE_S)
    monkeypatch.setattr("aiokafka.admin.AIOKafkaAdminClient.create_topics", refuse)
    with pytest.raises(TopicCreationError, match="create topic 'a': InvalidReplicationFactorError"):
        await create_topics(broker.bootstrap_servers, {"a": 1}, replication_factor=3)


async def test_listens_on_loopback_only_and_is_the_process_we_name(broker: EmbeddedBroker) -> None:
    await broker.start(DEADLINE_S)
    process = psutil.Process(broker.process.pid)
    listening = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening == [(HOST, broker.port)]
    assert "tansu" in process.name()


async def test_foreign_variables_do_not_reach_it(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_REGISTRY", "file:///nonexistent")
    monkeypatch.setenv("STORAGE_ENGINE", "postgres://nowhere")
    await broker.start(DEADLINE_S)
    assert await create_topics(broker.bootstrap_servers, {"a": 1}) == {"a": 1}


async def test_a_restart_keeps_the_port_and_forgets_the_log(broker: EmbeddedBroker) -> None:
    await broker.start(DEADLINE_S)
    port = broker.port
    await create_topics(broker.bootstrap_servers, {"a": 4})
    await broker.stop()
    await broker.start(DEADLINE_S)
    assert broker.port == port
    assert await create_topics(broker.bootstrap_servers, {"a": 2}) == {"a": 2}


async def test_a_requested_port_that_is_taken(log: LogFile) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"Port {port} on 127\.0\.0\.1, wanted for Kafka, is in use\."):
            await EmbeddedBroker(log, port=port).start(DEADLINE_S)


async def test_a_chosen_port_lost_to_another_is_chosen_again(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as other:
        choices = [other.getsockname()[1], free_port()]
        monkeypatch.setattr("tagpulse.stack.server.free_port", lambda: choices.pop(0))
        monkeypatch.setattr("tagpulse.stack.server.require_free", lambda port, what: None)
        await broker.start(DEADLINE_S)
    assert choices == []


async def test_a_missing_binary(log: LogFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nowhere"))
    with pytest.raises(BinaryMissingError, match="embedded broker is not installed"):
        await EmbeddedBroker(log).start(DEADLINE_S)
