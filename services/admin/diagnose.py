"""Measuring what makes a backlog grow: the checklist of the runbook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.admin.findings import (
    DATABASE_AWAY,
    MAX_STALE_LEASES,
    Finding,
    answered,
    bursts,
    far_due_times,
    processors,
    redis_answers,
    rising_failures,
    stuck_leases,
)
from tenrusl.clock import Clock
from tenrusl.coordination.heartbeats import Heard
from tenrusl.errors import UnavailableError
from tenrusl.store.due import count_stale_leases, stranded_events
from tenrusl.store.engine import Connection, Engine, autocommit, is_ready
from tenrusl.store.traffic import arrivals_by_provider, failing_by_provider

MAX_SHOWN = 5
# The last minutes are held against the hour before.
RECENT = timedelta(minutes=5)
USUAL = timedelta(hours=1)
# Of each span of so many, the first events stand for all: some ten thousand are read.
RECENT_SPANS, RECENT_EVENTS = 10, 500
USUAL_SPANS, USUAL_EVENTS = 60, 200


class Diagnosis:
    """Runs the checks.

    ping_redis, ping_processor: after how many seconds each answers, None when it does not. hear_processors: their
    heartbeats; raises UnavailableError. reach: an event that is not due for longer is stranded: more than any delay or
    lease. monotonic: in seconds.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ping_redis: Callable[[], Awaitable[float | None]],
        ping_processor: Callable[[], Awaitable[float | None]],
        hear_processors: Callable[[], Awaitable[Heard]],
        reach: timedelta,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._ping_redis = ping_redis
        self._ping_processor = ping_processor
        self._hear_processors = hear_processors
        self._reach = reach
        self._clock = clock
        self._monotonic = monotonic

    async def run(self) -> tuple[datetime, list[Finding]]:
        """When it was, and at least a finding for each check, the worst first. With the database away only what can be
        said."""
        now = self._clock.now()
        findings = [redis_answers(await self._ping_redis()), await self._processors()]
        try:
            findings += await self._of_database(now)
        except UnavailableError:
            findings.append(DATABASE_AWAY)
        return now, sorted(findings, key=lambda finding: -finding.severity)

    async def _processors(self) -> Finding:
        try:
            heard = await self._hear_processors()
        except UnavailableError:
            heard = None
        return processors(heard, await self._ping_processor())

    async def _of_database(self, now: datetime) -> list[Finding]:
        began = self._monotonic()
        if not await is_ready(self._engine):
            return [DATABASE_AWAY]
        findings = [answered("database", self._monotonic() - began, "tenrusl backlog --watch")]
        async with autocommit(self._engine) as connection:
            findings.append(stuck_leases(await count_stale_leases(connection, now=now, limit=MAX_STALE_LEASES)))
            stranded = await stranded_events(connection, beyond=now + self._reach, limit=MAX_SHOWN)
            findings.append(far_due_times(stranded))
            findings += await self._of_traffic(connection, now)
        return findings

    async def _of_traffic(self, connection: Connection, now: datetime) -> list[Finding]:
        middle, start = now - RECENT, now - RECENT - USUAL
        recent = await arrivals_by_provider(
            connection, since=middle, until=now, slices=RECENT_SPANS, most=RECENT_EVENTS
        )
        usual = await arrivals_by_provider(connection, since=start, until=middle, slices=USUAL_SPANS, most=USUAL_EVENTS)
        failing = await failing_by_provider(connection, since=middle, until=now)
        failed_before = await failing_by_provider(connection, since=start, until=middle)
        return [*bursts(recent, usual), *rising_failures(failing, failed_before)]
