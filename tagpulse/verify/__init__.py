"""Recounts from Kafka what ClickHouse says was counted, apart from the worker's way of counting, and compares."""
