"""What must be done now and then: partitions ahead, rows that have had their use, events that cannot become due."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.scheduler.metrics import SchedulerMetrics
from tenrusl.clock import Clock
from tenrusl.coordination.runs import Run, RunLocks
from tenrusl.store.due import StrandedEvent, count_stale_leases, stranded_events
from tenrusl.store.engine import Connection, Engine, autocommit
from tenrusl.store.leftovers import BATCH_ROWS, forget_idempotency_keys, forget_rejected, forget_transmissions
from tenrusl.store.partitions import add_partitions
from tenrusl.store.rejected import REJECTED_KEPT
from tenrusl.store.retention import database_now

KIND = "maintenance"
# Their signed time counts from 4 days back to 1 day ahead (docs/decisions/0012-transmissions.md).
TRANSMISSIONS_KEPT = timedelta(days=6)
MAX_STALE_LEASES = 10_000
MAX_STRANDED_EVENTS = 100
_log = structlog.get_logger("maintenance")


@dataclass(slots=True, kw_only=True)
class MaintenanceProgress:
    """How far a run is; the fields are those of RunMaintenanceResponse."""

    already_running: bool = False
    interrupted: bool = False
    done: bool = False
    partitions_made: int = 0
    transmissions_forgotten: int = 0
    idempotency_keys_forgotten: int = 0
    rejected_forgotten: int = 0
    stale_leases: int = 0
    stranded_events: tuple[StrandedEvent, ...] = ()


class Maintenance:
    """Runs of maintenance, one at a time over all replicas.

    partition_days: payload partitions made ahead, today included. idempotency_ttl: keys are kept for so long after
    their payment was created. reach: an event that is due later than this from now cannot become due by itself; longer
    than any delay between tries and any lease.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        locks: RunLocks,
        partition_days: int,
        idempotency_ttl: timedelta,
        reach: timedelta,
        clock: Clock,
        metrics: SchedulerMetrics,
    ) -> None:
        self._engine = engine
        self._locks = locks
        self._partition_days = partition_days
        self._idempotency_ttl = idempotency_ttl
        self._reach = reach
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> AsyncGenerator[MaintenanceProgress, None]:
        """Yields the result, once. Raises UnavailableError; what was done until then stays done."""
        progress = MaintenanceProgress()
        async with self._locks.only_run(KIND) as run:
            if run is None:
                progress.already_running = True
            else:
                with self._metrics.run(KIND):
                    await self._maintain(run, progress)
        progress.done = True
        yield progress

    async def _maintain(self, run: Run, progress: MaintenanceProgress) -> None:
        now = self._clock.now()
        # The day before too: a batch of ingress may be under way over midnight.
        yesterday = (now - timedelta(days=1)).date()
        progress.partitions_made = await add_partitions(self._engine, yesterday, self._partition_days + 1)
        async with autocommit(self._engine) as connection:
            # A clock that is ahead must not forget what still counts.
            earlier = min(now, await database_now(connection))
            async for forgotten in _batches(connection, run, forget_transmissions, earlier - TRANSMISSIONS_KEPT):
                progress.transmissions_forgotten += forgotten
            async for forgotten in _batches(connection, run, forget_idempotency_keys, earlier - self._idempotency_ttl):
                progress.idempotency_keys_forgotten += forgotten
            async for forgotten in _batches(connection, run, forget_rejected, earlier - REJECTED_KEPT):
                progress.rejected_forgotten += forgotten
            progress.interrupted = not run.held
            progress.stale_leases = await count_stale_leases(connection, now=now, limit=MAX_STALE_LEASES)
            stranded = await stranded_events(connection, beyond=now + self._reach, limit=MAX_STRANDED_EVENTS)
            progress.stranded_events = tuple(stranded)
        if stranded:
            _log.warning("events cannot become due by themselves", events=len(stranded), first=str(stranded[0].id))


async def _batches(
    connection: Connection, run: Run, forget: Callable[..., Awaitable[int]], before: datetime
) -> AsyncIterator[int]:
    forgotten = BATCH_ROWS
    while forgotten == BATCH_ROWS and run.held:
        forgotten = await forget(connection, before=before)
        yield forgotten
