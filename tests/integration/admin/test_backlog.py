"""The backlog: counted by provider, status, tries and cause, with rates and the time until it is gone."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest

from services.admin import findings as findings_module
from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.coordination.heartbeats import Heard
from tenrusl.operators import Role
from tenrusl.store.engine import Engine
from tests.builders import START, FixedClock
from tests.integration.admin.backlog_stack import Stack, code_of


@pytest.fixture
async def stack(engine: Engine) -> AsyncIterator[Stack]:
    stack = Stack(engine, FixedClock())
    async with stack.serving():
        yield stack


async def backlog(stack: Stack) -> Any:
    return await stack.stub(Role.VIEWER).GetBacklog(backlog_pb2.GetBacklogRequest(), timeout=10)


async def findings(stack: Stack) -> dict[str, Any]:
    answer = await stack.stub(Role.VIEWER).DiagnoseBacklog(backlog_pb2.DiagnoseBacklogRequest(), timeout=10)
    assert [item.severity for item in answer.findings] == sorted(
        (item.severity for item in answer.findings), reverse=True
    )
    return {item.check: item for item in answer.findings}


async def test_nothing_is_unfinished_in_an_empty_database(stack: Stack) -> None:
    found = await backlog(stack)
    assert found.time.ToDatetime() == START.replace(tzinfo=None)
    assert (found.unfinished, found.due, found.unconfirmed, found.average_attempts, found.capped) == (0, 0, 0, 0, False)
    assert not found.HasField("oldest_due_time")
    assert found.time_to_drain.ToTimedelta() == timedelta(0)
    assert (found.arrivals_per_second, found.settled_per_second) == (0, 0)


async def test_the_backlog_is_counted(stack: Stack) -> None:
    for minutes in (-4, -3):
        await stack.put(minutes=minutes)
    await stack.put(
        provider="stripe", minutes=-2, status="failed", attempts=3, next_retry_at=START - timedelta(hours=1)
    )
    await stack.put(
        provider="stripe", minutes=-2, status="failed", attempts=30, next_retry_at=START + timedelta(hours=1)
    )
    await stack.put(provider="stripe", minutes=-2, status="processing", attempts=1, next_retry_at=START)
    await stack.put(provider="oy", status="unconfirmed", next_retry_at=None)
    await stack.put(minutes=-1, status="processed", processed_at=START - timedelta(seconds=30), next_retry_at=None)
    await stack.put(status="discarded", next_retry_at=None)
    for code, number in (("told_to_fail", 2), ("payment_unknown", 1)):
        for _ in range(number):
            await stack.put_dead_letter(failure_code=code)
    await stack.put_dead_letter(provider="stripe")

    found = await backlog(stack)

    states = {item.provider: (item.received, item.processing, item.failed, item.due) for item in found.providers}
    assert states == {"mock": (2, 0, 0, 2), "oy": (0, 0, 0, 0), "stripe": (0, 1, 2, 2)}
    assert {item.provider: item.unconfirmed for item in found.providers} == {"mock": 0, "oy": 1, "stripe": 0}
    assert (found.unfinished, found.due, found.unconfirmed) == (5, 4, 1)
    assert found.oldest_due_time.ToDatetime() == (START - timedelta(hours=1)).replace(tzinfo=None)
    assert [(item.attempts, item.events) for item in found.attempts] == [(0, 2), (1, 1), (3, 1), (20, 1)]
    assert found.average_attempts == pytest.approx(34 / 5)
    assert [(item.provider, item.failure_code, item.events) for item in found.dead_letters] == [
        ("mock", "payment_unknown", 1), ("mock", "told_to_fail", 2), ("stripe", "told_to_fail", 1),
    ]  # fmt: skip
    assert found.settled_per_second == pytest.approx((1 + 4) / 300)  # dead letters, too
    assert found.arrivals_per_second == pytest.approx(6 / 300)
    assert not found.HasField("time_to_drain")


async def test_the_time_to_drain_follows_from_the_rates(stack: Stack) -> None:
    for _ in range(3):
        await stack.put(minutes=-60, status="processed", processed_at=START - timedelta(minutes=1), next_retry_at=None)
    await stack.put(minutes=-60)
    assert (await backlog(stack)).time_to_drain.ToTimedelta() == timedelta(seconds=100)


async def test_a_backlog_shrinks_by_what_is_given_up_too(stack: Stack) -> None:
    tried = START - timedelta(minutes=1)
    for minutes, status in ((-60, "dead_letter"), (-60, "unconfirmed"), (-2, "unconfirmed"), (-2, "discarded")):
        await stack.put(minutes=minutes, status=status, last_attempt_at=tried, next_retry_at=None)
    await stack.put(minutes=-60, status="dead_letter", last_attempt_at=START - timedelta(minutes=6))
    await stack.put(minutes=-60)
    found = await backlog(stack)
    assert (found.arrivals_per_second, found.settled_per_second) == (pytest.approx(2 / 300), pytest.approx(4 / 300))
    assert found.time_to_drain.ToTimedelta() == timedelta(seconds=150)


async def test_all_is_well(stack: Stack) -> None:
    found = await findings(stack)
    assert set(found) == {
        "database", "redis", "processor", "stuck_leases", "far_due_times", "burst", "rising_failures",
    }  # fmt: skip
    assert {item.severity for item in found.values()} == {backlog_pb2.SEVERITY_OK}
    assert {item.command for item in found.values()} == {""}


async def test_what_is_wrong_is_found_with_the_command_that_helps(stack: Stack) -> None:
    stack.redis_answers_in = None
    await stack.put(minutes=-5, status="processing", next_retry_at=START - timedelta(minutes=4))
    far = await stack.put(minutes=-5, status="failed", next_retry_at=datetime(9999, 1, 1, tzinfo=START.tzinfo))
    done = {"status": "processed", "processed_at": START - timedelta(seconds=50), "attempts": 1}
    for number in range(20):
        await stack.put(provider="stripe", minutes=-1, **({"status": "failed"} if number < 5 else done))
    found = await findings(stack)
    assert {name for name, item in found.items() if item.severity == backlog_pb2.SEVERITY_CRITICAL} == {"redis"}
    assert {name for name, item in found.items() if item.severity == backlog_pb2.SEVERITY_WARNING} == {
        "stuck_leases", "far_due_times", "rising_failures",
    }  # fmt: skip
    assert found["far_due_times"].command == f"tenrusl webhooks retry-one {far} --force"
    assert found["rising_failures"].evidence.startswith("stripe: 25% of 20 new events")
    assert found["stuck_leases"].command == "tenrusl webhooks retry"
    assert found["redis"].command == "tenrusl events replay --status failed"


async def test_processors_are_told_by_their_heartbeats(stack: Stack) -> None:
    assert (await findings(stack))["processor"].evidence.startswith("1 alive by heartbeat, last heard 0.5 s ago")
    stack.heard = Heard(alive=0, last_seconds=None)
    found = (await findings(stack))["processor"]
    assert (found.severity, found.command) == (backlog_pb2.SEVERITY_WARNING, "tenrusl webhooks retry")
    stack.heard = None
    found = (await findings(stack))["processor"]
    assert found.severity == backlog_pb2.SEVERITY_OK
    assert found.evidence.startswith("heartbeats unknown without Redis; it answers in")


async def test_a_flood_names_its_provider_and_a_limit(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_module, "MIN_BURST_PER_SECOND", 0.05)
    for _ in range(30):
        await stack.put(provider="oy", minutes=-1)
    for minutes in range(-60, 0):
        await stack.put(provider="stripe", minutes=minutes)
    found = (await findings(stack))["burst"]
    assert found.command == 'tenrusl throttle set oy 1 --reason "burst"'
    assert found.evidence == "oy: 0.1 events a second now, 0.0 in the hour before"


async def test_nobody_reads_it_without_a_role(stack: Stack) -> None:
    request = backlog_pb2.GetPayloadRequest(event_id="x")
    for role in (Role.VIEWER, Role.OPERATOR):
        assert await code_of(stack.stub(role).GetPayload(request, timeout=10)) is grpc.StatusCode.PERMISSION_DENIED
