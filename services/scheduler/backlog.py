"""How much work waits, asked of the database once a second at the most however many ask."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tenrusl.clock import Clock
from tenrusl.store.due import ProviderBacklog, backlog
from tenrusl.store.engine import Engine, autocommit

MAX_AGE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """due: events, of each provider counted up to tenrusl.store.due.MAX_COUNTED. oldest_due_seconds: for how long the
    one is due that is due longest, 0 for none."""

    due: int = 0
    oldest_due_seconds: float = 0.0


class Backlog:
    """What is due, at most MAX_AGE_SECONDS old."""

    def __init__(self, engine: Engine, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._monotonic = monotonic
        self._known: dict[str, Work] = {}
        self._valid_until = float("-inf")
        self._asking = asyncio.Lock()

    async def of(self, provider: str = "") -> Work:
        """Of one provider, or of all together. Raises UnavailableError."""
        known = await self.by_provider()
        if provider:
            return known.get(provider, Work())
        return Work(
            due=sum(work.due for work in known.values()),
            oldest_due_seconds=max((work.oldest_due_seconds for work in known.values()), default=0.0),
        )

    async def by_provider(self) -> dict[str, Work]:
        """Of each provider that has unfinished events. Raises UnavailableError."""
        async with self._asking:  # whoever comes meanwhile gets the same answer
            if self._monotonic() >= self._valid_until:
                asked_at, now = self._monotonic(), self._clock.now()
                async with autocommit(self._engine) as connection:
                    found = await backlog(connection, now)
                self._known = {item.provider: _work(item, item.oldest_seconds(now)) for item in found}
                self._valid_until = asked_at + MAX_AGE_SECONDS
            return self._known


def _work(item: ProviderBacklog, oldest_due_seconds: float) -> Work:
    return Work(item.due, oldest_due_seconds)
