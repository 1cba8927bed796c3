"""Whole fetches out of a plain aiokafka consumer: its own reader of record batches, and nothing around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult

from loadtest.peers.job import Job

_WAIT_S = 0.2


async def fetches(job: Job) -> AsyncIterator[tuple[TopicPartition, Any]]:
    """Fetches of the job's topics, for ever: (partition, aiokafka's PartitionRecords, which yields its raw records).

    Iterate each to its end before asking for the next: the position moves then. Checksums are verified.
    """
    async with AIOKafkaConsumer(
        *job.topics, bootstrap_servers=job.kafka, group_id=job.group, auto_offset_reset="earliest"
    ) as consumer:
        fetcher = consumer._fetcher
        while True:
            for tp in list(fetcher._records):
                result = fetcher._records.pop(tp)
                if not isinstance(result, FetchResult):
                    result.check_raise()
                elif result.has_more() and result.check_assignment(tp):
                    records = result._partition_records
                    # getmany would build a ConsumerRecord around each, at three times the cost of the record.
                    records._consumer_record = lambda _tp, record: record
                    yield tp, records
                    result._update_position()
                    result._partition_records = None
                fetcher._notify(fetcher._wait_consume_future)
            if not fetcher._records:
                await asyncio.wait([fetcher._create_fetch_waiter()], timeout=_WAIT_S)
