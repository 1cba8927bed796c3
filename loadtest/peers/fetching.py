"""Batches out of a plain aiokafka consumer, without Faust, by the worker's own way of unpacking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer

from loadtest.peers.job import Job
from streams.batch import RecordBatch
from streams.drain import drain


async def batches(job: Job) -> AsyncIterator[RecordBatch]:
    """All records of the job's topics; ends behind the last one."""
    seen = 0
    async with AIOKafkaConsumer(
        *job.topics, bootstrap_servers=job.kafka, group_id=job.group, auto_offset_reset="earliest"
    ) as consumer:
        fetcher = consumer._fetcher
        while seen < job.events:
            for tp in list(fetcher._records):
                pieces = drain(fetcher._records.pop(tp), tp, 0)
                fetcher._notify(fetcher._wait_consume_future)
                for piece in pieces:
                    seen += len(piece)
                    yield piece
            if seen < job.events and not fetcher._records:
                await asyncio.wait([fetcher._create_fetch_waiter()], timeout=0.2)
