"""Requeuing, discarding, confirming and refuting, each with its audit entry."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
import pytest
from grpc import aio

from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.api.common.v1 import common_pb2
from tenrusl.operators import Role
from tenrusl.rpc.context import REQUEST_ID_KEY
from tenrusl.rpc.errors import violations_of
from tenrusl.store.audit_verification import verify_chain
from tenrusl.store.engine import Engine, transaction
from tests.builders import AUDIT_KEYS, START, FixedClock, rows
from tests.integration.admin.backlog_stack import Stack, code_of, event_filter, texts

AUDIT = "SELECT actor, action, target, after FROM audit_log ORDER BY number"
STATE = "SELECT status, attempts, next_retry_at FROM webhook_events WHERE id = :id"


@pytest.fixture
async def stack(engine: Engine) -> AsyncIterator[Stack]:
    stack = Stack(engine, FixedClock())
    async with stack.serving():
        yield stack


async def requeue(stack: Stack, **fields: Any) -> tuple[int, int, bool]:
    request = backlog_pb2.RequeueDeadLettersRequest(**fields)
    done = await stack.stub(Role.OPERATOR).RequeueDeadLetters(request, timeout=10)
    return done.requeued, done.skipped, done.more


async def discard(stack: Stack, **fields: Any) -> tuple[int, int, bool]:
    request = backlog_pb2.DiscardEventsRequest(**fields)
    done = await stack.stub(Role.OPERATOR).DiscardEvents(request, timeout=10)
    return done.discarded, done.skipped, done.more


async def state(engine: Engine, event_id: UUID) -> tuple[Any, ...]:
    return (await rows(engine, STATE, id=event_id))[0]


async def test_a_requeued_dead_letter_is_due_with_all_its_tries(stack: Stack, engine: Engine) -> None:
    event_id = await stack.put_dead_letter()
    assert await requeue(stack, event_ids=[str(event_id)]) == (1, 0, False)
    assert await state(engine, event_id) == ("received", 0, START)
    assert await requeue(stack, event_ids=[str(event_id)]) == (0, 1, False)
    assert await rows(engine, AUDIT) == [
        ("olga", "dead_letters.requeue", f"event/{event_id}", {"event_ids": [str(event_id)]})
    ]


async def test_only_dead_letters_are_requeued(stack: Stack, engine: Engine) -> None:
    others = [await stack.put(status=status) for status in ("processed", "processing", "discarded", "unconfirmed")]
    before = [await state(engine, event_id) for event_id in others]
    assert await requeue(stack, event_ids=[*texts(others), str(UUID(int=7))]) == (0, 5, False)
    assert [await state(engine, event_id) for event_id in others] == before
    assert await rows(engine, AUDIT) == []


async def test_dead_letters_are_requeued_by_filter_up_to_a_limit(stack: Stack, engine: Engine) -> None:
    for minutes in range(3):
        await stack.put_dead_letter(minutes=minutes)
    other = await stack.put_dead_letter(provider="stripe", failure_code="payment_unknown")
    wanted = event_filter(failure_code="told_to_fail")
    assert await requeue(stack, filter=wanted, dry_run=True) == (3, 0, False)
    assert await rows(engine, AUDIT) == []
    assert await requeue(stack, filter=wanted, limit=2) == (2, 0, True)
    assert await requeue(stack, filter=wanted, limit=2) == (1, 0, False)
    assert (await state(engine, other))[0] == "dead_letter"
    assert await requeue(stack, filter=event_filter()) == (1, 0, False)
    async with transaction(engine) as connection:
        report = await verify_chain(connection, AUDIT_KEYS)
    assert (report.verified, report.broken) == (3, None)


async def test_what_was_refuted_is_requeued_only_when_it_is_meant(stack: Stack, engine: Engine) -> None:
    event_id = await stack.put_dead_letter(failure_code="refuted")
    assert await requeue(stack, filter=event_filter()) == (0, 0, False)
    assert (await state(engine, event_id))[0] == "dead_letter"
    assert await requeue(stack, filter=event_filter(failure_code="refuted")) == (1, 0, False)


async def test_discarded_events_are_kept_with_the_reason_and_never_tried_again(stack: Stack, engine: Engine) -> None:
    ids = [await stack.put_dead_letter(), await stack.put(status="failed"), await stack.put(status="unconfirmed")]
    assert await discard(stack, event_ids=texts(ids), reason="test shop") == (3, 0, False)
    assert await discard(stack, event_ids=texts(ids), reason="another") == (0, 3, False)
    found = await rows(
        engine, "SELECT status, discarded_by, discard_reason, discarded_at, next_retry_at FROM webhook_events"
    )
    assert found == [("discarded", "olga", "test shop", START, None)] * 3
    replay = backlog_pb2.ReplayEventsRequest(event_ids=texts(ids))
    assert [item.skipped async for item in stack.stub(Role.OPERATOR).ReplayEvents(replay, timeout=10)][-1] == 3
    assert await requeue(stack, event_ids=texts(ids)) == (0, 3, False)
    entries = await rows(engine, AUDIT)
    assert entries[0] == ("olga", "events.discard", "events", {"reason": "test shop", "event_ids": texts(sorted(ids))})


async def test_what_is_under_way_or_done_is_not_discarded(stack: Stack, engine: Engine) -> None:
    ids = [await stack.put(status=status) for status in ("received", "processing", "processed")]
    assert await discard(stack, event_ids=texts(ids), reason="x") == (0, 3, False)
    assert await rows(engine, AUDIT) == []


async def test_events_are_discarded_by_filter(stack: Stack, engine: Engine) -> None:
    await stack.put_dead_letter()
    kept = await stack.put_dead_letter(provider="stripe")
    assert await discard(stack, filter=event_filter(provider="mock"), dry_run=True) == (1, 0, False)
    assert await discard(stack, filter=event_filter(provider="mock"), reason="x") == (1, 0, False)
    assert (await state(engine, kept))[0] == "dead_letter"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["event_ids"]),
        ({"filter": event_filter(), "reason": "x"}, ["event_ids"]),
        ({"event_ids": ["x"], "filter": event_filter(provider="mock")}, ["event_ids", "event_ids"]),
        ({"event_ids": [str(UUID(int=1))] * 1001}, ["event_ids"]),
        ({"event_ids": [str(UUID(int=1))], "dry_run": True}, ["dry_run"]),
        ({"event_ids": [str(UUID(int=1))]}, ["reason"]),
        ({"event_ids": [str(UUID(int=1))], "reason": "a\nb"}, ["reason"]),
        ({"filter": event_filter(provider="mock"), "limit": 10_001}, ["limit"]),
        ({"filter": event_filter(status=common_pb2.EVENT_STATUS_PROCESSED)}, ["filter.status"]),
    ],
)
async def test_what_is_wrong_is_named(stack: Stack, fields: dict[str, Any], wrong: list[str]) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await discard(stack, **fields)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == wrong


async def test_events_are_confirmed_and_refuted_under_the_operators_name(stack: Stack, engine: Engine) -> None:
    true, untrue = [
        await stack.put(provider="xendit", status="unconfirmed", unauthenticated_body=True) for _ in range(2)
    ]
    operator = stack.stub(Role.OPERATOR)
    confirm = backlog_pb2.ConfirmEventsRequest(event_ids=[str(true)])
    done = await operator.ConfirmEvents(confirm, timeout=10, metadata=((REQUEST_ID_KEY, "request-1"),))
    assert (done.processed, done.failed, done.skipped) == (1, 0, 0)
    refuted = await operator.RefuteEvents(backlog_pb2.RefuteEventsRequest(event_ids=texts([true, untrue])), timeout=10)
    assert (refuted.refuted, refuted.skipped, refuted.skipped_event_ids) == (1, 1, [str(true)])
    assert await rows(engine, "SELECT confirmed_by FROM webhook_events WHERE id = :id", id=true) == [("olga",)]
    assert await rows(engine, "SELECT failure_message FROM webhook_events WHERE id = :id", id=untrue) == [
        ("refuted by olga",)
    ]
    assert await rows(engine, AUDIT) == [
        ("olga", "events.confirm", f"event/{true}", {"event_ids": [str(true)]}),
        ("olga", "events.refute", f"event/{untrue}", {"event_ids": [str(untrue)]}),
    ]
    assert (await rows(engine, "SELECT role, request_id FROM audit_log ORDER BY number"))[0] == (
        "operator",
        "request-1",
    )
    async with transaction(engine) as connection:
        report = await verify_chain(connection, AUDIT_KEYS)
    assert (report.verified, report.broken) == (2, None)


async def test_a_confirmed_event_that_fails_is_named(stack: Stack, engine: Engine) -> None:
    event_id = await stack.put(
        document={"directives": {"fail_first": 5}}, status="unconfirmed", unauthenticated_body=True
    )
    request = backlog_pb2.ConfirmEventsRequest(event_ids=[str(event_id)])
    done = await stack.stub(Role.OPERATOR).ConfirmEvents(request, timeout=10)
    assert (done.processed, done.failed, done.failed_event_ids) == (0, 1, [str(event_id)])
    assert [row[1] for row in await rows(engine, AUDIT)] == ["events.confirm"]


async def test_viewers_change_nothing(stack: Stack, engine: Engine) -> None:
    event_id = str(await stack.put_dead_letter())
    stub = stack.stub(Role.VIEWER)
    for call in (
        stub.RequeueDeadLetters(backlog_pb2.RequeueDeadLettersRequest(event_ids=[event_id]), timeout=10),
        stub.DiscardEvents(backlog_pb2.DiscardEventsRequest(event_ids=[event_id], reason="x"), timeout=10),
        stub.ConfirmEvents(backlog_pb2.ConfirmEventsRequest(event_ids=[event_id]), timeout=10),
        stub.RefuteEvents(backlog_pb2.RefuteEventsRequest(event_ids=[event_id]), timeout=10),
        stub.ReplayEvents(backlog_pb2.ReplayEventsRequest(event_ids=[event_id]), timeout=10).read(),
    ):
        assert await code_of(call) is grpc.StatusCode.PERMISSION_DENIED
    assert await rows(engine, AUDIT) == []
