"""Nodes of Apache Kafka killed under load: what was acknowledged is counted, once."""

from __future__ import annotations

import psutil
import pytest

from tests.e2e.harness import Stack
from tests.kafka.admin import leaders
from tests.kafka.claims import wait_for_more
from tests.kafka.conftest import MakeStack, Shown
from tests.kafka.sample import records

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def test_a_killed_broker_comes_back_with_its_log(busy: Stack, shown: Shown) -> None:
    stack = busy
    with shown(stack) as faults, stack.sender.flow(records(61), per_second=1_500):
        for _ in range(3):
            wait_for_more(stack)
            (broker,) = stack.brokers()
            broker.kill()
            stack.wait_for(lambda old=broker: [p for p in stack.brokers() if p != old], "the broker is back")  # type: ignore[misc]
            faults["SIGKILL of the broker"] += 1
        wait_for_more(stack)
    assert stack.rows("SELECT max(incarnation) FROM incarnations") == [(1,)], "the log is the same one"
    assert "log lost" not in stack.messages.read_text()


def test_the_leader_of_partitions_is_killed(make_stack: MakeStack, shown: Shown) -> None:
    """Three nodes, each partition on all of them, acknowledged once two have it."""
    stack = make_stack(workers=2, partitions=4, kafka_nodes=3)
    with shown(stack) as faults, stack.sender.flow(records(62), per_second=1_500):
        for partition in (0, 1):
            wait_for_more(stack)
            old = leaders(stack, "video-views")[partition]
            node(stack, old).kill()
            stack.wait_for(
                lambda p=partition, o=old: leaders(stack, "video-views").get(p, -1) not in (-1, o),  # type: ignore[misc]
                "another node leads",
            )
            faults["SIGKILL of a leader"] += 1
            wait_for_more(stack)
            stack.wait_for(lambda: len(stack.brokers()) == 3, "the node is started again")
    stack.stop()


def node(stack: Stack, number: int) -> psutil.Process:
    return next(p for p in stack.brokers() if f"/node-{number}/" in p.cmdline()[-1])
