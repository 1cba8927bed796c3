"""A table of figures, once, for the terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """Text goes to the left in the first column, and to the right in the others."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def rich(self) -> Table:
        """For the terminal."""
        table = Table(title=escape(self.title), caption=escape(self.caption) or None)
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if number else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def markdown(self) -> str:
        """For a page."""
        lines = [
            f"**{self.title}**",
            "",
            _line(self.headings),
            _line(["---", *["--:"] * (len(self.headings) - 1)]),
            *map(_line, self.rows),
        ]
        return "\n".join([*lines, *(["", self.caption] if self.caption else [])])


def number(value: float) -> str:
    """As people read it: 12,345, 67.8, 9.10, 0.78."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def milliseconds(seconds: float) -> str:
    """Seconds as ms."""
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in cells) + " |"
