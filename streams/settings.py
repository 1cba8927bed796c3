"""Every setting of tagpulse, once: environment variables with the prefix TAGPULSE_, or a .env file."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AwareDatetime, Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.tags import normalise_tag
from schemas.topics import Topic, topics
from sinks.client import check_identifier
from sinks.migrations import Retention
from sinks.writer import MAX_BLOCK_ROWS, WriterSettings
from streams.counters import Kernel
from streams.duplicates import MAX_REACH
from streams.rules import Rules

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """Settings of worker, migrations and command line. Units are in the names."""

    model_config = SettingsConfigDict(
        env_prefix="TAGPULSE_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    # Kafka
    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port of one or more brokers, by comma")
    kafka_group: str = Field("tagpulse", description="consumer group of the workers")
    kafka_topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = Field(
        "", description="put before the names of all topics: several deployments on one Kafka"
    )
    kafka_idempotent_producer: bool = Field(True, description="off for brokers without it, like the embedded one")
    kafka_session_timeout_s: Positive = Field(10.0, description="a silent worker loses its partitions after this")
    kafka_rebalance_timeout_s: Positive = Field(30.0, description="time the group waits for a worker to hand over")
    kafka_metadata_max_age_s: Positive = Field(60.0, description="partitions added to a topic are seen after this")
    kafka_fetch_max_wait_ms: Count = Field(50, description="longest wait of a fetch for fetch_min_bytes")
    kafka_fetch_min_bytes: Count = Field(1, description="more trades latency for CPU")
    kafka_fetch_max_bytes_per_partition: Count = Field(1024 * 1024, description="compressed bytes a fetch may bring")

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="TLS and login, as the broker's listener wants them"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="with SASL_PLAINTEXT and SASL_SSL"
    )
    kafka_sasl_username: str = Field("", description="with SASL_PLAINTEXT and SASL_SSL")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="with SASL_PLAINTEXT and SASL_SSL")
    kafka_ssl_ca_file: FilePath | None = Field(None, description="CA certificates in PEM; empty: the system's")

    # ClickHouse
    clickhouse_url: str = Field("http://127.0.0.1:8123", description="http or https")
    clickhouse_user: str = Field("default", description="may create tables, insert and select in the database")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="of clickhouse_user")
    clickhouse_database: str = Field("tagpulse", description="letters, digits, underscores")
    analyst_user: str = Field("", description="login for queries on the command line; empty: clickhouse_user")
    analyst_password: SecretStr = Field(SecretStr(""), description="of analyst_user")
    retention_minute_days: Count = Field(30, description="minute grain; applied by `tagpulse migrate`")
    retention_hour_days: Count = Field(400, description="hour grain; applied by `tagpulse migrate`")
    retention_rejects_days: Count = Field(90, description="rejected events; applied by `tagpulse migrate`")

    # Rules of counting: part of every claim, so that a recount repeats them
    min_event_time: AwareDatetime = Field(datetime(2016, 1, 1, tzinfo=UTC), description="earlier events are rejected")
    max_future_s: Count = Field(600, description="events further ahead of the clock are rejected")
    max_record_bytes: Count = Field(256 * 1024, description="larger records are rejected")
    max_tag_bytes: Count = Field(512, description="longer tags are dropped; their event is counted")
    max_hashtags_per_event: Count = Field(256, description="further tags are dropped; their event is counted")
    tag_groups: dict[str, list[str]] = Field(
        default_factory=dict, description='JSON, like {"kindness": ["love", "kindness"]}: counted as @kindness'
    )
    dedup_records: Annotated[int, Field(ge=0, le=MAX_REACH)] = Field(
        0, description="an event_id seen in so many offsets before makes a record a duplicate; 0: off"
    )

    # Checkpoints
    flush_interval_s: Positive = Field(1.0, description="how often a partition's counts are written")
    catchup_flush_interval_s: Positive = Field(
        10.0, description="the same while the log holds more uncounted records than were counted since"
    )
    insert_deadline_s: Positive = Field(120.0, description="after its claim, a delta may land this long")
    insert_timeout_s: Positive = Field(30.0, description="one attempt to insert may run this long")
    max_delta_rows: Count = Field(200_000, description="a delta with so many rows is written at once")
    max_pending_rows: Count = Field(2_000_000, description="rows in memory, over all partitions of a worker")
    max_pending_video_ids: Count = Field(10_000_000, description="video ids in memory, over all partitions of a worker")
    max_pending_bytes: Count = Field(
        512 * 1024 * 1024, description="bytes of the records that what is in memory was counted from"
    )
    claims_kept_days: Positive = Field(7.0, description="finished claims are forgotten after this")

    # Life of a worker
    kernel: Kernel = Field("auto", description="who counts: numba (compiled), python, or auto: numba where it can be")
    worker_name: str = Field(default_factory=lambda: socket.gethostname(), description="shown in claims and logs")
    revoke_deadline_s: Positive = Field(5.0, description="time to finish a delta when a partition is taken away")
    stop_deadline_s: Positive = Field(30.0, description="time to finish all deltas on SIGTERM")
    watchdog_s: Positive = Field(
        300.0, description="a partition with records that stops moving so long ends the worker"
    )
    health_host: str = Field("127.0.0.1", description="address of /live, /ready and /metrics")
    health_port: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="0: no health endpoint")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="of the worker's log")

    @field_validator("clickhouse_database")
    @classmethod
    def _database_is_identifier(cls, name: str) -> str:
        return check_identifier(name)

    @field_validator("tag_groups")
    @classmethod
    def _groups_have_tags(cls, groups: dict[str, list[str]]) -> dict[str, list[str]]:
        normal = {}
        for name, tags in groups.items():
            forms = sorted({normalise_tag(tag) for tag in tags} - {""})
            if normalise_tag(name) != name or not name:
                raise ValueError(f"group {name!r} must be named in normal form: {normalise_tag(name)!r}")
            if not forms:
                raise ValueError(f"group {name!r} has no tags")
            normal[name] = forms
        return normal

    @model_validator(mode="after")
    def _bounds_agree(self) -> Settings:
        # A batch is counted whole, so a delta can pass max_delta_rows by what one batch holds.
        if self.max_delta_rows > MAX_BLOCK_ROWS // 2:
            raise ValueError(f"max_delta_rows is {self.max_delta_rows}: at most {MAX_BLOCK_ROWS // 2}")
        if self.min_event_time.timestamp() < 0:
            raise ValueError("min_event_time lies before 1970, where ClickHouse's DateTime begins")
        if self.kafka_security_protocol.startswith("SASL_") and not self.kafka_sasl_username:
            raise ValueError(
                f"kafka_sasl_username is empty, but kafka_security_protocol is {self.kafka_security_protocol}"
            )
        if self.revoke_deadline_s >= self.kafka_rebalance_timeout_s:
            raise ValueError("revoke_deadline_s must be shorter than kafka_rebalance_timeout_s")
        return self

    def topics(self) -> tuple[Topic, ...]:
        """The topics of this deployment."""
        return topics(self.kafka_topic_prefix)

    def rules(self) -> Rules:
        """The rules of counting these settings amount to."""
        return Rules(
            min_event_time_s=int(self.min_event_time.timestamp()),
            max_future_s=self.max_future_s,
            max_record_bytes=self.max_record_bytes,
            max_tag_bytes=self.max_tag_bytes,
            max_hashtags_per_event=self.max_hashtags_per_event,
            tag_groups={name: tuple(tags) for name, tags in sorted(self.tag_groups.items())},
            dedup_records=self.dedup_records,
        )

    def retention(self) -> Retention:
        """Days each table keeps, for migrations."""
        return Retention(self.retention_minute_days, self.retention_hour_days, self.retention_rejects_days)

    def writer(self) -> WriterSettings:
        """Deadlines and retention, for the writer."""
        return WriterSettings(
            self.insert_deadline_s,
            self.insert_timeout_s,
            self.retention_minute_days,
            self.retention_hour_days,
            trust_s=self.kafka_session_timeout_s / 2,
        )


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Names in `environment` and in .env that look like settings and are none: most likely typing errors."""
    known = {f"TAGPULSE_{name}".upper() for name in Settings.model_fields}
    names = {*environment, *dotenv_values(".env")}
    return sorted(name for name in names if name.upper().startswith("TAGPULSE_") and name.upper() not in known)
