"""Forgetting payloads past their retention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from services.scheduler.metrics import SchedulerMetrics
from tenrusl.clock import Clock
from tenrusl.coordination.runs import Run, RunLocks
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.retention import MAX_RETENTION_DAYS, RetentionPolicy
from tenrusl.store.engine import Connection, Engine, patient
from tenrusl.store.purge_preview import Preview, preview_day_sweep, preview_drop, preview_retained_sweep
from tenrusl.store.retention import (
    NIL,
    PayloadDay,
    carry_over,
    carry_over_providers,
    database_now,
    detach_day,
    drop_day,
    drop_hour,
    hour_tables,
    mark_purged,
    payload_days,
    purged_providers,
    take_purge_lock,
)
from tenrusl.store.sweeps import Swept, retained_groups, sweep_day, sweep_retained

KIND = "purge"
# After each hour of a day that goes: the disk is busy with the space that it gets back, and others commit on it.
HOUR_PAUSE_SECONDS = 0.04
_DAY = timedelta(days=1)
_log = structlog.get_logger("purge")


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeOrder:
    """What is old; the fields are those of PurgePayloadsRequest, None and empty where they are unset."""

    older_than: timedelta | None = None
    provider: str = ""
    dry_run: bool = False


@dataclass(slots=True, kw_only=True)
class PurgeProgress:
    """How far a run is; the fields are those of PurgePayloadsResponse."""

    already_running: bool = False
    interrupted: bool = False
    done: bool = False
    days_dropped: int = 0
    purged: int = 0
    kept_unfinished: int = 0
    kept_held: int = 0

    def add(self, counted: Swept | Preview) -> None:
        """Counts a batch, or what would become of one."""
        self.purged += counted.purged
        self.kept_unfinished += counted.kept_unfinished
        self.kept_held += counted.kept_held


class _LockLostError(Exception):
    """Another run may have begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What a run looks at. provider: only this one, so no day goes whole. now: see `Purge._scope`."""

    policy: RetentionPolicy
    provider: str
    now: datetime

    def goes_whole(self, day: PayloadDay) -> bool:
        """Also what another run has detached and not dropped: nobody reads or adds to it."""
        if self.provider:
            return False
        return day.detached or day.detaching or day.day < self.policy.first_kept_by_default(self.now)

    def forgetters(self, day: PayloadDay) -> list[str]:
        """The providers whose payloads of a day that does not go whole are past their retention."""
        if day.detached or day.detaching:
            return []
        if self.provider:
            return [self.provider] if self.is_past(day.day, self.provider) else []
        return self.policy.forgetters(day.day, self.now)

    def is_past(self, day: date, provider: str) -> bool:
        """Whether a day is past the provider's retention, and this run about it."""
        return self.provider in ("", provider) and day < self.policy.first_kept(provider, self.now)


class Purge:
    """Runs of purges, one at a time over all replicas. providers: the names that an order may have."""

    def __init__(
        self,
        *,
        engine: Engine,
        locks: RunLocks,
        policy: RetentionPolicy,
        providers: Collection[str],
        clock: Clock,
        metrics: SchedulerMetrics,
    ) -> None:
        self._engine = engine
        self._locks = locks
        self._policy = policy
        self._providers = frozenset(providers)
        self._clock = clock
        self._metrics = metrics

    def run(self, order: PurgeOrder) -> AsyncGenerator[PurgeProgress, None]:
        """Yields the progress after each hour or batch, always the same object; at the end with `done`.

        Raises InvalidFieldError at once; UnavailableError of Redis and the database, which is also too busy when a
        transaction of somebody else keeps a day from being detached. What was done until then stays done.
        """
        self._validate(order)
        return self._run(order)

    async def _run(self, order: PurgeOrder) -> AsyncGenerator[PurgeProgress, None]:
        progress = PurgeProgress()
        async with self._locks.only_run(KIND) as run:
            if run is None:
                progress.already_running = True
            else:
                meter = self._metrics.purge_meter()
                with self._metrics.run(KIND):
                    async with patient(self._engine) as connection:
                        async for _ in self._purge(order, connection, run, progress):
                            if not order.dry_run:
                                meter.so_far(progress)
                            yield progress
        progress.done = True
        if not progress.already_running:
            _log.info("payloads purged", dry_run=order.dry_run, provider=order.provider or None, **_numbers(progress))
        yield progress

    async def _purge(
        self, order: PurgeOrder, connection: Connection, run: Run, progress: PurgeProgress
    ) -> AsyncIterator[None]:
        # Redis may forget the lock while the connection of the run that had it still works.
        if not await take_purge_lock(connection):
            progress.already_running = True
            return
        scope = await self._scope(connection, order)
        steps = _preview if order.dry_run else _forget
        try:
            async for _ in steps(connection, scope, run, progress):
                yield
        except _LockLostError:
            progress.interrupted = True
            _log.warning("run ended early, its lock is lost", **_numbers(progress))

    async def _scope(self, connection: Connection, order: PurgeOrder) -> _Scope:
        policy = self._policy
        if order.older_than is not None:
            days = order.older_than.days
            policy = RetentionPolicy(default_days=days) if order.provider else policy.for_all(days)
        # What is forgotten does not come back: of two clocks, the one that forgets less is believed.
        now = min(self._clock.now(), await database_now(connection))
        return _Scope(policy=policy, provider=order.provider, now=now)

    def _validate(self, order: PurgeOrder) -> None:
        violations = []
        older_than = order.older_than
        if older_than is not None and (older_than % _DAY or not 1 <= older_than.days <= MAX_RETENTION_DAYS):
            violations.append(FieldViolation("older_than", f"must be 1 to {MAX_RETENTION_DAYS} whole days"))
        if order.provider and order.provider not in self._providers:
            violations.append(FieldViolation("provider", "must be a known provider"))
        if violations:
            raise InvalidFieldError(*violations)


async def _forget(connection: Connection, scope: _Scope, run: Run, progress: PurgeProgress) -> AsyncIterator[None]:
    for day in await payload_days(connection):
        if scope.goes_whole(day):
            async for _ in _drop(connection, day, scope, run, progress):
                yield
        elif providers := await _to_sweep(connection, scope, day):
            async for _ in _sweep(connection, day, providers, scope, run, progress):
                yield
    for received_on, provider in await _retained(connection, scope):
        after = NIL
        while True:
            _check(run)
            swept = await sweep_retained(connection, received_on, provider, after, now=scope.now)
            progress.add(swept)
            yield
            if swept.last is None:
                break
            after = swept.last


async def _drop(
    connection: Connection, day: PayloadDay, scope: _Scope, run: Run, progress: PurgeProgress
) -> AsyncIterator[None]:
    if not day.detached:
        _check(run)
        await carry_over(connection, day)
        _check(run)
        await detach_day(connection, day)
    _check(run)
    await carry_over(connection, day)
    keepers = scope.policy.keepers(day.day, scope.now)
    after = NIL if keepers else None
    while after is not None:
        _check(run)
        after = await carry_over_providers(connection, day, keepers, after)
    for table in await hour_tables(connection, day):
        _check(run)
        gone = await drop_hour(connection, day, table, scope.now)
        progress.purged += gone
        yield
        if gone:
            await asyncio.sleep(HOUR_PAUSE_SECONDS)
    _check(run)
    progress.purged += await drop_day(connection, day, scope.now)
    progress.days_dropped += 1
    _log.info("day dropped", day=day.day.isoformat())
    yield


async def _sweep(
    connection: Connection, day: PayloadDay, providers: list[str], scope: _Scope, run: Run, progress: PurgeProgress
) -> AsyncIterator[None]:
    after: UUID | None = NIL
    while after is not None:
        _check(run)
        swept = await sweep_day(connection, day, providers, after)
        progress.add(swept)
        yield
        after = swept.last
    _check(run)
    await mark_purged(connection, day.day, providers, scope.now)


async def _preview(connection: Connection, scope: _Scope, run: Run, progress: PurgeProgress) -> AsyncIterator[None]:
    for day in await payload_days(connection):
        _check(run)
        if scope.goes_whole(day):
            progress.days_dropped += 1
            progress.add(await preview_drop(connection, day, scope.policy.keepers(day.day, scope.now)))
            yield
        elif providers := await _to_sweep(connection, scope, day):
            progress.add(await preview_day_sweep(connection, day, providers))
            yield
    for received_on, provider in await _retained(connection, scope):
        _check(run)
        progress.add(await preview_retained_sweep(connection, received_on, provider))
        yield


async def _to_sweep(connection: Connection, scope: _Scope, day: PayloadDay) -> list[str]:
    """The providers whose payloads of a day are past their retention and have not been removed."""
    forgetters = scope.forgetters(day)
    return sorted(set(forgetters) - await purged_providers(connection, day.day)) if forgetters else []


async def _retained(connection: Connection, scope: _Scope) -> list[tuple[date, str]]:
    """The days and providers past their retention of which copies are retained.

    Not of days that a run has left half removed and this one leaves alone: there the rows are still beside the copies.
    """
    days = await payload_days(connection) if scope.provider else []
    left_alone = {day.day for day in days if day.detached or day.detaching}
    groups = await retained_groups(connection)
    return [(day, provider) for day, provider in groups if scope.is_past(day, provider) and day not in left_alone]


def _check(run: Run) -> None:
    if not run.held:
        raise _LockLostError


def _numbers(progress: PurgeProgress) -> dict[str, int]:
    return {
        "days_dropped": progress.days_dropped,
        "purged": progress.purged,
        "kept_unfinished": progress.kept_unfinished,
        "kept_held": progress.kept_held,
    }
