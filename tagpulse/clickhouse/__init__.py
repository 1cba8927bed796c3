"""The embedded ClickHouse server: chDB behind ClickHouse's HTTP interface, on loopback, with two logins.

Start it with `python -m tagpulse.clickhouse --port 0 --data DIR`.
"""
