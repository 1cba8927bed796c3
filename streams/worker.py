"""Run the app as a process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import faust

from streams.app import create_app
from streams.settings import Settings, unknown_variables

log = logging.getLogger(__name__)


def run(settings: Settings, at: Callable[[str], None] = lambda _: None) -> None:
    """Run a worker until SIGTERM or SIGINT. Does not return: the process exits. `at`: see `create_app`."""
    for name in unknown_variables(os.environ):
        log.warning("%s is not a setting; `tagpulse config` shows those there are", name)
    worker = faust.Worker(create_app(settings, at), loglevel=settings.log_level, quiet=True, console_port=0)
    code = 1
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    logging.shutdown()
    # Threads that still try to write a delta would hold up the exit; what they write for is somebody else's now.
    os._exit(code)
