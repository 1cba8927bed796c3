"""`python -m tests.faults.table [RESULTS]`: write the table of all scenarios into docs/protocol.md.

With what FAULTS_RESULTS left of a test run, also the table of its runs. A run that failed is not published.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import orjson

from tests.faults.run import FLOOD, Result
from tests.faults.scenarios import SCENARIOS

PAGE = Path(__file__).resolve().parents[2] / "docs/protocol.md"
BEGIN, END = "<!-- scenarios: begin -->\n", "<!-- scenarios: end -->\n"
RUNS_BEGIN, RUNS_END = "<!-- runs: begin -->\n", "<!-- runs: end -->\n"
_HEAD = "| scenario | what happens | promise | shown by |\n|---|---|---|---|\n"
_RUNS_HEAD = "| scenario | broker | runs | events | faults | lost or doubled |\n|---|---|--:|--:|--:|--:|\n"


def rendered() -> str:
    """The table in Markdown, a line for each scenario. Those that `make test` runs, too, stand in bold."""
    return _HEAD + "".join(
        f"| {f'**{s.name}**' if s.quick else s.name} | {s.happens} | {s.promise} | `{s.source}` |\n"
        for s in SCENARIOS.values()
    )


def runs_table(results: bytes) -> str:
    """The runs of a file of results in Markdown, a line for each scenario and broker.

    Raises ValueError where a test failed or a scenario did not run.
    """
    found = orjson.loads(results)
    if found["failed"]:
        raise ValueError(f"failed, so that there is nothing to publish: {', '.join(found['failed'])}")
    runs: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for run in found["runs"]:
        runs[run["scenario"], run["broker"]].append(Result(**run))
    if missing := {*SCENARIOS, FLOOD} - {name for name, _ in runs}:
        raise ValueError(f"did not run: {', '.join(sorted(missing))}")
    lines = [_line(name, broker, some) for (name, broker), some in sorted(runs.items())]
    every = [run for some in runs.values() for run in some]
    return "".join([_RUNS_HEAD, *lines, _line("**all**", "", every)])


def _line(name: str, broker: str, runs: list[Result]) -> str:
    faults = sum((Counter(run.faults) for run in runs), Counter[str]()).total()
    events, different = sum(run.events for run in runs), sum(run.different for run in runs)
    return f"| {name} | {broker} | {len(runs)} | {events:,} | {faults:,} | {different} |\n"


def published(text: str, begin: str = BEGIN, end: str = END) -> str:
    """What stands between the markers of a page. Raises ValueError where it has none."""
    return text[slice(*_place(text, begin, end))]


def _place(text: str, begin: str, end: str) -> tuple[int, int]:
    return text.index(begin) + len(begin), text.index(end)


def _put(table: str, begin: str, end: str) -> None:
    page = PAGE.read_text()
    first, last = _place(page, begin, end)
    PAGE.write_text(page[:first] + table + page[last:])


if __name__ == "__main__":
    _put(rendered(), BEGIN, END)
    for path in sys.argv[1:]:
        _put(runs_table(Path(path).read_bytes()), RUNS_BEGIN, RUNS_END)
