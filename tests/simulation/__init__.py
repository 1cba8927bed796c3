"""A simulation of the exactly-once protocol: the real code over a model of ClickHouse and Kafka.

The worker's own Checkpoints, Partition, Decoder, Counts, Writer and Claims run here as they do in production. What
they stand on is replaced: the event loop, the threads, the clock, the ClickHouse client and the consumer. A
scheduler with a seed decides who goes on at every request, so a run is one interleaving, and its seed repeats it.
The real code was chosen over a second description of the protocol because a second one can only be as right as
its author: this one finds what the code does.
"""
