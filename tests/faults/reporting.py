"""The results of runs with faults, at the end of a test run, and in the file that FAULTS_RESULTS names."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from loadtest.document import encode, header
from tests.faults.run import Result

RESULT = "result of a scenario"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each scenario that ran, and their sums."""
    reports = [report for what in ("passed", "failed") for report in terminalreporter.getreports(what)]
    results = [
        Result(**value)
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == RESULT
    ]
    # Of several processes that share the tests, the one that has all reports writes.
    if (path := os.environ.get("FAULTS_RESULTS")) and not hasattr(config, "workerinput"):
        # A run that was compared is a result, even a wrong one. What failed in another way is not.
        failed = [
            report.nodeid
            for what in ("failed", "error")
            for report in terminalreporter.getreports(what)
            if report.when != "call" or dict(report.user_properties).get(RESULT, {"right": True})["right"]
        ]
        repeats = os.environ.get("FAULTS_REPEATS", "0")
        command = f"FAULTS_REPEATS={repeats} pytest {shlex.join(config.invocation_params.args)}"
        Path(path).write_bytes(encode(header("faults", command) | {"runs": results, "failed": failed}))
    if results:
        terminalreporter.section("faults: every key compared with the truth")
        for result in results:
            terminalreporter.write_line(str(result))
        faults = sum(sum(result.faults.values()) for result in results)
        events, seconds = sum(result.events for result in results), sum(result.seconds for result in results)
        terminalreporter.write_line(
            f"{len(results)} runs, {faults:,} faults, {events:,} events, {seconds:.0f} s;"
            f" lost: {sum(result.lost for result in results):,}, doubled: {sum(result.doubled for result in results):,}"
        )
