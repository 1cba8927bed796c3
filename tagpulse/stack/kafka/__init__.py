"""Apache Kafka itself on this machine, in KRaft mode: one node or a cluster."""
