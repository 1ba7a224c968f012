"""How late the event loop is: what any request waits besides its own work."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Histogram

# Four times a second: little to do, and a block of half a second is met for certain.
INTERVAL_SECONDS = 0.25


class LoopLag:
    """Measures the running event loop. One per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "tenrusl_event_loop_lag_seconds",
            "How much later than asked the event loop went on, four times a second",
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Measures while the block goes on."""
        task = asyncio.create_task(self._measure(), name="event loop lag")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _measure(self) -> None:
        while True:
            asked_at = time.perf_counter()
            await asyncio.sleep(INTERVAL_SECONDS)
            self._lag.observe(max(0.0, time.perf_counter() - asked_at - INTERVAL_SECONDS))
