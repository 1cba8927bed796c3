"""Without Java, tests on Apache Kafka are skipped with a reason; where they are required they fail with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import brokers
from tests.brokers import require_kafka

REASON = "there is no `java` on the PATH"


@pytest.fixture(autouse=True)
def no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_without_java_it_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "REQUIRED", False)
    with pytest.raises(pytest.skip.Exception, match=REASON):
        require_kafka()


def test_where_it_is_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "REQUIRED", True)
    with pytest.raises(pytest.fail.Exception, match=REASON):
        require_kafka()
