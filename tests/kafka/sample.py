"""Records to send."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtest.events import Workload
from tests.e2e.ledger import Record, plain_record


def records(seed: int, number: int = 5_000) -> list[Record]:
    """Of all types."""
    return [plain_record(event) for event in Workload(seed=seed, until=datetime.now(UTC)).events(number)]


def views(seed: int, number: int) -> list[Record]:
    """For the topic `video-views`."""
    found = [record for record in records(seed, 3 * number + 100) if record.event_type == "video_view"]
    assert len(found) >= number
    return found[:number]
