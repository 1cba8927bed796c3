"""The documentation as text: pages, fenced blocks, shell commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(tagpulse [a-z][^`\n]*)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block; `number` counts the blocks of its page from 1."""

    page: Path
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}-{self.number}"


def page(name: str) -> str:
    """Text of a page, by its path from the root of the repository."""
    return (ROOT / name).read_text()


def blocks(language: str) -> list[Block]:
    """All fenced blocks of a language."""
    return [
        Block(path, number, match[1], match[2])
        for path in PAGES
        for number, match in enumerate(_FENCE.finditer(path.read_text()), 1)
        if match[1] == language
    ]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each `tagpulse ...` that a page tells the reader to run: (page, arguments)."""
    for block in blocks("console"):
        for line in re.sub(r"\\\n", " ", block.text).splitlines():
            if line.startswith("$ tagpulse"):
                yield str(block), shlex.split(line.removeprefix("$ "), comments=True)[1:]
    for path in PAGES:
        for match in _INLINE.finditer(_FENCE.sub("", path.read_text())):
            yield path.name, shlex.split(match[1])[1:]
