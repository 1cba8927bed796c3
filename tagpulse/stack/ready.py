"""The line by which a stack tells a program that started it how to reach it."""

from __future__ import annotations

import json

from tagpulse.stack.supervisor import Stack


def ready_line(stack: Stack) -> str:
    """One line of JSON. It holds passwords: it is for whoever started the stack, not for a log.

    `pids` are those of now; a process that is restarted gets another.
    """
    at = stack.endpoints
    return json.dumps(
        {
            "kafka": at.kafka,
            "clickhouse": at.clickhouse,
            "clickhouse_user": at.credentials.user,
            "clickhouse_password": at.credentials.password,
            "analyst_user": at.credentials.analyst_user,
            "analyst_password": at.credentials.analyst_password,
            "database": at.database,
            "topics": dict(at.topics),
            "pids": {
                "brokers": [node.process.pid for node in stack.broker.nodes],
                "clickhouse": stack.clickhouse.process.pid,
                "workers": [worker.process.pid for worker in stack.workers],
            },
        }
    )
