"""What an event is: JSON Schemas, typed events, tag normalisation, topics and the producer SDK."""
