"""The local stack: an embedded Kafka-compatible broker, an embedded ClickHouse server and N workers.

Start at `supervisor.Stack`; `run.run_stack` wraps it for a command line.
"""
