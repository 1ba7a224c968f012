"""What the checks conclude from what they measured."""

import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import typer

from services.admin.findings import (
    DATABASE_AWAY,
    MANY_STALE_LEASES,
    MAX_STALE_LEASES,
    Finding,
    Severity,
    answered,
    bursts,
    far_due_times,
    processors,
    redis_answers,
    rising_failures,
    stuck_leases,
)
from tenrusl.cli import app
from tenrusl.coordination.heartbeats import Heard
from tenrusl.store.due import StrandedEvent
from tenrusl.store.traffic import Failing
from tests.builders import START

STRANDED = StrandedEvent(UUID(int=1), "oy", "failed", START + timedelta(days=3000))


@pytest.mark.parametrize(
    ("seconds", "severity", "evidence"),
    [
        (0.001, Severity.OK, "it answers in 1.0 ms"),
        (0.0499, Severity.OK, "it answers in 49.9 ms"),
        (0.05, Severity.WARNING, "it answers in 50.0 ms"),
        (0.5, Severity.CRITICAL, "it answers in 500.0 ms"),
    ],
)
def test_how_fast_something_answers(seconds: float, severity: Severity, evidence: str) -> None:
    found = answered("redis", seconds, "do this")
    assert (found.check, found.severity, found.evidence) == ("redis", severity, evidence)
    assert found.command == ("" if severity is Severity.OK else "do this")


def test_redis_that_does_not_answer_is_critical() -> None:
    assert redis_answers(None).severity is Severity.CRITICAL
    assert redis_answers(0.001) == Finding("redis", Severity.OK, "it answers in 1.0 ms")


@pytest.mark.parametrize(
    ("heard", "seconds", "severity", "evidence"),
    [
        (Heard(2, 1.25), 0.002, Severity.OK, "2 alive by heartbeat, last heard 1.2 s ago; it answers in 2.0 ms"),
        (Heard(0, 60.0), 0.002, Severity.WARNING, "0 alive by heartbeat, last heard 60.0 s ago; it answers in 2.0 ms"),
        (Heard(0, None), 0.6, Severity.CRITICAL, "0 alive by heartbeat, none was heard for a day; it answers in 600.0"),
        (Heard(1, 0.0), None, Severity.CRITICAL, "1 alive by heartbeat, last heard 0.0 s ago; none answers"),
        (None, 0.002, Severity.OK, "heartbeats unknown without Redis; it answers in 2.0 ms"),
        (None, None, Severity.CRITICAL, "heartbeats unknown without Redis; none answers"),
    ],
)
def test_processors_are_told_by_heartbeat_and_by_their_health(
    heard: Heard | None, seconds: float | None, severity: Severity, evidence: str
) -> None:
    found = processors(heard, seconds)
    assert (found.check, found.severity) == ("processor", severity)
    assert found.evidence.startswith(evidence)


@pytest.mark.parametrize(
    ("number", "severity"),
    [(0, Severity.OK), (1, Severity.WARNING), (MANY_STALE_LEASES, Severity.CRITICAL)],
)
def test_stuck_leases(number: int, severity: Severity) -> None:
    assert stuck_leases(number).severity is severity


def test_a_number_of_stuck_leases_at_its_limit_is_told() -> None:
    assert stuck_leases(MAX_STALE_LEASES).evidence.startswith("at least 1000 events")
    assert stuck_leases(MAX_STALE_LEASES - 1).evidence.startswith("999 events")


def test_far_due_times_name_the_events() -> None:
    assert far_due_times([]).severity is Severity.OK
    found = far_due_times([STRANDED])
    assert found.severity is Severity.WARNING
    assert str(STRANDED.id) in found.evidence
    assert found.command == f"tenrusl webhooks retry-one {STRANDED.id} --force"


@pytest.mark.parametrize(
    ("now", "before", "found"),
    [
        (10.0, 0.0, True),
        (4.9, 0.0, False),
        (10.0, 9.0, False),
        (100.0, 33.0, True),
        (98.0, 33.0, False),
    ],
)
def test_a_burst_is_much_more_than_before_and_not_little(now: float, before: float, found: bool) -> None:
    assert (bursts({"oy": now}, {"oy": before})[0].severity is Severity.WARNING) == found


def test_a_burst_names_each_provider_that_floods_and_a_limit() -> None:
    found = bursts({"oy": 50.0, "stripe": 500.0, "dana": 90.0}, {"stripe": 490.0, "dana": 10.2})
    assert [item.command for item in found] == [
        'tenrusl throttle set dana 31 --reason "burst"',
        'tenrusl throttle set oy 5 --reason "burst"',
    ]
    assert found[0].evidence == "dana: 90.0 events a second now, 10.2 in the hour before"


@pytest.mark.parametrize(
    ("recent", "before", "risen"),
    [
        (Failing("oy", 100, 5), Failing("oy", 100, 0), True),
        (Failing("oy", 100, 4), Failing("oy", 100, 0), False),
        (Failing("oy", 19, 18), Failing("oy", 100, 0), False),
        (Failing("oy", 19, 19), Failing("oy", 100, 0), True),
        (Failing("oy", 4, 4), Failing("oy", 100, 0), False),
        (Failing("oy", 100, 19), Failing("oy", 100, 10), False),
        (Failing("oy", 100, 20), Failing("oy", 100, 10), True),
        (Failing("oy", 100, 5), Failing("stripe", 100, 90), True),
        (Failing("oy", 100, 50), Failing("oy", 100, 90), True),
        (Failing("oy", 100, 49), Failing("oy", 100, 90), False),
    ],
)
def test_failures_rise_when_many_more_fail_than_before_or_half_of_all(
    recent: Failing, before: Failing, risen: bool
) -> None:
    found = rising_failures([recent], [before])
    assert [item.severity for item in found] == [Severity.WARNING if risen else Severity.OK]
    if risen:
        assert found[0].command == "tenrusl events list --provider oy --status failed"


def worst() -> Iterator[Finding]:
    """Each check with something wrong."""
    yield DATABASE_AWAY
    yield redis_answers(None)
    yield redis_answers(9.0)
    yield processors(None, None)
    yield stuck_leases(1)
    yield far_due_times([STRANDED])
    yield from bursts({"oy": 50.0}, {})
    yield from rising_failures([Failing("oy", 100, 50)], [])


@pytest.mark.parametrize("finding", list(worst()), ids=lambda finding: f"{finding.check}: {finding.evidence[:20]}")
def test_the_command_that_helps_is_one_that_runs(finding: Finding) -> None:
    name, *arguments = shlex.split(finding.command)
    assert name == "tenrusl"
    command: Any = typer.main.get_command(app)  # typer has its own copy of click
    context = command.make_context(name, arguments)
    while rest := [*context._protected_args, *context.args]:
        found_name, command, arguments = command.resolve_command(context, rest)
        # Fails for what the command does not take.
        context = command.make_context(found_name, arguments, parent=context)
    assert command.callback is not None
