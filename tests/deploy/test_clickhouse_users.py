"""The logins of the ClickHouse server."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

REPOSITORY = Path(__file__).parents[2]
USERS = REPOSITORY / "deploy" / "clickhouse" / "users.xml"


def text(path: str) -> str:
    found = ElementTree.parse(USERS).findtext(path)
    assert found is not None, path
    return found


def element(path: str) -> ElementTree.Element:
    found = ElementTree.parse(USERS).find(path)
    assert found is not None, path
    return found


def test_the_login_without_a_password_is_gone() -> None:
    assert element("users/default").attrib == {"remove": "remove"}
    assert {user.tag for user in element("users")} == {"default", "tagpulse", "analyst"}


@pytest.mark.parametrize(
    ("user", "variable"),
    [("tagpulse", "TAGPULSE_CLICKHOUSE_PASSWORD"), ("analyst", "TAGPULSE_ANALYST_PASSWORD")],
)
def test_passwords_come_from_the_environment_that_compose_gives(user: str, variable: str) -> None:
    password = element(f"users/{user}/password")
    assert password.attrib == {"from_env": variable}
    assert not (password.text or "").strip()
    compose = (REPOSITORY / "docker-compose.yml").read_text()
    assert re.search(rf"{variable}: \$\{{{variable}:\?", compose)


def test_analysts_read_one_database_and_nothing_else() -> None:
    grants = [query.text for query in element("users/analyst/grants")]
    assert grants == ["GRANT SELECT ON tagpulse.*", "GRANT dictGet ON tagpulse.*"]
    assert element("users/analyst").find("access_management") is None
    assert text("users/analyst/profile") == "analyst"


def test_no_query_of_an_analyst_runs_away() -> None:
    assert text("profiles/analyst/readonly") == "1"
    for limit in ("max_execution_time", "max_memory_usage", "max_memory_usage_for_user", "max_result_rows"):
        assert int(text(f"profiles/analyst/{limit}")) > 0
