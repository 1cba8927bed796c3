"""tagpulse plan on the command line: tables, JSON, pages, and one message for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtest.forms import PLANS
from tagpulse.cli import cli

ROOT = Path(__file__).resolve().parents[3]
FEW = ("plan", "--events-per-day", "1e9", "--recovery-s", "60", "--outage-s", "10")


def test_a_plan_as_json(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    found = CliRunner().invoke(cli, [*FEW, "--format", "json", "--out", str(out)])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document == json.loads(out.read_text())
    assert document["demand"]["events_per_day"] == 1e9
    assert document["capacity"]["workers"] >= 1
    assert document["words"][0].startswith("First limit: ")
    assert [one["name"] for one in document["simulated"]][:2] == ["nothing fails", "a worker dies"]
    assert document["calibration"]["command"].startswith("tagpulse plan calibrate")


def test_a_plan_for_people_and_on_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:begin plan -->\n<!-- bench:end plan -->\n")
    found = CliRunner().invoke(cli, [*FEW, "--no-simulate", "--docs", str(page)])
    assert found.exit_code == 0, found.output
    assert "What it takes" in found.output
    assert "First limit: " in found.output
    assert "**What failures cost**" in page.read_text()


def test_scales(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli, ["plan", "scales", "--factor", "10", "--factor", "1000", "--format", "json"])
    assert found.exit_code == 0, found.output
    small, large = json.loads(found.stdout)["scales"]
    assert large["workers"] > 10 * small["workers"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan"], 2, "how many are there"),
        (["plan", "--events-per-day", "many"], 2, "--events-per-day"),
        (["plan", "--events-per-day", "0"], 1, "--events-per-day is 0: give 1 to 1e18"),
        ([*FEW, "--utilisation", "1"], 1, "--utilisation is 1: give 0.05 to 0.95"),
        ([*FEW, "--coefficients", "absent.json"], 1, "absent.json cannot be read"),
        (["plan", "scales", "--factor", "0"], 1, "--factor is 0: give 0.01"),
        (["plan", "scales", "--peak-factor", "0.5"], 1, "--peak-factor is 0.5: give 1 to 1,000"),
        (["plan", "calibrate", "--out", "absent/x.json"], 1, "absent/x.json cannot be written"),
    ],
)
def test_what_is_wrong_is_one_message(arguments: list[str], code: int, message: str) -> None:
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == code
    assert message in " ".join(found.output.split())
    assert "Traceback" not in found.output


def test_the_page_on_scaling_has_a_place_for_every_form() -> None:
    text = (ROOT / "docs/scaling.md").read_text()
    for form in PLANS:
        assert text.count(f"<!-- bench:begin {form} -->\n") == text.count(f"<!-- bench:end {form} -->") == 1
