"""The container files, checked as text: no container engine is needed to see that they keep their promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tagpulse.cli import cli
from tagpulse.stack.kafka.jars import VERSION

REPOSITORY = Path(__file__).parents[2]
COMPOSE = (REPOSITORY / "docker-compose.yml").read_text()
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rule>:-|:\?)?(?P<text>[^}]*)\}")
#: Keys of a service that the Compose specification knows; a misspelt one would be an error, or do nothing.
SERVICE_KEYS = {
    *("image", "build", "init", "read_only", "tmpfs", "cap_drop", "security_opt", "environment", "ports"),
    *("volumes", "ulimits", "healthcheck", "stop_grace_period", "restart", "command", "depends_on", "deploy"),
    "user",
}
OURS = ("migrate", "topics", "worker")


def interpolate(match: re.Match[str]) -> str:
    return match["text"] if match["rule"] == ":-" else "secret"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(VARIABLE.sub(interpolate, COMPOSE))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    services = compose["services"]
    assert isinstance(services, dict)
    return services


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_kafka_is_the_version_that_the_tests_run_against(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{VERSION}"


def test_structure(compose: dict[str, Any], services: dict[str, Any]) -> None:
    assert set(compose) == {"name", "x-tagpulse", "services", "volumes"}
    assert set(services) == {"kafka", "clickhouse", *OURS}
    for name, service in services.items():
        assert set(service) <= SERVICE_KEYS, name
        assert all(isinstance(value, str) for value in service["environment"].values()), name
        for dependency in service.get("depends_on", {}):
            assert dependency in services
    named = {v.split(":")[0] for s in services.values() for v in s.get("volumes", []) if not v.startswith(".")}
    assert named == set(compose["volumes"])


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name in ("kafka", "clickhouse"):
        assert re.search(r":\d+\.\d+", services[name]["image"]), name
    assert services["kafka"]["image"].startswith("apache/kafka:4.")


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"kafka": ["127.0.0.1:9092:9092"], "clickhouse": ["127.0.0.1:8123:8123"]}


def test_passwords_come_from_the_environment_and_are_required() -> None:
    passwords = [m for m in VARIABLE.finditer(COMPOSE) if "PASSWORD" in m["name"]]
    assert {m["name"] for m in passwords} == {"TAGPULSE_CLICKHOUSE_PASSWORD", "TAGPULSE_ANALYST_PASSWORD"}
    assert all(m["rule"] == ":?" for m in passwords)
    assert not re.search(r"PASSWORD: +[^$\s]", COMPOSE)


def test_what_stays_up_is_watched_and_what_ends_is_awaited(services: dict[str, Any]) -> None:
    for name in ("kafka", "clickhouse", "worker"):
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
        assert services[name]["restart"] == "unless-stopped", name
    assert services["worker"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "topics": {"condition": "service_completed_successfully"},
    }
    assert services["migrate"]["depends_on"] == {"clickhouse": {"condition": "service_healthy"}}
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_workers_are_several_and_have_time_to_stop(services: dict[str, Any]) -> None:
    from streams.settings import Settings

    assert services["worker"]["deploy"]["replicas"] > 1
    allowed = Settings.model_fields["stop_deadline_s"].default
    assert seconds(services["worker"]["stop_grace_period"]) > allowed


def test_our_containers_can_do_little(services: dict[str, Any]) -> None:
    for name in OURS:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_every_setting_exists(services: dict[str, Any]) -> None:
    from streams.settings import Settings

    known = {"TAGPULSE_" + name.upper() for name in Settings.model_fields}
    for name in OURS:
        assert set(services[name]["environment"]) <= known, name


def test_the_worker_and_its_health_check_agree_on_the_port(services: dict[str, Any]) -> None:
    port = services["worker"]["environment"]["TAGPULSE_HEALTH_PORT"]
    assert f"http://127.0.0.1:{port}/live" in services["worker"]["healthcheck"]["test"][-1]


def test_kafka_listeners_agree(services: dict[str, Any]) -> None:
    env = services["kafka"]["environment"]

    def names(variable: str) -> set[str]:
        return {entry.split(":")[0] for entry in env[variable].split(",")}

    assert names("KAFKA_LISTENERS") == names("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP")
    assert names("KAFKA_ADVERTISED_LISTENERS") == names("KAFKA_LISTENERS") - {env["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    bootstrap = services["worker"]["environment"]["TAGPULSE_KAFKA_BOOTSTRAP_SERVERS"]
    assert f"INTERNAL://{bootstrap}" in env["KAFKA_ADVERTISED_LISTENERS"]
    assert env["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert f"kafka-data:{env['KAFKA_LOG_DIRS']}" in services["kafka"]["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_the_command_line(services: dict[str, Any], name: str) -> None:
    command: Any = typer.main.get_command(cli)
    arguments = list(services[name]["command"])
    context = command.make_context("tagpulse", list(arguments), resilient_parsing=True)
    while hasattr(command, "resolve_command"):
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
        context = command.make_context("tagpulse", list(arguments), parent=context, resilient_parsing=True)
    # Once more in earnest: resilient parsing forgives unknown options.
    command.make_context("tagpulse", list(arguments), parent=context.parent)
