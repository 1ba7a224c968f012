"""What the checks of a diagnosis conclude from what was measured: pure. Each command is one that runs as it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from tenrusl.coordination.heartbeats import Heard
from tenrusl.store.due import StrandedEvent
from tenrusl.store.traffic import Failing

# A healthy database or Redis on the same network answers in about a millisecond.
SLOW_SECONDS = 0.05
VERY_SLOW_SECONDS = 0.5
# Leases that ended without a result, before somebody should look: a scheduler takes them up every few seconds.
MANY_STALE_LEASES = 100
MAX_STALE_LEASES = 1000  # counted
BURST_FACTOR = 3.0
MIN_BURST_PER_SECOND = 5.0
RISING_FACTOR = 2.0
RISING_SHARE = 0.05
# Whatever failed before: when half of all fails, somebody must look.
FAILING_SHARE = 0.5
MIN_EVENTS = 20
# When all of them fail.
MIN_ALL_FAILING = 5


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


DATABASE_AWAY = Finding(
    "database",
    Severity.CRITICAL,
    "it does not answer: restore PostgreSQL, nothing is accepted without it; then watch the backlog",
    "tenrusl backlog --watch",
)


def answered(check: str, seconds: float, command: str) -> Finding:
    """A finding about how fast something answers."""
    severity = _speed(seconds)
    return Finding(check, severity, _answers(seconds), "" if severity is Severity.OK else command)


def redis_answers(seconds: float | None) -> Finding:
    """A finding about Redis. None: it does not answer."""
    if seconds is None:
        # A replay has no lock in Redis, which a retry needs.
        evidence = "it does not answer: nothing is retried without Redis; restore it, or replay what failed"
        return Finding("redis", Severity.CRITICAL, evidence, "tenrusl events replay --status failed")
    return answered("redis", seconds, "tenrusl backlog --watch")


def processors(heard: Heard | None, seconds: float | None) -> Finding:
    """A finding about the processors: their heartbeats (None: Redis does not tell), and whether one answers."""
    severity = Severity.CRITICAL if seconds is None else _speed(seconds)
    evidence = "heartbeats unknown without Redis"
    if heard is not None:
        seconds_ago = heard.last_seconds
        last = "none was heard for a day" if seconds_ago is None else f"last heard {seconds_ago:.1f} s ago"
        evidence = f"{heard.alive} alive by heartbeat, {last}"
        if heard.alive == 0:
            severity = max(severity, Severity.WARNING)
    if seconds is None:
        evidence += "; none answers: restart the processor, its log says why, and then retry"
    else:
        evidence += f"; {_answers(seconds)}"
    return Finding("processor", severity, evidence, "" if severity is Severity.OK else "tenrusl webhooks retry")


def stuck_leases(number: int) -> Finding:
    """A finding about events whose processing ended without a result, counted up to MAX_STALE_LEASES."""
    at_least = "at least " if number >= MAX_STALE_LEASES else ""
    evidence = f"{at_least}{number} events whose processor's lease ended without a result"
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


def bursts(recent: Mapping[str, float], usual: Mapping[str, float]) -> list[Finding]:
    """Findings about providers that send much more than in the hour before, the worst flood first; one that all is well
    if none does. recent, usual: new events a second by provider."""
    found = []
    for provider, rate in sorted(recent.items(), key=lambda item: -item[1]):
        before = usual.get(provider, 0.0)
        threshold = max(MIN_BURST_PER_SECOND, BURST_FACTOR * before)
        if rate >= threshold:
            evidence = f"{provider}: {rate:.1f} events a second now, {before:.1f} in the hour before"
            command = f'tenrusl throttle set {provider} {math.ceil(threshold)} --reason "burst"'
            found.append(Finding("burst", Severity.WARNING, evidence, command))
    evidence = f"{sum(recent.values()):.1f} events a second now, {sum(usual.values()):.1f} in the hour before"
    return found or [Finding("burst", Severity.OK, evidence)]


def rising_failures(recent: Sequence[Failing], before: Sequence[Failing]) -> list[Finding]:
    """Findings about providers of whose events more fail than in the hour before, or half of all; one that all is well
    if none."""
    earlier = {item.provider: item.failing / item.events for item in before}
    found = []
    for item in sorted(recent):
        share, share_before = item.failing / item.events, earlier.get(item.provider, 0.0)
        enough = item.events >= (MIN_ALL_FAILING if item.failing == item.events else MIN_EVENTS)
        if enough and share >= min(max(RISING_SHARE, RISING_FACTOR * share_before), FAILING_SHARE):
            evidence = (
                f"{item.provider}: {share:.0%} of {item.events} new events are not done at the first try, "
                f"{share_before:.0%} in the hour before"
            )
            command = f"tenrusl events list --provider {item.provider} --status failed"
            found.append(Finding("rising_failures", Severity.WARNING, evidence, command))
    return found or [Finding("rising_failures", Severity.OK, "no provider fails more often than in the hour before")]


def _speed(seconds: float) -> Severity:
    if seconds >= VERY_SLOW_SECONDS:
        return Severity.CRITICAL
    return Severity.WARNING if seconds >= SLOW_SECONDS else Severity.OK


def _answers(seconds: float) -> str:
    return f"it answers in {seconds * 1000:.1f} ms"
