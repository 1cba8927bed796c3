"""`python -m tests.faults.table [RESULTS ...]`: write the table of all scenarios into docs/protocol.md.

With what FAULTS_RESULTS left of test runs, also the table of their runs, right and wrong ones.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loadtest.document import Document, publish, read
from loadtest.sheets import Sheet
from tagpulse.stack.broker import BrokerKind
from tests.faults.run import FLOOD, Result
from tests.faults.scenarios import SCENARIOS

PAGE = Path(__file__).resolve().parents[2] / "docs/protocol.md"
BEGIN, END = "<!-- scenarios: begin -->\n", "<!-- scenarios: end -->\n"
_HEAD = "| scenario | what happens | promise | in short on | shown by |\n|---|---|---|---|---|\n"


def rendered() -> str:
    """The table in Markdown, a line for each scenario. `make test` runs it in a short form on one broker."""
    return _HEAD + "".join(
        f"| {s.name} | {s.happens} | {s.promise} | {s.short_on.value} | `{s.source}` |\n" for s in SCENARIOS.values()
    )


def runs_sheet(document: Document) -> Sheet:
    """The runs of a file of results, a line for each scenario and broker.

    Raises ValueError where a test failed before anything was compared, or a scenario did not run.
    """
    if document["failed"]:
        raise ValueError(f"failed before anything was compared: {', '.join(document['failed'])}")
    runs: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for run in document["runs"]:
        runs[run["scenario"], run["broker"]].append(Result(**run))
    wanted = {(scenario.name, broker.value) for scenario in SCENARIOS.values() for broker in scenario.brokers}
    wanted |= {(FLOOD, broker.value) for broker in BrokerKind}
    if missing := wanted - runs.keys():
        raise ValueError(f"did not run: {', '.join(f'{name} ({broker})' for name, broker in sorted(missing))}")
    rows = [_row(name, broker, some) for (name, broker), some in sorted(runs.items())]
    rows.append(_row("all", "", [run for some in runs.values() for run in some]))
    return Sheet("Runs", ("scenario", "broker", "runs", "right", "events", "faults", "lost", "doubled"), rows)


def together(documents: Sequence[Document]) -> Document:
    """Several files of results as one: all their runs, by all their commands; the rest is of the last."""
    return {
        **documents[-1],
        "command": "`, `".join(document["command"] for document in documents),
        "runs": [run for document in documents for run in document["runs"]],
        "failed": [test for document in documents for test in document["failed"]],
    }


def _row(name: str, broker: str, runs: list[Result]) -> tuple[str, ...]:
    sums = (
        len(runs),
        sum(run.right for run in runs),
        sum(run.events for run in runs),
        sum(sum(run.faults.values()) for run in runs),
        sum(run.lost for run in runs),
        sum(run.doubled for run in runs),
    )
    return name, broker, *(f"{number:,}" for number in sums)


def published(text: str) -> str:
    """What stands between the markers of a page. Raises ValueError where it has none."""
    return text[slice(*_place(text))]


def _place(text: str) -> tuple[int, int]:
    return text.index(BEGIN) + len(BEGIN), text.index(END)


if __name__ == "__main__":
    page = PAGE.read_text()
    begin, end = _place(page)
    PAGE.write_text(page[:begin] + rendered() + page[end:])
    if len(sys.argv) > 1:
        document = together([read(Path(results)) for results in sys.argv[1:]])
        publish(document, [runs_sheet(document)], PAGE)
