"""ClickHouse killed, away, hung, slow, or heard by nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

from loadtest.faults.processes import frozen
from loadtest.faults.toxics import DOWN, UP, Toxic, bandwidth, cut, lost_answer
from tests.faults.registry import scenario
from tests.faults.rig import INSERT_DEADLINE_S
from tests.faults.run import Run

INSERT, CLAIM, DONE = "INSERT INTO ingest", "deduplication_token=claim/", "deduplication_token=done/"
REPEATED = "the same rows and token again until the deadline; then the next owner recounts"
_RECEIPTS = "a repetition is dropped by its token, or lands; receipts tell which rows are there"


@scenario("SIGKILL of ClickHouse at a random moment", _RECEIPTS, rounds=3)
def clickhouse_killed(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        run.moment(0.5)
        run.rig.clickhouse_process().kill()
        run.injected("SIGKILL of ClickHouse")


@scenario(
    "ClickHouse killed, and away beyond the deadline of every insert", "workers end with exit code 70 and come back"
)
def clickhouse_away(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        with run.rig.clickhouse_down(kill=True):
            time.sleep(INSERT_DEADLINE_S + 3)
            assert run.stack.counted() is None
        run.injected("ClickHouse away")
        run.progress(3_000)


@scenario(
    "SIGKILL of ClickHouse when half of an insert's body has arrived", "nothing of a cut body is inserted", rounds=2
)
def clickhouse_killed_in_a_body(run: Run) -> None:
    for _ in run.rounds():
        _kill_when(run, lambda kill: cut(UP, 2_000, match=INSERT, on_cut=kill))
        run.injected("SIGKILL in the body of an insert")


@scenario("SIGKILL of ClickHouse some milliseconds after the body of an insert", _RECEIPTS, rounds=4)
def clickhouse_killed_in_an_insert(run: Run) -> None:
    for _ in run.rounds():
        _kill_when(run, lambda kill: cut(UP, _WHOLE, match=INSERT, on_cut=kill), run.dice.uniform(0, 0.02))
        run.injected("SIGKILL in an insert")


#: More bytes than any message has.
_WHOLE = 1 << 40


def _kill_when(run: Run, toxic: Callable[[Callable[[], None]], Toxic], after_s: float = 0.0) -> None:
    run.progress()
    server = run.rig.clickhouse_process()

    def kill() -> None:
        time.sleep(after_s)
        server.kill()

    with run.clickhouse.toxic(toxic(kill)) as active:
        run.met(active)
        run.gone(server)


@scenario("SIGSTOP of ClickHouse beyond the time-out of an insert: it accepts and never answers", REPEATED)
def clickhouse_hung(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        with frozen(run.rig.clickhouse_process()):
            time.sleep(10)  # inserts give up after 3 + 5 s, and are repeated
        run.injected("SIGSTOP of ClickHouse")
        run.progress(2_000)


def meets(toxics: Callable[[], list[Toxic]], seconds: float, fault: str) -> Callable[[Run], None]:
    """Toxics before ClickHouse for a while, once they are done to some message."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.progress()
            with run.clickhouse.toxic(*toxics()) as active:
                run.met(active)
                time.sleep(seconds)
            run.injected(fault, sum(toxic.hits for toxic in active))
            run.progress(500)

    return body


for _what, _match in {"insert": INSERT, "claim": CLAIM, "done": DONE}.items():
    scenario(
        f"the answer to `{_what}` is lost after ClickHouse has done it",
        _RECEIPTS if _what == "insert" else "the row is read back: it is ours",
        name=f"answer-lost-of-{_what}",
        rounds=2,
    )(meets(lambda m=_match: [lost_answer(m, times=3)], 0.3, f"lost answer of {_what}"))  # type: ignore[misc]
scenario("the connection is cut after 40 bytes of an answer", _RECEIPTS, name="answer-cut", rounds=2)(
    meets(lambda: [cut(DOWN, 40, times=5)], 0.3, "cut answer")
)
scenario("the connection is cut after 2,000 bytes of an insert's body", REPEATED, name="insert-cut", rounds=2)(
    meets(lambda: [cut(UP, 2_000, match=INSERT, times=5)], 0.3, "cut insert")
)
scenario("ClickHouse takes 60 kB/s from each connection", "deltas grow, counting goes on", name="clickhouse-slow")(
    meets(lambda: [bandwidth(UP, 60_000)], 4, "slowed message")
)
