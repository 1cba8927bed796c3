"""tagpulse rebuild on the command line, on a real ClickHouse without a worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from sinks.errors import RebuildError
from streams.rules import Rules
from tagpulse.cli import cli
from tests.conftest import Server
from tests.counted import count

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def test_days_are_rebuilt_when_it_was_confirmed(
    clickhouse: Server, database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "CLICKHOUSE_URL": clickhouse.url,
        "CLICKHOUSE_USER": clickhouse.user,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "CLICKHOUSE_DATABASE": str(database.database),
        "INSERT_TIMEOUT_S": "0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"TAGPULSE_{name}", value)
    now = datetime.now(UTC)
    event = {"type": "video_view", "ts": (now - timedelta(hours=1)).isoformat(), "video_id": "1", "country": "PH"}
    count(database, [event] * 3, now, Rules())
    wrong = "ALTER TABLE engagement_day DELETE WHERE event_type = 'video_view' SETTINGS mutations_sync = 1"
    total = "SELECT sum(events) FROM engagement_day WHERE event_type = 'video_view'"
    database.command(wrong)
    rebuild = ["rebuild", "--grain", "day", "--from", "minute"]
    assert CliRunner().invoke(cli, rebuild, input="n\n").exit_code == 1
    assert database.query(total).result_rows == [(0,)]
    done = CliRunner().invoke(cli, [*rebuild, "--yes"])
    assert done.exit_code == 0, done.output
    assert "engagement_day" in done.output
    assert database.query(total).result_rows == [(3,)]
    refused = CliRunner().invoke(cli, [*rebuild, "--since", "2016-01-01", "--yes"])
    assert isinstance(refused.exception, RebuildError)
    assert "is kept 30 days" in str(refused.exception)
