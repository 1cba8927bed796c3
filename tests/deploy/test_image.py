"""The Dockerfile and what may enter its build."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    text = (REPOSITORY / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


def last(word: str) -> str:
    return [rest for name, rest in instructions() if name == word][-1]


def test_the_base_is_pinned_and_supported() -> None:
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert len(bases) == 1
    pinned = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-\w+", bases.pop())
    assert pinned is not None
    assert 11 <= int(pinned[1]) <= 13


def test_it_does_not_run_as_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    words = [word for word, _ in instructions()]
    assert words.index("USER") > len(words) - 1 - words[::-1].index("RUN"), "nothing is installed as that user"


def test_signals_reach_the_worker() -> None:
    assert last("ENTRYPOINT") == '["tagpulse"]'
    assert last("CMD") == '["worker"]'


def test_only_plain_instructions() -> None:
    assert {word for word, _ in instructions()} <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD")
    }


def test_the_build_sees_the_sources_and_nothing_else() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    pyproject = (REPOSITORY / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]$", pyproject, re.MULTILINE)
    assert packages is not None
    assert allowed == {*re.findall(r'"(\w+)"', packages[1]), "pyproject.toml", "README.md", "LICENSE"}
