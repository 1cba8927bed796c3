"""Waiting for conditions, and looking at processes and journals."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

#: Generous: it only bounds how long a failing test takes.
DEADLINE_S = 60.0


async def eventually(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie nobody has reaped yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def journal(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def journal_events(path: Path) -> list[str]:
    return [entry["event"] for entry in journal(path)]
