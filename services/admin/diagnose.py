"""Measuring what makes a backlog grow: the checklist of the runbook."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from tenrusl.clock import Clock
from tenrusl.errors import UnavailableError
from tenrusl.store.backlog import Counted, Failing, count_arrived, failing_by_provider
from tenrusl.store.due import StrandedEvent, count_stale_leases, stranded_events
from tenrusl.store.engine import Connection, Engine, autocommit, is_ready

# A healthy database or Redis on the same network answers in about a millisecond.
SLOW_SECONDS = 0.05
VERY_SLOW_SECONDS = 0.5
# Leases that ended without a result, before somebody should look: a scheduler takes them up every few seconds.
MANY_STALE_LEASES = 100
MAX_SHOWN = 5
_MAX_FOUND = 1000
# The last minutes are held against the hour before.
RECENT = timedelta(minutes=5)
USUAL = timedelta(hours=1)
BURST_FACTOR = 3.0
MIN_BURST_PER_SECOND = 5.0
RISING_FACTOR = 2.0
RISING_SHARE = 0.05
MIN_EVENTS = 20
_MAX_USUAL = 200_000


class Severity(IntEnum):
    """How bad a finding is; the numbers are those of the proto."""

    OK = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check measured, and the command that helps; the fields are those of the proto."""

    check: str
    severity: Severity
    evidence: str
    command: str = ""


class Diagnosis:
    """Runs the checks.

    ping_redis, ping_processor: after how many seconds each answers, None when it does not. reach: an event that is not
    due for longer is stranded: more than any delay or lease. monotonic: in seconds.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ping_redis: Callable[[], Awaitable[float | None]],
        ping_processor: Callable[[], Awaitable[float | None]],
        reach: timedelta,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._ping_redis = ping_redis
        self._ping_processor = ping_processor
        self._reach = reach
        self._clock = clock
        self._monotonic = monotonic

    async def run(self) -> tuple[datetime, list[Finding]]:
        """When it was, and a finding for each check, the worst first. With the database away only what can be said."""
        now = self._clock.now()
        findings = [
            answered("redis", await self._ping_redis(), "tenrusl webhooks retry (needs Redis): restart Redis first"),
            answered("processor", await self._ping_processor(), "restart the processor; its log says why"),
        ]
        try:
            findings += await self._of_database(now)
        except UnavailableError:
            findings.append(answered("database", None, "restore PostgreSQL; nothing is accepted without it"))
        return now, sorted(findings, key=lambda finding: -finding.severity)

    async def _of_database(self, now: datetime) -> list[Finding]:
        began = self._monotonic()
        if not await is_ready(self._engine):
            return [answered("database", None, "restore PostgreSQL; nothing is accepted without it")]
        findings = [answered("database", self._monotonic() - began, "look for long transactions in pg_stat_activity")]
        async with autocommit(self._engine) as connection:
            findings.append(stuck_leases(await count_stale_leases(connection, now=now, limit=_MAX_FOUND)))
            stranded = await stranded_events(connection, beyond=now + self._reach, limit=MAX_SHOWN)
            findings.append(far_due_times(stranded))
            findings += await self._of_traffic(connection, now)
        return findings

    async def _of_traffic(self, connection: Connection, now: datetime) -> list[Finding]:
        middle, start = now - RECENT, now - RECENT - USUAL
        recent = await count_arrived(connection, since=middle, until=now)
        usual = await count_arrived(connection, since=start, until=middle, most=_MAX_USUAL)
        failing = await failing_by_provider(connection, since=middle, until=now)
        failed_before = await failing_by_provider(connection, since=start, until=middle)
        return [burst(recent, usual), *rising_failures(failing, failed_before)]


def answered(check: str, seconds: float | None, command: str) -> Finding:
    """A finding about how fast something answers; None: not at all."""
    if seconds is None:
        return Finding(check, Severity.CRITICAL, "it does not answer", command)
    evidence = f"it answers in {seconds * 1000:.1f} ms"
    if seconds >= VERY_SLOW_SECONDS:
        return Finding(check, Severity.CRITICAL, evidence, command)
    if seconds >= SLOW_SECONDS:
        return Finding(check, Severity.WARNING, evidence, command)
    return Finding(check, Severity.OK, evidence)


def stuck_leases(number: int) -> Finding:
    """A finding about events whose processing ended without a result."""
    evidence = f"{number} events whose processor's lease ended without a result"
    if number == 0:
        return Finding("stuck_leases", Severity.OK, evidence)
    severity = Severity.CRITICAL if number >= MANY_STALE_LEASES else Severity.WARNING
    return Finding("stuck_leases", severity, evidence, "tenrusl webhooks retry")


def far_due_times(stranded: Sequence[StrandedEvent]) -> Finding:
    """A finding about events that cannot become due in reasonable time."""
    if not stranded:
        return Finding("far_due_times", Severity.OK, "no event is due beyond what delays and leases reach")
    shown = ", ".join(f"{event.id} ({event.next_retry_at:%Y-%m-%d %H:%M})" for event in stranded)
    return Finding(
        "far_due_times",
        Severity.WARNING,
        f"due too far away: {shown}",
        f"tenrusl webhooks retry-one {stranded[0].id} --force",
    )


def burst(recent: Counted, usual: Counted) -> Finding:
    """A finding about the rate of new events against that of the hour before."""
    evidence = f"{recent.per_second:.1f} events a second now, {usual.per_second:.1f} in the hour before"
    threshold = max(MIN_BURST_PER_SECOND, BURST_FACTOR * usual.per_second)
    if recent.per_second < threshold:
        return Finding("burst", Severity.OK, evidence)
    return Finding("burst", Severity.WARNING, evidence, "tenrusl throttle set PROVIDER")


def rising_failures(recent: Sequence[Failing], before: Sequence[Failing]) -> list[Finding]:
    """Findings about providers of whose events more fail than in the hour before; one that all is well if none."""
    earlier = {item.provider: item.failing / item.events for item in before}
    found = []
    for item in sorted(recent):
        share, share_before = item.failing / item.events, earlier.get(item.provider, 0.0)
        if item.events >= MIN_EVENTS and share >= max(RISING_SHARE, RISING_FACTOR * share_before):
            evidence = (
                f"{item.provider}: {share:.0%} of {item.events} new events are not done at the first try, "
                f"{share_before:.0%} in the hour before"
            )
            command = f"tenrusl events list --provider {item.provider} --status failed"
            found.append(Finding("rising_failures", Severity.WARNING, evidence, command))
    return found or [Finding("rising_failures", Severity.OK, "no provider fails more often than in the hour before")]
