"""Load tests: a workload is sent in an open loop, measured from outside, and every count compared with the truth."""
