"""chDB in this process, reading the topics by ClickHouse's table engine Kafka. Its CPU is that of this process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import chdb
import orjson
import psutil
from chdb import session

from loadtest.peers.job import Entry, Key, cpu_s
from loadtest.peers.merges import STATE, settle

_DATABASE = "bench"
_POLL_S, _JOIN_POLL_S = 0.2, 0.05
_DUMP_BYTES = 1 << 20

_SOURCE = """
CREATE TABLE source ({columns}) ENGINE = Kafka
SETTINGS kafka_broker_list = '{kafka}', kafka_topic_list = '{topics}', kafka_group_name = '{group}',
    kafka_format = 'JSONEachRow', input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort'
"""


class Engine:
    """An empty database. Make `source` and its targets, then `run`."""

    def __init__(self) -> None:
        self.entry = Entry("chdb")
        release = str(chdb.query("SELECT version()", "TabSeparated")).strip()
        self.entry.version = f"chdb {chdb.__version__}, ClickHouse {release}"
        self._session: Any = session.Session(f"{self.entry.job.folder}/chdb")
        self.do(f"CREATE DATABASE {_DATABASE} ENGINE = Atomic")
        self.do(f"USE {_DATABASE}")

    def do(self, statement: str) -> None:
        """Run a statement without an answer. Raises RuntimeError."""
        self._session.query(statement)

    def numbers(self, query: str) -> tuple[int, ...]:
        """The one row that a query answers."""
        return tuple(map(int, self._session.query(query, "TabSeparated").data().split()))

    def create_source(self, columns: str) -> None:
        """The table `source`, which reads the job's topics."""
        job = self.entry.job
        try:
            self.do(_SOURCE.format(columns=columns, kafka=job.kafka, topics=",".join(job.topics), group=job.group))
        except RuntimeError as error:
            if "Shutdown was called" not in str(error):  # chDB says so, and yet the table is there and consumes
                raise

    def run(self, counted: str, counts: str) -> NoReturn:
        """Wait until the query `counted` answers the number of events, then until merges have settled; deliver.

        `counts` selects type, country, hashtag, sticker, unix minute, events.
        """
        job, process = self.entry.job, psutil.Process(os.getpid())
        while not self.numbers("SELECT countIf(notEmpty(assignments.topic)) FROM system.kafka_consumers")[0]:
            time.sleep(_JOIN_POLL_S)
        self.entry.begin()
        while self.numbers(counted)[0] < job.events:
            time.sleep(_POLL_S)
        self.entry.end()
        self.entry.extra = settle(self._state, lambda: cpu_s(process), job.quiet_s)
        path = Path(job.folder) / "dump.ndjson"
        into = f"INTO OUTFILE '{path}' FORMAT JSONCompactEachRow"
        self.do(f"{counts} {into} SETTINGS output_format_json_quote_64bit_integers = 0")
        self.entry.deliver(_rows(path))

    def _state(self) -> tuple[int, int]:
        merges, parts = self.numbers(STATE.format(database=_DATABASE))
        return merges, parts


def _rows(path: Path) -> Iterator[tuple[Key, int]]:
    with path.open("rb", _DUMP_BYTES) as lines:
        for line in lines:
            *key, number = orjson.loads(line)
            yield tuple(key), number
