"""The demo: real videos through a real broker and worker into ClickHouse, compared with the truth."""
