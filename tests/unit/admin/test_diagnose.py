"""What the checks conclude from what they measured."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.admin.diagnose import (
    MANY_STALE_LEASES,
    Severity,
    answered,
    burst,
    far_due_times,
    rising_failures,
    stuck_leases,
)
from tenrusl.store.backlog import Counted, Failing
from tenrusl.store.due import StrandedEvent
from tests.builders import START

MINUTE = 60.0


@pytest.mark.parametrize(
    ("seconds", "severity", "evidence"),
    [
        (0.001, Severity.OK, "it answers in 1.0 ms"),
        (0.0499, Severity.OK, "it answers in 49.9 ms"),
        (0.05, Severity.WARNING, "it answers in 50.0 ms"),
        (0.5, Severity.CRITICAL, "it answers in 500.0 ms"),
        (None, Severity.CRITICAL, "it does not answer"),
    ],
)
def test_how_fast_something_answers(seconds: float | None, severity: Severity, evidence: str) -> None:
    found = answered("redis", seconds, "do this")
    assert (found.check, found.severity, found.evidence) == ("redis", severity, evidence)
    assert found.command == ("" if severity is Severity.OK else "do this")


@pytest.mark.parametrize(
    ("number", "severity"),
    [(0, Severity.OK), (1, Severity.WARNING), (MANY_STALE_LEASES, Severity.CRITICAL)],
)
def test_stuck_leases(number: int, severity: Severity) -> None:
    assert stuck_leases(number).severity is severity


def test_far_due_times_name_the_events() -> None:
    assert far_due_times([]).severity is Severity.OK
    event = StrandedEvent(UUID(int=1), "oy", "failed", START + timedelta(days=3000))
    found = far_due_times([event])
    assert found.severity is Severity.WARNING
    assert str(event.id) in found.evidence
    assert found.command == f"tenrusl webhooks retry-one {event.id} --force"


@pytest.mark.parametrize(
    ("now", "before", "severity"),
    [
        (600, 0, Severity.WARNING),
        (200, 0, Severity.OK),
        (600, 599, Severity.OK),
        (6000, 1999, Severity.WARNING),
        (5900, 2000, Severity.OK),
    ],
)
def test_a_burst_is_much_more_than_before_and_not_little(now: int, before: int, severity: Severity) -> None:
    assert burst(Counted(now, MINUTE), Counted(before, MINUTE)).severity is severity


@pytest.mark.parametrize(
    ("recent", "before", "risen"),
    [
        (Failing("oy", 100, 5), Failing("oy", 100, 0), True),
        (Failing("oy", 100, 4), Failing("oy", 100, 0), False),
        (Failing("oy", 19, 19), Failing("oy", 100, 0), False),
        (Failing("oy", 100, 19), Failing("oy", 100, 10), False),
        (Failing("oy", 100, 20), Failing("oy", 100, 10), True),
        (Failing("oy", 100, 5), Failing("stripe", 100, 90), True),
    ],
)
def test_failures_rise_when_many_more_fail_than_before(recent: Failing, before: Failing, risen: bool) -> None:
    found = rising_failures([recent], [before])
    assert [item.severity for item in found] == [Severity.WARNING if risen else Severity.OK]
    if risen:
        assert found[0].command == "tenrusl events list --provider oy --status failed"
