"""Replaying: each effect once, at a limited rate, to be gone on with."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import aio

from services.admin import replay as replay_module
from services.admin.replay import Replay
from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.api.common.v1 import common_pb2
from tenrusl.operators import Role
from tenrusl.rpc.errors import violations_of
from tenrusl.store.engine import Engine
from tenrusl.store.event_list import find_events
from tests.builders import START, FixedClock, rows
from tests.integration.admin.backlog_stack import Stack, event_filter, texts

FAILS: dict[str, object] = {"directives": {"fail_always": True}}


@pytest.fixture
async def stack(engine: Engine) -> AsyncIterator[Stack]:
    stack = Stack(engine, FixedClock())
    async with stack.serving():
        yield stack


async def replay(stack: Stack, **fields: Any) -> list[Any]:
    request = backlog_pb2.ReplayEventsRequest(**fields)
    return [item async for item in stack.stub(Role.OPERATOR).ReplayEvents(request, timeout=20)]


def numbers(message: Any) -> tuple[int, int, int, bool]:
    return message.matched, message.processed, message.skipped, message.capped


async def transitions(engine: Engine) -> int:
    return int((await rows(engine, "SELECT count(*) FROM payment_transitions"))[0][0])


async def test_replaying_again_and_again_has_one_effect(stack: Stack, engine: Engine) -> None:
    ids = texts([await stack.put(), await stack.put_dead_letter(), await stack.put(status="failed")])
    assert numbers((await replay(stack, event_ids=ids))[-1]) == (3, 3, 0, False)
    assert await transitions(engine) == 3
    for fields in ({"event_ids": ids}, {"filter": event_filter(provider="mock")}):
        last = (await replay(stack, **fields))[-1]
        assert numbers(last) == (3, 0, 3, False)
        assert last.done
    assert await transitions(engine) == 3
    assert await rows(engine, "SELECT DISTINCT status FROM webhook_events") == [("processed",)]


async def test_a_dry_run_counts_and_changes_nothing(stack: Stack, engine: Engine) -> None:
    for minutes in range(3):
        await stack.put(minutes=minutes)
    await stack.put(provider="stripe")
    found = await replay(stack, filter=event_filter(provider="mock"), dry_run=True, limit=1)
    assert numbers(found[-1]) == (3, 0, 0, False)
    assert await rows(engine, "SELECT count(*) FROM audit_log") == [(0,)]
    assert await transitions(engine) == 0
    assert stack.slept == []


async def test_a_dry_run_counts_up_to_its_cap(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "MAX_COUNTED", 2)
    for _ in range(3):
        await stack.put()
    assert numbers((await replay(stack, filter=event_filter(provider="mock"), dry_run=True))[-1]) == (2, 0, 0, True)


async def test_a_replay_goes_on_where_it_was_capped(stack: Stack, engine: Engine) -> None:
    for minutes in range(5):
        await stack.put(minutes=minutes)
    wanted = event_filter(provider="mock")
    first = (await replay(stack, filter=wanted, limit=3))[-1]
    assert numbers(first) == (3, 3, 0, True)
    second = (await replay(stack, filter=wanted, limit=3, resume_token=first.resume_token))[-1]
    assert numbers(second) == (2, 2, 0, False)
    assert second.resume_token == ""
    assert await transitions(engine) == 5


async def test_a_resume_token_of_another_query_is_refused(stack: Stack) -> None:
    for _ in range(2):
        await stack.put()
    token = (await replay(stack, filter=event_filter(provider="mock"), limit=1))[-1].resume_token
    with pytest.raises(aio.AioRpcError) as caught:
        await replay(stack, filter=event_filter(provider="stripe"), resume_token=token)
    assert [item.field for item in violations_of(caught.value)] == ["resume_token"]


async def test_a_page_token_is_no_resume_token(stack: Stack) -> None:
    for _ in range(2):
        await stack.put()
    wanted = event_filter(provider="mock")
    page = await stack.stub(Role.VIEWER).ListEvents(
        backlog_pb2.ListEventsRequest(page_size=1, filter=wanted), timeout=10
    )
    with pytest.raises(aio.AioRpcError) as caught:
        await replay(stack, filter=wanted, resume_token=page.next_page_token)
    assert [item.field for item in violations_of(caught.value)] == ["resume_token"]


async def test_time_that_a_stall_took_is_not_made_up_for(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        await stack.put()
    stalled: list[float] = []
    deliver = Replay._deliver

    async def stall_first(self: Replay, ids: Any) -> Any:
        if not stalled:
            stalled.append(10.0)
            stack.slept.append(10.0)  # what the stack takes for the time
        return await deliver(self, ids)

    monkeypatch.setattr(Replay, "_deliver", stall_first)
    await replay(stack, filter=event_filter(provider="mock"), events_per_second=2)
    assert stack.slept == [10.0, 1.0]


async def test_ids_are_looked_up_for_many_batches_at_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    async def counted(*arguments: Any, **named: Any) -> Any:
        looks.append(named["limit"])
        return await find_events(*arguments, **named)

    monkeypatch.setattr(replay_module, "find_events", counted)
    for _ in range(5):
        await stack.put()
    found = await replay(stack, filter=event_filter(provider="mock"), events_per_second=1)
    assert [item.processed for item in found] == [1, 2, 3, 4, 5, 5]
    assert all(item.resume_token for item in found[:4])
    assert looks == [30]


async def test_a_replay_goes_on_from_the_middle_of_what_was_looked_up(stack: Stack) -> None:
    for _ in range(4):
        await stack.put()
    wanted = event_filter(provider="mock")
    first = await replay(stack, filter=wanted, events_per_second=1)
    assert numbers((await replay(stack, filter=wanted, resume_token=first[1].resume_token))[-1]) == (2, 0, 2, False)


async def test_the_rate_is_kept(stack: Stack) -> None:
    for _ in range(5):
        await stack.put()
    found = await replay(stack, filter=event_filter(provider="mock"), events_per_second=2)
    assert [item.processed for item in found] == [2, 4, 5, 5]
    assert stack.slept == [1.0, 1.0]


async def test_a_caller_that_goes_away_ends_the_replay_and_what_was_done_is_written_down(
    stack: Stack, engine: Engine
) -> None:
    for _ in range(3):
        await stack.put()
    stack.awake.clear()
    request = backlog_pb2.ReplayEventsRequest(filter=event_filter(provider="mock"), events_per_second=1)
    call = stack.stub(Role.OPERATOR).ReplayEvents(request, timeout=20)
    assert (await call.read()).processed == 1
    call.cancel()
    noted: list[Any] = []
    async with asyncio.timeout(20):
        while not noted:
            noted = await rows(engine, "SELECT after FROM audit_log WHERE action = 'events.replay_end'")
    assert noted[0][0]["processed"] == 1
    assert await transitions(engine) == 1


async def test_the_oldest_come_first_and_the_span_is_kept(stack: Stack) -> None:
    ids = [await stack.put(minutes=minutes, payment_ref=f"pay_{minutes}") for minutes in range(4)]
    span = event_filter(
        receive_time_from=START + timedelta(minutes=1), receive_time_before=START + timedelta(minutes=3)
    )
    assert numbers((await replay(stack, filter=span))[-1])[:2] == (2, 2)
    found = await rows(stack.engine, "SELECT id FROM webhook_events WHERE status = 'processed' ORDER BY id")
    assert [row[0] for row in found] == ids[1:3]


async def test_what_fails_and_what_was_refuted(stack: Stack, engine: Engine) -> None:
    await stack.put(document=FAILS)
    await stack.put_dead_letter(document=FAILS, attempts=999)
    await stack.put_dead_letter(failure_code="refuted")
    last = (await replay(stack, filter=event_filter(provider="mock")))[-1]
    assert (last.matched, last.failed, last.dead_letters, last.skipped) == (2, 1, 1, 0)
    assert await transitions(engine) == 0


async def test_who_replays_what_is_written_down_before_and_after(stack: Stack, engine: Engine) -> None:
    await stack.put(status="failed", failure_code="told_to_fail")
    wanted = event_filter(failure_code="told_to_fail", status=common_pb2.EVENT_STATUS_FAILED)
    await replay(stack, filter=wanted, limit=7)
    entries = await rows(engine, "SELECT actor, action, target, after FROM audit_log ORDER BY number")
    assert entries[0] == (
        "olga",
        "events.replay",
        "events",
        {"filter": {"status": "failed", "failure_code": "told_to_fail"}, "limit": 7, "events_per_second": 100},
    )
    assert entries[1][:3] == ("olga", "events.replay_end", "events")
    assert (entries[1][3]["matched"], entries[1][3]["processed"]) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["event_ids"]),
        ({"filter": event_filter()}, ["event_ids"]),
        ({"filter": event_filter(provider="mock"), "limit": 100_001}, ["limit"]),
        ({"filter": event_filter(provider="mock"), "events_per_second": -1}, ["events_per_second"]),
        ({"event_ids": ["00000000-0000-0000-0000-000000000001"], "resume_token": "x"}, ["resume_token"]),
    ],
)
async def test_what_is_wrong_is_named(stack: Stack, fields: dict[str, Any], wrong: list[str]) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await replay(stack, **fields)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == wrong
