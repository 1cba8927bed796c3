"""ClickHouse: migrations, views, and the writer that counts every event exactly once."""
