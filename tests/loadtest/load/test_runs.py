"""Real runs: every workload in a short form, and runs that something is wrong with on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner

from loadtest.document import Document, encode, header
from loadtest.load.report import page
from loadtest.load.run import run
from loadtest.load.servers import Local, Remote, Servers, TargetError
from loadtest.load.watch import Sample
from loadtest.load.workload import Workload, load, names
from sinks.client import connect
from tagpulse.cli import cli
from tests.e2e.harness import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """A broker and a ClickHouse that are not the load test's own."""
    stack = Stack(tmp_path_factory.mktemp("servers"), workers=0, program=("-m", "tests.e2e.program"))
    stack.start()
    at = stack.ready
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAGPULSE_CLICKHOUSE_USER", at["clickhouse_user"])
        patch.setenv("TAGPULSE_CLICKHOUSE_PASSWORD", at["clickhouse_password"])
        patch.setenv("TAGPULSE_KAFKA_IDEMPOTENT_PRODUCER", "false")
        yield Remote.of(f"{at['kafka']},{at['clickhouse']}", idempotent=False)
    stack.abandon()


def short(name: str, **fields: Any) -> Workload:
    """A few seconds of a workload, at a rate that a busy machine can bear."""
    workload = load(name)
    scaled = workload.scaled(seconds=3, peak=800 if workload.peak else None)
    backlog = {"backlog": 20_000} if workload.backlog else {}
    return scaled.changed({"flat": False, "partitions": 2, "videos": 1_000, **backlog, **fields})


def counts_are_right(document: Document) -> None:
    """PASS, or VOID for nothing but a generator that this machine kept waiting."""
    verdict = document["verdict"]
    assert verdict["right"], verdict
    assert verdict["keys"] > 0
    assert document["sent"]["unanswered"] == 0
    assert document["drained_s"] is not None
    assert document["outcome"] == ("VOID" if document["void"] else "PASS")
    assert all("fell behind" in reason for reason in document["void"])
    for what in ("acked", "counted", "visible"):
        assert document["never_seen"][what] == 0
        assert document["latency_s"][what]["p50"] > 1e-4 or document["closed_loop"]


#: `failures` harms servers, so it needs its own.
@pytest.mark.parametrize("name", sorted({*names()} - {"failures"}))
async def test_every_event_of_a_workload_is_counted_once(name: str, servers: Remote) -> None:
    workload = short(name)
    document = await run(workload, servers)
    counts_are_right(document)
    if workload.peak:
        due = sum((float(step.rate) + (step.to if step.to is not None else float(step.rate))) / 2 * step.seconds
                  for step in workload.steps)  # fmt: skip
        assert document["sent"]["events"] == pytest.approx(due + workload.backlog, abs=len(workload.steps))
    assert document["sent"]["events"] >= workload.backlog
    if workload.poison:
        assert document["verdict"]["rejected"] > 0


async def test_a_topic_of_nothing_but_poison_is_rejected_and_told(servers: Remote) -> None:
    """Such a delta has no counts, and so no receipt."""
    document = await run(short("poison", mix={"video_creation": 1}), servers)
    counts_are_right(document)
    assert document["verdict"]["rejected"] > 0


async def test_nothing_is_left_of_a_run_on_servers_of_the_user(servers: Remote) -> None:
    async with servers.started(short("steady")) as found:
        client = found.connect()
        assert client.command("SELECT currentDatabase()").startswith("tagpulse_load_")
        assert {*found.endpoints.topics.values()} <= await topics(servers)
        with pytest.raises(TargetError, match="only workers can be harmed"):
            async with servers.started(short("failures")):
                pass
    login = (os.environ[f"TAGPULSE_CLICKHOUSE_{name}"] for name in ("USER", "PASSWORD"))
    assert not [name for name in await topics(servers) if name.startswith("tagpulse-load-")]
    outside = connect(servers.clickhouse, *login)
    assert outside.command("SELECT count() FROM system.databases WHERE name LIKE 'tagpulse_load_%'") == 0


async def topics(servers: Remote) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await admin.start()
    try:
        return {*await admin.list_topics()}
    finally:
        await admin.close()


async def test_failures_cost_freshness_and_no_event() -> None:
    document = await run(short("failures").scaled(seconds=8), Local())
    counts_are_right(document)
    assert {fault["fault"] for fault in document["faults"]} == {
        "kill-worker", "cut-clickhouse", "kill-clickhouse", "cut-kafka", "pause-worker",
    }  # fmt: skip
    assert document["worker_deaths"] >= 1


# ---- what is wrong must be told -----------------------------------------------------------------------------


@dataclass
class Watched:
    """A target whose servers can be reached while a run goes on."""

    target: Remote
    servers: Servers | None = None

    @contextlib.asynccontextmanager
    async def started(self, workload: Workload) -> AsyncIterator[Servers]:
        async with self.target.started(workload) as self.servers:
            yield self.servers

    def title(self) -> str:
        return self.target.title()


async def damaged(servers: Remote, statements: Callable[[], list[str]]) -> Document:
    """A run in which `statements` are executed behind its back, between the last insert and the comparison."""
    target, done = Watched(servers), False

    def damage(what: str, sample: Sample | None) -> None:
        nonlocal done
        if what.startswith("comparing") and not done:
            done = True
            assert target.servers is not None
            client = target.servers.connect()
            for statement in statements():
                client.command(statement)

    return await run(short("steady").scaled(seconds=2), target, damage)  # type: ignore[arg-type]


async def test_a_doubled_batch_is_told(servers: Remote) -> None:
    again = [
        f"INSERT INTO {table} SELECT * REPLACE(events * (event_type = 'video_view') AS events) FROM {table}"
        " SETTINGS deduplicate_insert = 'disable'"
        for table in ("engagement_minute", "engagement_hour", "engagement_day")
    ]
    document = await damaged(servers, lambda: again)
    found = document["verdict"]
    assert document["outcome"] == "FAIL"
    assert found["doubled"] > 0
    assert (found["missing"], found["extra"], set(found["grains"].values())) == (0, 0, {0})


async def test_a_lost_record_is_told(servers: Remote) -> None:
    lost = ["ALTER TABLE engagement_minute DELETE WHERE event_type = 'video_creation' SETTINGS mutations_sync = 2"]
    document = await damaged(servers, lambda: lost)
    found = document["verdict"]
    assert document["outcome"] == "FAIL"
    assert found["missing"] > 0
    assert (found["doubled"], found["extra"]) == (0, 0)
    assert all(wrong > 0 for wrong in found["grains"].values())  # the coarse ones still have them


async def test_a_slow_sender_voids_the_run(servers: Remote) -> None:
    halted: list[psutil.Process] = []

    def halt(what: str, sample: Sample | None) -> None:
        if what == "sending" and sample is not None and sample.second > 0.5 and not halted:
            children = psutil.Process().children()
            halted.extend(one for one in children if "loadtest.load.sender" in one.cmdline())
            for process in halted:
                os.kill(process.pid, signal.SIGSTOP)
                asyncio.get_running_loop().call_later(1.0, os.kill, process.pid, signal.SIGCONT)

    document = await run(short("steady"), servers, halt)
    assert halted
    assert document["outcome"] == "VOID"
    assert "fell behind" in document["void"][0]
    assert document["verdict"]["right"]
    assert document["latency_s"]["acked"]["max"] > 0.9  # from when it was due, not from when it was sent


# ---- commands -----------------------------------------------------------------------------------------------


def test_a_run_by_command_leaves_json_and_a_report(servers: Remote, tmp_path: Path) -> None:
    out, html = tmp_path / "run.json", tmp_path / "run.html"
    target = f"{servers.kafka},{servers.clickhouse}"
    workload = ["loadtest", "run", "steady", "--seconds", "2", "--peak", "500", "--partitions", "1"]
    arguments = [*workload, "--target", target, "--no-idempotence", "--out", str(out), "--report", str(html)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code in (0, 3), result.output
    document = orjson.loads(out.read_bytes())
    counts_are_right(document)
    text = html.read_text()
    assert text == page(document)
    assert text.count("<svg") == 8
    # Nothing is fetched: the only addresses are names of XML, and the servers that were measured.
    addresses = {*re.findall(r"https?://[^\s\"'<;,]+", text)}
    assert all(one.startswith(("http://www.w3.org", servers.clickhouse)) for one in addresses), addresses
    assert not re.search(r"<(script|link|img|iframe)", text)
    assert document["outcome"] in text
    other = tmp_path / "other.json"
    other.write_bytes(encode(document))
    compared = CliRunner().invoke(cli, ["loadtest", "compare", str(out), str(other)])
    assert compared.exit_code == 0, compared.output
    assert "The same workload." in compared.output
    again = CliRunner().invoke(cli, ["loadtest", "report", str(out), "--out", str(tmp_path / "again.html")])
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "steadyy"], "there is no workload"),
        (["run", "steady", "--target", "192.0.2.7:9092,http://192.0.2.7:8123"], "only with --allow-remote"),
        (["run", "steady", "--target", "127.0.0.1:9092"], "write local, or brokers and ClickHouse"),
        (["run", "steady", "--fault", "kill-worker"], "write a fault and its second"),
        (["run", "steady", "--fault", "kill-wrker@3"], "faults.0.fault"),
        (["search", "steady", "--low", "10", "--high", "5"], "the bracket is 10 to 5"),
        (["search", "burst"], "has not one even rate"),
        (["run", "steady", "--out", "/nonexistent/run.json"], "is no directory: make it first"),
        (["run", "steady", "--target", "127.0.0.1:9092,http://u:secret@127.0.0.1:8123"], "a login has no place"),
        (["compare", "/nonexistent", "/nonexistent"], "cannot be read as a measurement"),
    ],
)
def test_a_wrong_command_is_answered_with_the_remedy(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["loadtest", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_document_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(encode(header("workers", "tagpulse bench workers")))
    result = CliRunner().invoke(cli, ["loadtest", "report", str(path)])
    assert result.exit_code == 2
    assert "of the form workers" in " ".join(result.output.replace("│", " ").split())
