"""`python -m tests.faults.table`: write the table of all scenarios into docs/protocol.md."""

from __future__ import annotations

from pathlib import Path

from tests.faults.scenarios import SCENARIOS

PAGE = Path(__file__).resolve().parents[2] / "docs/protocol.md"
BEGIN, END = "<!-- scenarios: begin -->\n", "<!-- scenarios: end -->\n"
_HEAD = "| scenario | what happens | promise | shown by |\n|---|---|---|---|\n"


def rendered() -> str:
    """The table in Markdown, a line for each scenario. Those that `make test` runs, too, stand in bold."""
    return _HEAD + "".join(
        f"| {f'**{s.name}**' if s.quick else s.name} | {s.happens} | {s.promise} | `{s.source}` |\n"
        for s in SCENARIOS.values()
    )


def published(text: str) -> str:
    """What stands between the markers of a page. Raises ValueError where it has none."""
    return text[slice(*_place(text))]


def _place(text: str) -> tuple[int, int]:
    return text.index(BEGIN) + len(BEGIN), text.index(END)


if __name__ == "__main__":
    page = PAGE.read_text()
    begin, end = _place(page)
    PAGE.write_text(page[:begin] + rendered() + page[end:])
