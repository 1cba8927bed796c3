"""Run the app as a process."""

from __future__ import annotations

import faust

from streams.app import create_app
from streams.settings import Settings


def run(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT. Does not return: the process exits."""
    worker = faust.Worker(create_app(settings), loglevel=settings.log_level, quiet=True, console_port=0)
    worker.execute_from_commandline()
