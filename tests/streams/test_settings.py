"""Settings: where they come from, what is refused, what they amount to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from streams.kafka import security_options
from streams.partition import Limits
from streams.rules import Rules
from streams.settings import Settings, unknown_variables


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_and_a_file_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAGPULSE_FLUSH_INTERVAL_S=3\nTAGPULSE_KAFKA_GROUP=other\n")
    monkeypatch.setenv("TAGPULSE_FLUSH_INTERVAL_S", "2.5")
    monkeypatch.setenv("TAGPULSE_KAFKA_SSL_CA_FILE", "")
    settings = Settings()
    assert (settings.flush_interval_s, settings.kafka_group, settings.kafka_ssl_ca_file) == (2.5, "other", None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flush_interval_s": 0}, "greater than 0"),
        ({"clickhouse_database": "a; DROP"}, "not a database name"),
        ({"max_delta_rows": 3_000_000}, "at most 2000000"),
        ({"revoke_deadline_s": 30}, "shorter than kafka_rebalance_timeout_s"),
        ({"kafka_security_protocol": "SASL_SSL"}, "kafka_sasl_username is empty"),
        ({"min_event_time": "1969-12-31T00:00:00Z"}, "before 1970"),
        ({"min_event_time": "2020-01-01T00:00:00"}, "timezone"),
        ({"tag_groups": {"Kind": ["love"]}}, "named in normal form: 'kind'"),
        ({"tag_groups": {"kind": ["#"]}}, "has no tags"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(**values)


def test_secrets_are_masked() -> None:
    shown = Settings(clickhouse_password="hush", kafka_sasl_password="hush").model_dump_json()
    assert "hush" not in shown


def test_misspelt_names_are_found(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KAFKA_PORT=9093\nTAGPULSE_LOGLEVEL=INFO\nTAGPULSE_LOG_LEVEL=ERROR\n")
    environment = {"TAGPULSE_FLUSH_INTERVAL": "1", "tagpulse_kafka_group": "g", "PATH": "/"}
    assert unknown_variables(environment) == ["TAGPULSE_FLUSH_INTERVAL", "TAGPULSE_LOGLEVEL"]
    assert Settings().log_level == "ERROR"


def test_tag_groups_are_kept_in_normal_form() -> None:
    rules = Settings(tag_groups={"kindness": ["#Love", "KINDNESS", "love "]}).rules()
    assert rules.tag_groups == {"kindness": ("kindness", "love")}


def test_rules_read_back_and_have_a_version_of_their_own() -> None:
    rules = Settings(max_future_s=7, tag_groups={"b": ["x"], "a": ["y"]}).rules()
    again = Rules.parse(rules.text)
    assert (again, again.version) == (rules, rules.version)
    assert rules.version != Rules().version
    assert rules.text == msgspec.json.encode(rules, order="sorted").decode().replace('"dedup_records":0,', "")
    assert Settings(tag_groups={"a": ["y"], "b": ["x"]}, max_future_s=7).rules().version == rules.version


def test_rules_without_duplicates_have_the_versions_they_always_had() -> None:
    assert "dedup_records" not in Settings().rules().text
    rules = Settings(dedup_records=5).rules()
    assert (Rules.parse(rules.text), rules.version) == (rules, rules.version)
    assert rules.version not in (Rules().version, Settings(dedup_records=6).rules().version)


def test_limits_are_shared_by_two_deltas_of_each_partition() -> None:
    settings = Settings(max_delta_rows=1000, max_pending_rows=8000, max_pending_bytes=80, max_pending_video_ids=16)
    assert Limits.of(settings, 1) == Limits(1000, 8, 40)
    assert Limits.of(settings, 8) == Limits(500, 1, 5)
    assert Limits.of(settings, 0) == Limits(1000, 8, 40)


def test_kafka_clients_log_in_as_the_settings_say() -> None:
    assert security_options(Settings()) == {"security_protocol": "PLAINTEXT"}
    options = security_options(
        Settings(kafka_security_protocol="SASL_SSL", kafka_sasl_username="u", kafka_sasl_password="p")
    )
    assert options.pop("ssl_context") is not None
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }
