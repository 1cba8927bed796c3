"""What ClickHouse still does after the last row has landed: merging the parts that the run left behind."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOK_S, _DEADLINE_S = 0.1, 120.0

#: Merges under way and a fingerprint of the parts there are, of the database {database}.
STATE = """
SELECT (SELECT count() FROM system.merges WHERE database = '{database}'),
    (SELECT groupBitXor(cityHash64(table, name)) FROM system.parts WHERE active AND database = '{database}')
"""


def settle(
    state: Callable[[], tuple[int, int]], cpu: Callable[[], float], quiet_s: float, deadline_s: float = _DEADLINE_S
) -> dict[str, float]:
    """Wait until there were no merges for `quiet_s`, or until the deadline.

    `state` answers STATE, `cpu` gives ClickHouse's CPU seconds. Returns `merges_cpu_s`, from now until things went
    quiet, and whether they did (`merges_settled`, 1 or 0), as figures of a run.
    """
    began, deadline = cpu(), time.monotonic() + deadline_s
    last, quiet_since, spent = state(), time.monotonic(), began
    while time.monotonic() - quiet_since < quiet_s and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        now = state()
        if now[0] or now != last:
            last, quiet_since, spent = now, time.monotonic(), cpu()
    settled = time.monotonic() - quiet_since >= quiet_s
    return {"merges_cpu_s": spent - began, "merges_settled": float(settled)}
