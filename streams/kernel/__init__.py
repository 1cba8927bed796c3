"""A compiled way from the records section of Kafka's record batches to counts: `Decoder` and `Counts` in one.

    counter = KernelCounter(EventType.VIDEO_VIEW, rules)      # one per topic and rules; raises KernelUnavailable
    counts = counter.begin()                                  # one per delta
    outcome = counts.add_records(Records.parse(section, n, base_offset), clock_s)
    for records in log.read(fetch, position, aborted).parts:  # or all batches of a fetch at once
        outcome = counts.add_records(records, clock_s)
    counts.rows().block(log, next_offset, counts.records, expires)

`streams.judge` says what a record means, here too: the compiled code counts what it is sure of and hands every other
record to a `Decoder`. Same counts, same rejects, same drops, for all inputs; tests/streams/kernel holds it to that.

numba is an optional extra. This package can be imported without it; `KernelCounter` then raises `KernelUnavailable`.
"""

from streams.kernel.compiled import KernelUnavailable, unsupported
from streams.kernel.counter import KernelCounter
from streams.kernel.counts import KernelCounts, Outcome
from streams.kernel.records import Records
from streams.kernel.rows import KernelRows

__all__ = ["KernelCounter", "KernelCounts", "KernelRows", "KernelUnavailable", "Outcome", "Records", "unsupported"]
