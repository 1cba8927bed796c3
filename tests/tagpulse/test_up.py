"""Options of `tagpulse up` that do not go together."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tagpulse.cli import cli


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--kafka-nodes", "3"), "the embedded broker is one process"),
        (("--broker", "kafka", "--kafka-nodes", "3", "--kafka-port", "65534"), "3 nodes need that many ports"),
        (("--broker", "rabbit"), "rabbit"),
    ],
)
def test_what_does_not_go_together_is_named(arguments: tuple[str, ...], named: str) -> None:
    done = CliRunner().invoke(cli, ["up", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert named in done.output
