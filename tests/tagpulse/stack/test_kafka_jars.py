"""What Apache Kafka needs on a machine: each missing piece is named. Stand-ins for `java` and `mvn`, no download."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagpulse.stack.errors import DownloadError, ToolMissingError
from tagpulse.stack.kafka import jars
from tagpulse.stack.logfile import LogFile
from tests.tagpulse.stack.helpers import alive


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on the PATH, an empty one; nothing is cached."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")
    path.chmod(0o755)


async def test_no_java(tools: Path) -> None:
    with pytest.raises(ToolMissingError, match=r"needs Java 17 or newer, and there is no `java` on the PATH\. Install"):
        await jars.require_java()


@pytest.mark.parametrize(("said", "version"), [("11.0.26", "11"), ("1.8.0_442", "8")])
async def test_java_is_too_old(tools: Path, said: str, version: str) -> None:
    script(tools / "java", f"""echo 'openjdk version "{said}" 2025-01-21' >&2""")
    with pytest.raises(ToolMissingError, match=rf"needs Java 17 or newer, and .*/java is version {version}\."):
        await jars.require_java()


async def test_java_home_comes_first(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    script(home / "bin" / "java", """echo 'openjdk version "21" 2023-09-19' >&2""")
    script(tools / "java", """echo 'openjdk version "11" 2018-09-25' >&2""")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert await jars.require_java() == str(home / "bin" / "java")


async def test_no_maven(tools: Path, log: LogFile) -> None:
    with pytest.raises(ToolMissingError, match=r"there is no `mvn` on the PATH\. Install it \(Debian: maven\)"):
        await jars.fetch(log, lambda what: None)


BRINGS_A_JAR = 'for word; do case $word in -DoutputDirectory=*) touch "${word#*=}/kafka_2.13-x.jar";; esac; done'


async def test_a_download_that_fails_says_why_and_leaves_nothing(tools: Path, log: LogFile) -> None:
    script(tools / "mvn", "echo '[ERROR] Could not transfer artifact x: Connection refused -> [Help 1]'; exit 1")
    told: list[str] = []
    with pytest.raises(
        DownloadError, match=r"could not be downloaded .*: Could not transfer artifact x: Connection refused\. "
    ):
        await jars.fetch(log, told.append, pause_s=0)
    assert ["Connection refused" in one for one in told] == [False, True, True], "three attempts"
    assert list(jars.cached().parent.iterdir()) == []


async def test_a_download_that_fails_once_is_tried_again(tools: Path, log: LogFile, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    script(tools / "mvn", f"test -e {tried} || {{ touch {tried}; exit 1; }}; {BRINGS_A_JAR}")
    assert await jars.fetch(log, lambda what: None, pause_s=0) == jars.cached()
    assert [path.name for path in jars.cached().iterdir()] == ["kafka_2.13-x.jar"]


async def test_a_download_that_hangs_is_given_up(tools: Path, log: LogFile, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script(tools / "mvn", f"echo $$ >> {pids}; exec sleep 1000")
    with pytest.raises(DownloadError, match=r"not done after 0\.5 s\. Check the network"):
        await jars.fetch(log, lambda what: None, attempt_s=0.5, pause_s=0)
    assert not any(alive(int(pid)) for pid in pids.read_text().split())
    assert list(jars.cached().parent.iterdir()) == []


async def test_a_download_is_made_once(tools: Path, log: LogFile) -> None:
    script(tools / "mvn", BRINGS_A_JAR)
    told: list[str] = []
    assert await jars.fetch(log, told.append) == jars.cached()
    assert [path.name for path in jars.cached().iterdir()] == ["kafka_2.13-x.jar"]
    (tools / "mvn").unlink()
    assert await jars.fetch(log, told.append) == jars.cached()
    assert len(told) == 1


async def test_another_process_was_faster(tools: Path, log: LogFile) -> None:
    script(
        tools / "mvn",
        f"mkdir {jars.cached()}; touch {jars.cached()}/theirs; {BRINGS_A_JAR}",
    )
    assert await jars.fetch(log, lambda what: None) == jars.cached()
    assert [path.name for path in jars.cached().iterdir()] == ["theirs"]
    assert list(jars.cached().parent.iterdir()) == [jars.cached()]
