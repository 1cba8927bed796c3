"""Documents go to files and pages; what is not one, or has no place, is refused with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtest.document import DocumentError, encode, header, publish, read
from loadtest.forms import FORMS, sheets
from loadtest.sheets import Sheet, milliseconds, number
from tagpulse.cli import cli

ROOT = Path(__file__).resolve().parents[2]
SHEET = Sheet("Title", ("thing", "value"), [("a|b", "1"), ("- c", "2")], "Caption.")
PAGE = "# Page\n\n<!-- bench:begin keys -->\nold\n<!-- bench:end keys -->\n\nAfter.\n"


def test_a_document_comes_back(tmp_path: Path) -> None:
    document = header("keys", "tagpulse bench keys") | {"points": []}
    path = tmp_path / "keys.json"
    path.write_bytes(encode(document))
    kept = read(path)
    assert (kept["form"], kept["command"], kept["points"]) == ("keys", "tagpulse bench keys", [])
    assert kept["versions"]["tagpulse"]


def test_only_the_block_of_the_form_changes_and_again_gives_the_same(tmp_path: Path) -> None:
    page, document = tmp_path / "page.md", header("keys", "tagpulse bench keys")
    page.write_text(PAGE)
    publish(document, [SHEET], page)
    text = page.read_text()
    assert text.startswith("# Page\n\n<!-- bench:begin keys -->\n`tagpulse bench keys`, ")
    assert text.endswith("Caption.\n<!-- bench:end keys -->\n\nAfter.\n")
    assert "| thing | value |\n| --- | --: |\n| a\\|b | 1 |\n| - c | 2 |" in text
    assert "old" not in text
    publish(document, [SHEET], page)
    assert page.read_text() == text


def test_a_picture_beside_the_page_is_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/keys.svg").touch()
    publish(header("keys", ""), [SHEET], page)
    assert "Caption.\n\n![Title](images/keys.svg)\n<!-- bench:end keys -->" in page.read_text()


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("bench:end", "bench:fin"))
    with pytest.raises(DocumentError, match="give it the lines <!-- bench:begin keys --> and <!-- bench:end keys -->"):
        publish(header("keys", ""), [SHEET], page)


@pytest.mark.parametrize("text", ["", "[]", '{"points": []}'])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DocumentError, match=r"x\.json"):
        read(path)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(DocumentError, match="no form of measurement is called 'speed'; there are compare, workers"):
        sheets({"form": "speed"})


def test_publish_on_the_command_line(tmp_path: Path) -> None:
    page, path = tmp_path / "page.md", tmp_path / "keys.json"
    page.write_text(PAGE)
    document = header("keys", "tagpulse bench keys") | {"points": [], "options": {"seed": 1, "runs": 1}}
    path.write_bytes(encode(document))
    assert CliRunner().invoke(cli, ["bench", "publish", str(path), "--docs", str(page)]).exit_code == 0
    assert "CPU time per event (ns) by distinct keys" in page.read_text()
    missing = CliRunner().invoke(cli, ["bench", "publish", str(tmp_path / "none.json"), "--docs", str(page)])
    assert missing.exit_code == 1


def test_the_page_on_performance_has_a_place_for_every_form() -> None:
    text = (ROOT / "docs/performance.md").read_text()
    for form in FORMS:
        assert text.count(f"<!-- bench:begin {form} -->\n") == text.count(f"<!-- bench:end {form} -->") == 1


def test_numbers_are_as_exact_as_they_are_of_use() -> None:
    assert [number(value) for value in (0.7, 5.04, 67.8, 12_345.6)] == ["0.70", "5.04", "67.8", "12,346"]
    assert [milliseconds(value) for value in (0.0042, 0.05, 1.5)] == ["4.2 ms", "50 ms", "1,500 ms"]


def test_an_unknown_contestant_is_one_message() -> None:
    found = CliRunner().invoke(cli, ["bench", "--only", "nobody"])
    assert found.exit_code == 1
    assert "no contestant nobody; there are faust_table" in found.output
