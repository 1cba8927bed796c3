"""Counts a campaign again from Kafka, for the time before it was defined."""
