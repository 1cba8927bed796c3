"""Faults on purpose: a proxy with toxics, signals to processes, seeded schedules, and what came of it."""
