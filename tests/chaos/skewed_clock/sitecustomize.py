"""Read by each service's interpreter at its start: moves its clock by the seconds that CHAOS_CLOCK_FILE holds."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from tenrusl.clock import SystemClock

_FILE = Path(os.environ["CHAOS_CLOCK_FILE"])
_now = SystemClock.now


def _moved(self: SystemClock) -> datetime:
    try:
        seconds = float(_FILE.read_text(encoding="ascii") or 0)
    except FileNotFoundError:
        seconds = 0.0
    return _now(self) + timedelta(seconds=seconds)


SystemClock.now = _moved  # type: ignore[method-assign]  # that is its purpose
