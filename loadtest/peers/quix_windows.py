"""Quix Streams: fan out, group by the key (through a topic of its own, as it has to be), tumbling window, count."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found, unused-ignore]

from loadtest.peers.job import SESSION_S, Entry, Key

SEPARATOR = "\x1f"
MINUTE_MS = 60_000


def main() -> None:
    entry = Entry("quixstreams", "confluent-kafka")
    job = entry.job
    app: Any = Application(
        broker_address=job.kafka,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        state_dir=f"{job.folder}/state",
        loglevel="WARNING",
        # The embedded broker forms a group the sooner.
        consumer_extra_config={"session.timeout.ms": SESSION_S * 1000, "heartbeat.interval.ms": SESSION_S * 333},
    )
    counts: dict[tuple[str, int], int] = {}
    counted = 0

    def fan_out(event: dict[str, Any]) -> list[str]:
        entry.begin()
        head = SEPARATOR.join((event["type"], event["country"], event.get("sticker", ""), ""))
        return [head + tag for tag in ("", *event["hashtags"])]

    def keep(window: dict[str, int], key: str, *_: Any) -> None:
        nonlocal counted
        counts[key, window["start"]] = window["value"]
        counted += 1
        if counted == job.rows:
            entry.end()
            entry.deliver(rows(counts))

    frames = [app.dataframe(app.topic(name, value_deserializer="json")) for name in job.topics]
    rows_of_events = reduce(lambda one, other: one.concat(other), frames).apply(fan_out, expand=True)
    keyed = rows_of_events.group_by(lambda key: key, name="row")
    # Partitions are read at their own pace: nothing may be late in the ten minutes there are.
    windows = keyed.tumbling_window(MINUTE_MS, grace_ms=60 * MINUTE_MS).count()
    windows.current().update(keep, metadata=True)
    app.run()


def rows(counts: dict[tuple[str, int], int]) -> Iterator[tuple[Key, int]]:
    """Windowed counts as the check wants them."""
    for (key, start), number in counts.items():
        kind, country, sticker, tag = key.split(SEPARATOR)
        yield (kind, country, tag, sticker, start // MINUTE_MS), number


if __name__ == "__main__":
    main()
