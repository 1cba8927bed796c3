"""How people write a hashtag: best effort, outside the protocol, bounded in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import first_line

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)

_MAX_WAITING = 50_000
_MAX_KNOWN = 500_000


class Names:
    """Collects display forms and writes them to `hashtag_names` now and then."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: set[str] = set()
        self._waiting: dict[str, str] = {}

    def see(self, display_forms: Mapping[str, str]) -> None:
        """Remember display forms (normal form -> as written), the first of each tag."""
        for tag, display in display_forms.items():
            if tag not in self._known and len(self._waiting) < _MAX_WAITING:
                self._known.add(tag)
                self._waiting[tag] = display
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()

    def write(self) -> None:
        """Write what was collected. Blocks; a failure is logged and forgotten."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            self._client.insert(
                "hashtag_names", [list(item) for item in waiting.items()], column_names=["hashtag", "display"]
            )
        except ClickHouseError as error:
            log.warning("display names of %d hashtags were not written: %s", len(waiting), first_line(error))
