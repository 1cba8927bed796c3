"""What an event costs against how many distinct keys there are: counts in memory, and the full path.

Hashtags are uniform, so their number decides how many keys a number of events comes to. Nothing here grows with
the keys but 16 bytes a key of truth, and what the contestant itself keeps.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace

from rich.console import Console

from loadtest.document import Document
from loadtest.peers.loading import load
from loadtest.peers.registry import named
from loadtest.peers.report import Outcome, Spread, title_of
from loadtest.peers.truth import HashedTruth
from loadtest.peers.workload import MINUTES, STICKER_SHARES, TYPES, UNIFORM_TAGS_PER_EVENT, Shape, Workload
from loadtest.running import run
from loadtest.sheets import Sheet
from loadtest.targets import CLICKHOUSE
from tagpulse.local import local_options
from tagpulse.stack.supervisor import Stack

CONTESTANTS = ("tagpulse_memory", "tagpulse_full")
#: Few, so that hashtags decide the number of keys.
COUNTRIES = 5
#: Events for each key that is asked for: with too few, nearly every row would have to be a new key.
_EVENTS_PER_KEY = 0.28
_MOST_TAGS = 10**9


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    keys: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    events: int = 500_000
    """The least; as many keys as are asked for may need more."""
    runs: int = 1
    partitions: int = 4
    seed: int = 1
    quiet_s: float = 3.0

    @classmethod
    def quick(cls, **others: object) -> Options:
        """Small and once: whether all is counted right."""
        return replace(cls(keys=(2_000, 50_000), events=20_000, quiet_s=0.5), **others)  # type: ignore[arg-type]


async def measure(options: Options, console: Console | None = None) -> Document:
    """Every number of keys in a stack of its own. To be called in the main thread. Raises StackError."""
    console = console or Console(quiet=True)
    points = []
    for keys in options.keys:
        point = await _point(keys, options, console)
        points.append(point)
    return {"options": asdict(options), "points": points}


async def _point(keys: int, options: Options, console: Console) -> Document:
    events = max(options.events, math.ceil(keys * _EVENTS_PER_KEY))
    workload = Workload(
        shape=Shape.UNIFORM, seed=options.seed, number=events, until_s=int(time.time()),
        tags=tags_for(keys, events), countries=COUNTRIES,
    )  # fmt: skip
    outcomes = [Outcome(contestant, events) for contestant in named(CONTESTANTS)]
    async with Stack(local_options(workers=0, partitions=options.partitions)) as stack:
        with console.status("") as status:
            sets = await load(
                stack.endpoints.kafka,
                workload,
                {events},
                options.partitions,
                lambda done: status.update(f"{keys:,} keys: putting events into Kafka: {done:,} of {events:,}"),
                HashedTruth,
            )
        loaded = sets[events]
        for number in range(1, options.runs + 1):
            for outcome in outcomes:
                with console.status(f"{keys:,} keys, run {number} of {options.runs}: {outcome.contestant.title}"):
                    if not outcome.wrong:
                        await run(stack, outcome, loaded, options.partitions, number, options.quiet_s)
    point: Document = {
        "asked": keys,
        "keys": len(loaded.truth),
        "events": events,
        "rows": loaded.truth.rows,
        "tags": workload.tags,
        "wrong": [line for outcome in outcomes for line in outcome.wrong],
        "ways": {name: way for outcome in outcomes if outcome.valid for name, way in _ways(outcome).items()},
    }
    console.print(_line(point), style="dim", highlight=False)
    return point


def _ways(outcome: Outcome) -> dict[str, Document]:
    rss = Spread.of([float(figures.peak_rss) for figures in outcome.runs])
    return {
        name: {
            "ns_per_event": asdict(Spread(1e9 / rate.median, 1e9 / rate.greatest, 1e9 / rate.least)),
            "peak_rss": asdict(rss),
        }
        for name, rate in outcome.rates().items()
    }


def _line(point: Document) -> str:
    ways = ", ".join(f"{title_of(name)} {way['ns_per_event']['median']:,.0f} ns" for name, way in point["ways"].items())
    return f"{point['keys']:,} keys: {ways or 'no figures'}; {' '.join(point['wrong'])[-500:]}".rstrip("; ")


def expected_keys(tags: int, events: int) -> float:
    """How many distinct keys `events` uniform events with `tags` hashtags come to, on average."""
    found = 0.0
    for kind, share in TYPES:
        for weight in STICKER_SHARES if kind == "sticker_use" else (1.0,):
            cells, rows = COUNTRIES * MINUTES, events * share * weight
            for places, drawn in ((cells, rows), (cells * tags, rows * UNIFORM_TAGS_PER_EVENT)):
                found += -places * math.expm1(-drawn / places)
    return found


def tags_for(keys: int, events: int) -> int:
    """The least number of hashtags with which `events` come to `keys`; the most there may be where none does."""
    few, many = 1, _MOST_TAGS
    while few < many:
        middle = (few + many) // 2
        few, many = (few, middle) if expected_keys(middle, events) >= keys else (middle + 1, many)
    return few


def passed(document: Document) -> bool:
    """Whether everything was counted right."""
    return not any(point["wrong"] for point in document["points"])


def sheets(document: Document) -> list[Sheet]:
    """The table of a measurement."""
    options = document["options"]
    columns = ("tagpulse_memory", "tagpulse_full", "tagpulse_full" + CLICKHOUSE)
    rows = []
    for point in document["points"]:
        ways = point["ways"]
        cost = [f"{ways[name]['ns_per_event']['median']:,.0f}" if name in ways else "wrong" for name in columns]
        rss = [f"{ways[name]['peak_rss']['median'] / 1e6:,.0f}" if name in ways else "" for name in columns[:2]]
        rows.append([f"{point['keys']:,}", f"{point['events']:,}", *cost, *rss])
    caption = (
        f"Uniform hashtags, {UNIFORM_TAGS_PER_EVENT} an event, seed {options['seed']}; median of {options['runs']}; "
        "every key compared with the truth by 64-bit hashes. Counts in memory keep every row that would be written."
    )
    headings = (
        *("distinct keys", "events", "counts in memory", "full path: worker", "full path: worker and ClickHouse"),
        *("peak MB: in memory", "peak MB: full path, worker"),
    )
    return [Sheet("CPU time per event (ns) by distinct keys", headings, rows, caption)]
