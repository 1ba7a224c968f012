"""Handing due events to the processor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.scheduler.metrics import SchedulerMetrics
from tenrusl.backoff import BackoffMode
from tenrusl.clock import Clock
from tenrusl.coordination.runs import Run, RunLocks
from tenrusl.errors import NotFoundError, OverloadedError, Reason
from tenrusl.store.due import due_events, provider_of, unfinished_events
from tenrusl.store.engine import Engine, autocommit

KIND = "retry"
DEFAULT_LIMIT = 500
MAX_LIMIT = 100_000
# Found at once. The processor takes it in batches, some at a time: it works on one while another commits.
PAGE_EVENTS = 1000
BATCH_EVENTS = 250
MAX_IN_FLIGHT = 4
# While the processor is full. It is asked again after a pause, which doubles; for longer than all of them it is not.
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0
MAX_PAUSES = 12
_log = structlog.get_logger("retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOrder:
    """Which events, and how; the fields are those of RetryDueEventsRequest. limit: 1 to MAX_LIMIT."""

    limit: int = DEFAULT_LIMIT
    max_attempts: int = 0
    mode: BackoffMode | None = None
    provider: str = ""
    event_id: UUID | None = None
    force: bool = False
    hand_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What the processor says about one batch, in numbers of events."""

    processed: int = 0
    failed: int = 0
    dead_letters: int = 0
    unconfirmed: int = 0
    skipped: int = 0
    handed_off: int = 0


@dataclass(slots=True, kw_only=True)
class RetryProgress:
    """How far a run is; the fields are those of RetryDueEventsResponse."""

    already_running: bool = False
    interrupted: bool = False
    done: bool = False
    found: int = 0
    processed: int = 0
    failed: int = 0
    dead_letters: int = 0
    unconfirmed: int = 0
    skipped: int = 0
    handed_off: int = 0

    def add(self, handled: Handled) -> None:
        """Counts a batch."""
        for name in Handled.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(handled, name))


# Has the processor process these events by the rules of the order. Raises OverloadedError when it is full, and
# UnavailableError.
ProcessEvents = Callable[[Sequence[UUID], RetryOrder], Awaitable[Handled]]


class Retry:
    """Runs of retries, one at a time over all replicas. For a single event there is no run: its claim is enough."""

    def __init__(
        self,
        *,
        engine: Engine,
        process_events: ProcessEvents,
        locks: RunLocks,
        clock: Clock,
        metrics: SchedulerMetrics,
    ) -> None:
        self._engine = engine
        self._process_events = process_events
        self._locks = locks
        self._clock = clock
        self._metrics = metrics

    async def run(self, order: RetryOrder) -> AsyncGenerator[RetryProgress, None]:
        """Yields the progress after each batch, always the same object; at the end with `done`.

        Raises UnavailableError (of Redis, the database, the processor), OverloadedError when the processor stays full,
        NotFoundError for an event that is not there. What was done until then stays done.
        """
        progress = RetryProgress()
        if order.event_id is not None:
            batch = await self._only(order.event_id, order.provider)
            progress.found = len(batch)
            handled = await self._deliver(batch, order)
            progress.add(handled)
            self._metrics.count_retried(handled)
        else:
            async with self._locks.only_run(KIND) as run:
                if run is None:
                    progress.already_running = True
                else:
                    with self._metrics.run(KIND):
                        async for _ in self._hand_over(order, run, progress):
                            yield progress
        progress.done = True
        yield progress

    async def _hand_over(self, order: RetryOrder, run: Run, progress: RetryProgress) -> AsyncIterator[None]:
        async for page in self._pages(order):
            progress.found += len(page)
            skipped_before = progress.skipped
            batches = [page[start : start + BATCH_EVENTS] for start in range(0, len(page), BATCH_EVENTS)]
            places = asyncio.Semaphore(MAX_IN_FLIGHT)

            async def deliver(batch: Sequence[UUID], places: asyncio.Semaphore = places) -> Handled | None:
                async with places:
                    return await self._deliver(batch, order) if run.held else None

            tasks = [asyncio.create_task(deliver(batch)) for batch in batches]
            try:
                for next_done in asyncio.as_completed(tasks):
                    handled = await next_done
                    if handled is None:
                        progress.interrupted = True
                        continue
                    progress.add(handled)
                    self._metrics.count_retried(handled)
                    yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if progress.interrupted or not run.held:
                progress.interrupted = True
                _log.warning("run ended early, its lock is lost", found=progress.found)
                return
            if progress.skipped - skipped_before == len(page):
                return  # others have them all, and would be found again

    async def _pages(self, order: RetryOrder) -> AsyncIterator[list[UUID]]:
        """Pages of ids until there are none or the limit is reached. All of a page is settled before the next is
        looked for, and what is settled is not due at the time when the run began: by the processor's clock, though.
        So that clocks that differ do not use up an event's attempts, each is handed over once in a run.
        """
        began_at, taken = self._clock.now(), set[UUID]()
        while len(taken) < order.limit:
            # Those taken may stand before the others again.
            limit = min(order.limit - len(taken), PAGE_EVENTS) + len(taken)
            async with autocommit(self._engine) as connection:
                if order.force:
                    found = await unfinished_events(connection, began_at=began_at, limit=limit, provider=order.provider)
                else:
                    found = await due_events(connection, due_by=began_at, limit=limit, provider=order.provider)
            page = [event_id for event_id in found if event_id not in taken][
                : min(order.limit - len(taken), PAGE_EVENTS)
            ]
            if not page:
                return
            taken.update(page)
            yield page

    async def _only(self, event_id: UUID, provider: str) -> list[UUID]:
        async with autocommit(self._engine) as connection:
            found = await provider_of(connection, event_id)
        if found is None or provider not in ("", found):
            raise NotFoundError(
                Reason.EVENT_NOT_FOUND, f"there is no event {event_id}{' of ' * bool(provider)}{provider}"
            )
        return [event_id]

    async def _deliver(self, batch: Sequence[UUID], order: RetryOrder) -> Handled:
        """Waits while the processor is full. Raises as `run`."""
        pause = FIRST_PAUSE_SECONDS
        for _ in range(MAX_PAUSES):
            try:
                return await self._process_events(batch, order)
            except OverloadedError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
        raise OverloadedError("the processor stays full")
