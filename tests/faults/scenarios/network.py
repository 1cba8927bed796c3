"""The network between the workers and the two servers: cut, slow, torn."""

from __future__ import annotations

import time
from collections.abc import Callable

from loadtest.faults.proxy import Proxy
from loadtest.faults.toxics import DOWN, UP, Toxic, black_hole, latency, lost_answer, sliced
from tagpulse.stack.broker import BrokerKind
from tests.faults.registry import scenario
from tests.faults.rig import SESSION_S
from tests.faults.run import Run

#: Longer than a session: the group gives the partitions away.
_CUT_S = SESSION_S * 1.5
_SIDES: dict[str, Callable[[Run], Proxy]] = {"kafka": lambda run: run.kafka, "clickhouse": lambda run: run.clickhouse}
_NAMES = {"kafka": "Kafka", "clickhouse": "ClickHouse"}
_AFTER_A_CUT = {
    "kafka": "partitions move, or the consumer asks again; who lost them writes nothing more",
    "clickhouse": "the same rows and token again until the deadline; then the next owner recounts",
}
_WAYS = {
    "requests": ("requests are held back", lambda: [black_hole(UP)]),
    "answers": ("answers are held back", lambda: [black_hole(DOWN)]),
    "both-ways": ("nothing gets through", lambda: [black_hole(UP), black_hole(DOWN)]),
}


def cut_off(side: str, toxics: Callable[[], list[Toxic]], *, resets: bool) -> Callable[[Run], None]:
    """A black hole for a while. Then what was held back arrives late, or its connections are reset before."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.progress()
            proxy = _SIDES[side](run)
            with proxy.toxic(*toxics()) as active:
                run.met(active[:1])
                time.sleep(_CUT_S)
                if resets:
                    proxy.reset()
            run.injected("network cut")
            run.progress(1_000)

    return body


for _side in _SIDES:
    for _way, (_words, _toxics) in _WAYS.items():
        _resets = _way == "both-ways"
        _end = "then connections are reset" if _resets else "then arrive late"
        scenario(
            f"between workers and {_NAMES[_side]} {_words} for {_CUT_S:.0f} s, {_end}",
            _AFTER_A_CUT[_side],
            name=f"{_side}-cut-{_way}",
        )(cut_off(_side, _toxics, resets=_resets))


def refused(side: str) -> Callable[[Run], None]:
    """Connections are reset, new ones refused for a while."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.progress()
            with _SIDES[side](run).refusing():
                time.sleep(3)
            run.injected("connections refused")
            run.progress(500)

    return body


def torn(side: str) -> Callable[[Run], None]:
    """All connections are reset again and again."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.progress()
            for _ in range(5):
                run.injected("connection reset", _SIDES[side](run).reset())
                run.moment(0.5)

    return body


for _side in _SIDES:
    scenario(f"connections to {_NAMES[_side]} reset and refused for 3 s", _AFTER_A_CUT[_side], name=f"{_side}-refused")(
        refused(_side)
    )
    scenario(f"all connections to {_NAMES[_side]} reset again and again", _AFTER_A_CUT[_side], name=f"{_side}-reset")(
        torn(_side)
    )


def bad_line(side: str, toxics: Callable[[], list[Toxic]]) -> Callable[[Run], None]:
    """Toxics for some seconds in which counting must go on."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.progress()
            with _SIDES[side](run).toxic(*toxics()) as active:
                run.progress(2_000)
            run.injected("message on a bad line", sum(toxic.hits for toxic in active))

    return body


for _side in _SIDES:
    scenario(
        f"messages between workers and {_NAMES[_side]} come late by 20 to 120 ms, in pieces of 1,000 bytes",
        "counting goes on meanwhile",
        name=f"{_side}-bad-line",
    )(
        bad_line(
            _side, lambda: [latency(UP, 0.02, 0.1), latency(DOWN, 0.02, 0.1), sliced(UP, 1_000), sliced(DOWN, 1_000)]
        )
    )


@scenario(
    "answers of the broker to fetches, heartbeats, commits, joins and syncs are lost after it has acted",
    "the consumer asks again; offsets in Kafka decide nothing",
    short_on=BrokerKind.KAFKA,
)
def kafka_answers_lost(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        with run.kafka.toxic(
            *(lost_answer(name, times=2) for name in ("Fetch", "Heartbeat", "OffsetCommit"))
        ) as active:
            run.met(active, 2)
        with run.kafka.toxic(*(lost_answer(name) for name in ("JoinGroup", "SyncGroup"))) as rebalancing:
            run.stack.workers()[0].kill()
            run.met(rebalancing)
        run.injected("lost answer of the broker", sum(toxic.hits for toxic in (*active, *rebalancing)))
        run.progress(500)
