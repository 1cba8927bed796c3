"""Runs commands of the command line against a stack, as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.e2e.harness import Stack

#: What `tagpulse verify` may say against a topic.
FAULTS = ("batches", "keys", "reject_faults", "chain_faults", "judged_otherwise")


def run(stack: Stack, *arguments: str, given: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """`tagpulse` with `arguments`; `settings` are TAGPULSE_ variables. Never a traceback."""
    command = [sys.executable, "-m", "tagpulse", *arguments]
    environment = stack.worker_environment("cli", **settings) | {"COLUMNS": "200"}
    done = subprocess.run(command, input=given, capture_output=True, env=environment, cwd=stack.folder, timeout=600)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def answer(stack: Stack, *arguments: str, code: int = 0) -> Any:
    """What a command prints as JSON. Fails unless it ends with `code`."""
    done = run(stack, *arguments, "--format", "json")
    assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
    return json.loads(done.stdout)


def found_against(report: dict[str, Any]) -> list[Any]:
    """All that `tagpulse verify` says against any topic, but for what it could not recount."""
    return [topic[name] for topic in report["topics"] for name in FAULTS if topic[name]]
