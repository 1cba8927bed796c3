"""What a command line does with a stack, with stand-ins: `program.py [DATA]` prints the ready line and waits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tagpulse.stack.errors import StackError
from tagpulse.stack.options import StackOptions
from tagpulse.stack.ready import ready_line
from tagpulse.stack.run import run_stack
from tagpulse.stack.supervisor import Stack
from tests.tagpulse.stack import fakes


async def body(stack: Stack) -> None:
    print(ready_line(stack), flush=True)
    await stack.wait()


def main() -> int:
    options = StackOptions(
        data=Path(sys.argv[1]) if len(sys.argv) > 1 else None,
        workers=2,
        clickhouse_command=fakes.clickhouse_command,
        worker_command=fakes.stubborn_worker_command if os.environ.get("STUBBORN") else fakes.worker_command,
    )
    try:
        ended_by = run_stack(options, body, lambda event: print(event, file=sys.stderr, flush=True))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"ended by {ended_by.name if ended_by else 'itself'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
