"""Time as a parameter."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Code takes one as a parameter and never asks the system itself."""

    def now(self) -> datetime:
        """The time, with time zone UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
