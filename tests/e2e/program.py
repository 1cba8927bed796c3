"""`tagpulse up --json` with quick restarts, and with holds for tests:

- `--worker FILE`: a script to run as the workers;
- `--hold-clickhouse FILE`: while FILE exists, a restarted ClickHouse does not come back;
- `--kafka-port`, `--clickhouse-port`: where the servers listen;
- `--worker-kafka ADDRESS`, `--worker-clickhouse URL`: where workers go instead, a proxy for one.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tagpulse.local import local_options
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.options import WorkerCommand, clickhouse_command
from tagpulse.stack.ready import ready_line
from tagpulse.stack.run import run_stack
from tagpulse.stack.supervisor import Stack

_HELD = "import os, sys, time\nwhile os.path.exists(sys.argv[1]): time.sleep(0.05)\nos.execv(sys.argv[2], sys.argv[2:])"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--broker", type=BrokerKind, default=BrokerKind.EMBEDDED)
    parser.add_argument("--kafka-nodes", type=int, default=1)
    parser.add_argument("--worker", type=Path)
    parser.add_argument("--hold-clickhouse", type=Path)
    parser.add_argument("--kafka-port", type=int, default=0)
    parser.add_argument("--clickhouse-port", type=int, default=0)
    parser.add_argument("--worker-kafka")
    parser.add_argument("--worker-clickhouse")
    given = parser.parse_args()

    def clickhouse(port: int, data: Path) -> list[str]:
        command = list(clickhouse_command(port, data))
        return [sys.executable, "-c", _HELD, str(given.hold_clickhouse), *command] if given.hold_clickhouse else command

    options = dataclasses.replace(
        local_options(
            workers=given.workers,
            partitions=given.partitions,
            data=given.data,
            broker=given.broker,
            kafka_nodes=given.kafka_nodes,
            kafka_port=given.kafka_port,
            clickhouse_port=given.clickhouse_port,
        ),
        restart_first_s=0.2,
        restart_most_s=0.2,
        server_restart_attempts=1_000,
        clickhouse_command=clickhouse,
    )
    options = dataclasses.replace(options, worker_command=_worker_command(given, options.worker_command))
    run_stack(options, _body, lambda event: print(event, file=sys.stderr, flush=True))


def _worker_command(given: argparse.Namespace, plain: WorkerCommand) -> WorkerCommand:
    wanted = {
        "TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": given.worker_kafka,
        "TAGPULSE_CLICKHOUSE_URL": given.worker_clickhouse,
    }
    instead = {name: value for name, value in wanted.items() if value}

    def command(index: int) -> tuple[Sequence[str], Mapping[str, str]]:
        program, settings = plain(index)
        return [sys.executable, str(given.worker)] if given.worker else program, {**settings, **instead}

    return command


async def _body(stack: Stack) -> None:
    sys.stdout.write(ready_line(stack) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
