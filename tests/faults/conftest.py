"""The results of scenarios, at the end of a test run."""

from __future__ import annotations

import pytest

from tests.faults.run import Result

RESULT = "result of a scenario"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each scenario that ran, and their sums."""
    passed = terminalreporter.getreports("passed")
    results = [value for report in passed if report.when == "call" for _, value in report.user_properties]
    results = [result for result in results if isinstance(result, Result)]
    if results:
        terminalreporter.section("scenarios of faults: every key equals the truth")
        for result in results:
            terminalreporter.write_line(str(result))
        faults = sum(sum(result.faults.values()) for result in results)
        events, seconds = sum(result.events for result in results), sum(result.seconds for result in results)
        terminalreporter.write_line(
            f"{len(results)} runs, {faults:,} faults, {events:,} events, {seconds:.0f} s; nothing lost, nothing doubled"
        )
