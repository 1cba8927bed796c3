"""The broker hangs, loses its log, or knows nothing of the group, or something wrong."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from loadtest.faults.processes import frozen
from tagpulse.stack.broker import BrokerKind
from tests.faults.registry import scenario
from tests.faults.rig import BY_HAND, SESSION_S, Setup
from tests.faults.run import Run

#: A stack of its own: the log of the others shall live as long as they do.
_MANY_LOGS = Setup("many logs", workers=2, partitions=2)


@scenario("SIGSTOP of the broker beyond the session time-out", "the consumer asks again")
def broker_hung(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        with frozen(run.rig.broker_process()):
            time.sleep(SESSION_S * 1.5)
        run.injected("SIGSTOP of the broker")
        run.progress(1_000)


@scenario(
    "SIGKILL of the embedded broker after all is counted: it comes back with an empty log",
    "a new incarnation begins at offset 0; what was counted stays",
    setup=_MANY_LOGS,
    per_second=0,
    rounds=2,
    brokers=[BrokerKind.EMBEDDED],
)
def broker_killed(run: Run) -> None:
    run.stack.sender.send(run.records)
    for _ in run.rounds():
        run.stack.wait_counted()
        lives = run.stack.rows("SELECT max(incarnation) FROM incarnations")[0][0]
        run.rig.broker_process().kill()
        run.injected("SIGKILL of the broker")
        run.true(f"SELECT min(n) > {lives} FROM (SELECT max(incarnation) AS n FROM incarnations GROUP BY topic)")
        run.stack.note_new_log()
        run.stack.sender.send(run.records)
    told = run.stack.messages.read_text()
    assert "ended by SIGKILL" not in told.replace("broker: died, ended by SIGKILL", ""), "workers end in order"


@scenario(
    "the consumer group is forgotten: the next worker comes with one that Kafka does not know",
    "the claims say where to go on",
    setup=BY_HAND,
)
def group_forgotten(run: Run) -> None:
    for number in run.some(range(3)):
        worker = run.worker(f"group-{number}", settings={"TAGPULSE_KAFKA_GROUP": f"{run.seed}-{number}"})
        run.has_counted(f"group-{number}")
        run.end(worker)
        run.injected("group forgotten")
    run.worker("group-last")


@scenario(
    "the group's offsets in Kafka are 0, then the end of the log, when a worker comes that has not counted so far",
    "the claims say where to go on, whatever Kafka's offsets say",
    setup=BY_HAND,
)
def group_offsets_wrong(run: Run) -> None:
    for to_end in run.some((False, True)):
        # The embedded broker takes offsets from outside only for a group that never had a member.
        group = f"{run.seed}-{to_end}"
        worker = run.worker(f"before-{group}")
        run.has_counted(f"before-{group}", 3)
        run.end(worker)
        asyncio.run(_set_offsets(run, group, to_end))
        run.injected("offsets set to the end" if to_end else "offsets set to 0")
        worker = run.worker(f"after-{group}", settings={"TAGPULSE_KAFKA_GROUP": group})
        run.has_counted(f"after-{group}", 3)
        run.end(worker)
    run.worker("offsets-last")


async def _set_offsets(run: Run, group: str, to_end: bool) -> None:
    async with AIOKafkaConsumer(
        bootstrap_servers=run.stack.ready["kafka"], group_id=group, enable_auto_commit=False
    ) as consumer:
        places = [
            TopicPartition(topic, number)
            for topic in run.stack.ready["topics"].values()
            for number in range(run.stack.partitions)
        ]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        await consumer.commit({place: ends[place] if to_end else 0 for place in places})
