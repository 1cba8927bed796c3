"""The results of scenarios, at the end of a test run, and in the file that FAULTS_RESULTS names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtest.document import encode, header
from tests.faults.run import Result

RESULT = "result of a scenario"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each scenario that ran, and their sums."""
    passed = terminalreporter.getreports("passed")
    results = [value for report in passed if report.when == "call" for _, value in report.user_properties]
    results = [result for result in results if isinstance(result, Result)]
    if path := os.environ.get("FAULTS_RESULTS"):
        failed = [report.nodeid for what in ("failed", "error") for report in terminalreporter.getreports(what)]
        command = f"make test-faults-long FAULTS_REPEATS={os.environ.get('FAULTS_REPEATS', '0')}"
        Path(path).write_bytes(encode(header("faults", command) | {"runs": results, "failed": failed}))
    if results:
        terminalreporter.section("scenarios of faults: every key equals the truth")
        for result in results:
            terminalreporter.write_line(str(result))
        faults = sum(sum(result.faults.values()) for result in results)
        events, seconds = sum(result.events for result in results), sum(result.seconds for result in results)
        terminalreporter.write_line(
            f"{len(results)} runs, {faults:,} faults, {events:,} events, {seconds:.0f} s; nothing lost, nothing doubled"
        )
