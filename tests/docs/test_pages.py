"""What the documentation says about commands, settings, metrics, names and files is so."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from schemas.rejects import RejectReason
from schemas.topics import TOPICS, EventType
from sinks.migrations import shipped, shipped_views
from streams.batch import RecordBatch
from streams.decoding import Decoder
from streams.metrics import Metrics
from streams.rules import Rules
from streams.settings import Settings
from tagpulse.cli import cli
from tests.brokers import REQUIRE
from tests.docs.pages import PAGES, ROOT, Block, blocks, commands, page

ROOT_COMMAND: Any = typer.main.get_command(cli)
#: Holds names for the reader to replace.
PLACEHOLDERS = {"TOPIC": "video-views", "DIR": "."}
OPERATIONS, DATA_MODEL = page("docs/operations.md"), page("docs/data-model.md")


# ---- commands -----------------------------------------------------------------------------------------


def subcommands(command: Any) -> dict[str, Any]:
    """Of a group of commands, else empty. By attribute: which library's class it is depends on typer's version."""
    return dict(getattr(command, "commands", {}))


def runs_alone(command: Any) -> bool:
    """Whether a group of commands does something without naming one of them."""
    return bool(getattr(command, "invoke_without_command", False)) and command is not ROOT_COMMAND


def resolve(arguments: list[str]) -> tuple[str, Any, list[str]]:
    """The full name of the command that `arguments` name, the command, the arguments left for it."""
    name, command = "tagpulse", ROOT_COMMAND
    while (found := subcommands(command)) and arguments and not (runs_alone(command) and arguments[0].startswith("-")):
        word, *arguments = arguments
        assert word in found, f"{name} has no command {word!r}"
        name, command = f"{name} {word}", found[word]
    return name, command, arguments


@pytest.mark.parametrize(
    ("where", "arguments"), list(commands()), ids=lambda x: x if isinstance(x, str) else " ".join(x)
)
def test_a_command_is_understood(where: str, arguments: list[str]) -> None:
    name, command, rest = resolve([PLACEHOLDERS.get(argument, argument) for argument in arguments])
    if subcommands(command) and not runs_alone(command):
        assert not rest
        return
    # A bare mention, like `tagpulse emit`, may leave out what the command requires.
    if rest or not any(p.param_type_name == "argument" and p.required for p in command.params):
        command.make_context(name, rest)


def leaves(name: str = "tagpulse", command: Any = ROOT_COMMAND) -> Iterator[str]:
    """Full names of all commands."""
    found = subcommands(command)
    for word in found:
        yield from leaves(f"{name} {word}", found[word])
    if not found or runs_alone(command):
        yield name


@pytest.mark.parametrize("name", list(leaves()))
def test_every_command_is_documented(name: str) -> None:
    assert f"| `{name}` |" in OPERATIONS


@pytest.mark.parametrize("target", re.findall(r"^\$ make ([a-z]+)", page("README.md"), re.MULTILINE))
def test_a_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", page("Makefile"), re.MULTILINE)


# ---- settings, metrics, names -------------------------------------------------------------------------


def default_of(name: str) -> str:
    """The default of a setting as the table shows it."""
    default = Settings.model_fields[name].get_default(call_default_factory=False)
    if name == "worker_name":
        return "the host's name"
    if name == "tag_groups":
        return "none"
    if isinstance(default, SecretStr) or default in ("", None):
        return "empty"
    return f"`{default.isoformat() if hasattr(default, 'isoformat') else default}`"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `TAGPULSE_{name.upper()}` | {default_of(name)} | " in OPERATIONS


def test_no_other_setting_is_documented() -> None:
    known = {f"TAGPULSE_{name.upper()}" for name in Settings.model_fields} | {REQUIRE}
    for path in PAGES:
        assert set(re.findall(r"TAGPULSE_[A-Z][A-Z_]+", path.read_text())) <= known, path.name


def test_every_metric_is_documented() -> None:
    found = set()
    for family in text_string_to_metric_families(Metrics().text().decode()):
        found.add(family.name + ("_total" if family.type == "counter" else ""))
    documented = set(re.findall(r"^\| `(tagpulse_\w+)` \|", OPERATIONS, re.MULTILINE))
    assert {name for name in found if not name.endswith("_created")} == documented


def test_every_reason_is_documented() -> None:
    section = DATA_MODEL.partition("### Rejects")[2].partition("## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == sorted(
        RejectReason, key=lambda reason: section.find(f"| `{reason}` |")
    )
    assert len(set(RejectReason)) == section.count("\n| `")


def made_by_migrations() -> set[str]:
    made = re.compile(r"^CREATE (?:TABLE|MATERIALIZED VIEW) (\w+)", re.MULTILINE)
    names = {name for migration in shipped() for name in made.findall(migration.sql)}
    dictionaries = {path.stem for path in (ROOT / "sinks/dictionaries").glob("*.sql")}
    return names | {"migrations"} | dictionaries | shipped_views().keys()


def test_every_table_and_view_is_documented() -> None:
    missing = {name for name in made_by_migrations() if f"`{name}`" not in DATA_MODEL}
    assert not missing


@pytest.mark.parametrize("name", shipped_views())
def test_every_parameter_of_a_view_is_documented(name: str) -> None:
    line = next(line for line in DATA_MODEL.splitlines() if line.startswith(f"| `{name}` |"))
    parameters = line.split("|")[3]
    assert set(re.findall(r"`(\w+)`", parameters)) == set(re.findall(r"\{(\w+):", shipped_views()[name]))


def test_every_topic_and_type_is_documented() -> None:
    for topic in TOPICS:
        assert f"| `{topic.event_type}` | `{topic.name}` |" in DATA_MODEL


# ---- events and code ----------------------------------------------------------------------------------


def examples() -> Iterator[tuple[EventType, bytes]]:
    for block in blocks("json"):
        yield EventType(json.loads(block.text)["type"]), block.text.strip().encode()
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EVENTS":
                yield from (
                    (EventType.STICKER_USE, json.dumps(event).encode()) for event in ast.literal_eval(node.value)
                )


@pytest.mark.parametrize(("event_type", "value"), list(examples()))
def test_an_event_is_counted(event_type: EventType, value: bytes) -> None:
    decoded = Decoder(event_type, Rules()).decode(RecordBatch("t", 0, 1, 0, 1, [0], [value]), 1_800_000_000.0)
    assert (len(decoded), decoded.rejects) == (1, [])


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_compiles_and_imports_what_exists(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            module = importlib.import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name), f"{node.module}.{name.name}"
        elif isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)


# ---- links, tests, figures ----------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """Names that headings get where Markdown is shown."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            if not target.startswith("https://"):
                yield path, target


@pytest.mark.parametrize(("path", "target"), list(links()), ids=lambda x: x.name if isinstance(x, Path) else x)
def test_a_link_leads_somewhere(path: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    there = (path.parent / file).resolve() if file else path
    assert there.exists()
    if anchor:
        assert anchor in anchors(there.read_text())


@pytest.mark.parametrize(
    "reference", sorted({r for p in PAGES for r in re.findall(r"tests/[\w/]+\.py::\w+", p.read_text())})
)
def test_a_test_that_is_named_exists(reference: str) -> None:
    file, _, name = reference.partition("::")
    assert re.search(rf"^(async )?def {name}\(", page(file), re.MULTILINE)


def test_numbers_of_the_sample_agree() -> None:
    from tagpulse.demo import sample

    assert f"{sum(1 for _ in sample.events()):,} records" in page("README.md")
