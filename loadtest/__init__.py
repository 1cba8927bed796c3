"""Workloads with exact truth, and the means to run and judge them."""
