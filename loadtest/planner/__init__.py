"""The capacity planner: what a load asks for, from coefficients measured on a machine (docs/scaling.md)."""
