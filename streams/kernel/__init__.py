"""A compiled way from the records section of Kafka's record batches to counts: `Decoder` and `Counts` in one.

    counter = KernelCounter(EventType.VIDEO_VIEW, rules)      # one per topic and rules; raises KernelUnavailable
    counts = counter.begin()                                  # one per delta
    for records in log.read(fetch, position, aborted).parts:  # all batches of a fetch at once
        outcome = counts.add_records(records, clock_s)
    outcome = counts.count(record_batch, clock_s)  # or what the transport made of them
    counts.rows().block(log, next_offset, counts.records, expires)

`streams.judge` says what a record means, here too: the compiled code counts what it is sure of and hands every other
record to a `Decoder`. Same counts, same rejects, same drops, for all inputs; tests/streams/kernel holds it to that.

numba is an optional extra. This package can be imported without it; `KernelCounter` then raises `KernelUnavailable`.
"""

from streams.kernel.compiled import KernelUnavailable, unsupported
from streams.kernel.counter import KernelCounter
from streams.kernel.counts import KernelCounts
from streams.kernel.rows import KernelRows
from streams.kernel.vocabulary import Vocabulary

__all__ = ["KernelCounter", "KernelCounts", "KernelRows", "KernelUnavailable", "Vocabulary", "unsupported"]
