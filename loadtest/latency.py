"""From the moment an event should be sent until it is counted, and until a SELECT shows it, at a steady rate.

A load test (loadtest.load) at one even rate, with the targets of the two latencies. Needs the extra `loadtest`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console

from loadtest.crew import CrewError
from loadtest.document import Document
from loadtest.sheets import Sheet, milliseconds
from streams.settings import Settings
from tagpulse.stack.broker import BrokerKind

#: Targets of the 99th percentile, seconds; that of `visible` is behind the interval at which a worker writes.
COUNTED_P99_S, VISIBLE_P99_BEHIND_FLUSH_S = 0.050, 0.5
#: Events that are due within so long wait for each other, as in any producer that batches.
_LINGER_MS = 10
#: How often a SELECT looks. Less would measure itself: the question costs ClickHouse some ms.
_LOOK_S = 0.1
_PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure. `rate`: events per second, over all `producers` (processes)."""

    rate: int = 50_000
    seconds: int = 30
    producers: int = 1
    partitions: int = 4
    seed: int = 1
    broker: BrokerKind = BrokerKind.EMBEDDED

    @classmethod
    def quick(cls, **others: object) -> Options:
        """Slow and short: whether all is counted right."""
        return replace(cls(rate=2_000, seconds=3), **others)  # type: ignore[arg-type]


async def measure(options: Options, console: Console | None = None) -> Document:
    """One run with one worker. To be called in the main thread.

    Raises CrewError where worker or producers failed or a count is wrong, StackError where the stack does not start.
    """
    # The rest of the benchmark does without the packages of load tests.
    from loadtest.load.run import run
    from loadtest.load.servers import Local
    from loadtest.load.workload import parse

    console = console or Console(quiet=True)
    workload = parse(
        {
            "description": "an even rate",
            "steps": [{"seconds": options.seconds, "rate": options.rate}],
            "senders": options.producers,
            "partitions": options.partitions,
            "seed": options.seed,
            "linger_ms": _LINGER_MS,
            "partitioning": "sticky",
        },
        "latency",
    )
    with console.status("") as status:
        found = await run(
            workload, Local(broker=options.broker), lambda what, _: status.update(what), look_s=_LOOK_S
        )  # fmt: skip
    if not found["verdict"]["right"] or found["drained_s"] is None:
        raise CrewError("\n".join(["counts differ from what was sent", *found["verdict"]["examples"]]))
    return {"options": asdict(options) | {"broker": options.broker.value}} | figures(found)


def figures(found: Document) -> Document:
    """What a load test has measured, against the targets."""
    flush_s = float(Settings.model_fields["flush_interval_s"].default)
    document: Document = {
        "events": found["sent"]["events"],
        "late_s": found["late_s"],
        "void": bool(found["void"]),
        "cpu_s": found["cpu_s"],
    }
    targets = {"counted": COUNTED_P99_S, "visible": flush_s + VISIBLE_P99_BEHIND_FLUSH_S}
    for name, target in targets.items():
        latency: dict[str, Any] = {at: found["latency_s"][name][at] for at in _PERCENTILES}
        document[name] = {"latency_s": latency, "target_p99_s": target, "met": latency["p99"] < target}
    return document


def sheets(document: Document) -> list[Sheet]:
    """The table of a measurement; a void one has no figures."""
    options, late = document["options"], document["late_s"]
    caption = (
        f"{document['events']:,} events at {options['rate']:,} a second, {options['producers']} producers, one worker, "
        f"{options['partitions']} partitions a topic, broker: "
        f"{options['broker']}; every count compared with the truth. The generator was "
        f"{milliseconds(late['p50'])} late in the median, {milliseconds(late['p99'])} in p99. CPU seconds: "
        + ", ".join(f"{name} {used:.1f}" for name, used in sorted(document["cpu_s"].items()))
        + "."
    )
    if document["void"]:
        return [Sheet("Latency: void, the generator fell behind", ("from the intended time until",), [], caption)]
    rows = [
        [
            what,
            *(milliseconds(document[name]["latency_s"][at]) for at in _PERCENTILES),
            f"{milliseconds(document[name]['target_p99_s'])}, {'met' if document[name]['met'] else 'not met'}",
        ]
        for name, what in (("counted", "counted by the worker"), ("visible", "visible in a SELECT"))
    ]
    return [Sheet("Latency", ("from the intended time until", *_PERCENTILES, "target of p99"), rows, caption)]
