"""planned_worker, on a machine whose clock is wrong by CLOCK_SHIFT_S seconds."""

from __future__ import annotations

import datetime
import os
import time
from typing import Any

_SHIFT_S = float(os.environ["CLOCK_SHIFT_S"])
_right = time.time
time.time = lambda: _right() + _SHIFT_S


class _Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return super().now(tz) + datetime.timedelta(seconds=_SHIFT_S)


if __name__ == "__main__":
    import sinks.writer

    sinks.writer.datetime = _Shifted  # type: ignore[attr-defined]
    from tests.faults import planned_worker

    planned_worker.main()
