"""Looking at events: lists by filter, single events with their timeline, payloads."""

from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from grpc import aio

from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.api.common.v1 import common_pb2
from tenrusl.errors import Reason
from tenrusl.operators import Role
from tenrusl.rpc.errors import reason_of, violations_of
from tenrusl.store import claims, event_list
from tenrusl.store.engine import Engine
from tenrusl.store.tables import EVENT_STATUSES
from tests.builders import START, FixedClock, rows
from tests.integration.admin.backlog_stack import Stack, code_of, event_filter, everything, texts

AUDIT = "SELECT actor, action, target, after FROM audit_log ORDER BY number"


@pytest.fixture
async def stack(engine: Engine) -> AsyncIterator[Stack]:
    stack = Stack(engine, FixedClock())
    async with stack.serving():
        yield stack


async def listed(stack: Stack, page_size: int = 0, **fields: Any) -> list[str]:
    found = await everything(stack.stub(Role.VIEWER), page_size=page_size, filter=event_filter(**fields))
    return [event.id for event in found]


def status_number(status: str) -> int:
    return int(common_pb2.EventStatus.Value(f"EVENT_STATUS_{status.upper()}"))


async def test_events_are_listed_newest_first_in_pages(stack: Stack) -> None:
    ids = [await stack.put(minutes=minutes) for minutes in range(5)]
    newest_first = texts(ids[::-1])
    assert await listed(stack) == newest_first
    assert await listed(stack, page_size=2) == newest_first
    first = await stack.stub(Role.VIEWER).ListEvents(backlog_pb2.ListEventsRequest(page_size=2), timeout=10)
    assert [event.id for event in first.events] == newest_first[:2]


async def test_a_filter_lets_through_what_agrees_in_all(stack: Stack) -> None:
    by_status = {}
    for status in EVENT_STATUSES:
        by_status[status] = [
            await stack.put(minutes=minutes, provider=provider, status=status, failure_code=code)
            for minutes, (provider, code) in enumerate(
                (("mock", "told_to_fail"), ("stripe", "payment_unknown"), ("oy", None))
            )
        ]
    for status, ids in by_status.items():
        number = status_number(status)
        assert await listed(stack, status=number, page_size=1) == texts(ids[::-1])
        assert await listed(stack, status=number, provider="stripe") == texts([ids[1]])
        assert await listed(stack, status=number, failure_code="told_to_fail") == texts([ids[0]])
        assert await listed(stack, status=number, failure_code="told_to_fail", provider="stripe") == []
    assert len(await listed(stack, provider="oy")) == len(EVENT_STATUSES)


async def test_events_of_a_payment_are_found_whatever_their_status(stack: Stack, engine: Engine) -> None:
    statuses = ("received", "processing", "failed", "dead_letter", "unconfirmed", "discarded")
    ids = [await stack.put(payment_ref="pay_1", status=status) for status in statuses]
    applied = await stack.put(payment_ref="pay_1", minutes=1)
    await stack.put(payment_ref="pay_2")
    other = await stack.put(payment_ref="pay_1", provider="stripe", minutes=2)
    request = backlog_pb2.ReplayEventsRequest(event_ids=[str(applied)])
    assert [item.processed async for item in stack.stub(Role.OPERATOR).ReplayEvents(request, timeout=10)] == [1, 1]
    assert set(await listed(stack, payment_ref="pay_1", provider="mock")) == {*texts(ids), str(applied)}
    assert (await listed(stack, payment_ref="pay_1"))[:2] == texts([other, applied])
    assert await listed(stack, payment_ref="pay_1", status=status_number("processed")) == texts([applied])
    assert await listed(stack, payment_ref="pay_3") == []


async def test_an_event_is_found_by_its_own_reference_before_and_after_it_is_processed(stack: Stack) -> None:
    first = await stack.put(payment_ref="pay_1")
    # Applied to the payment of the first, whose provider_ref it names.
    matched = await stack.put(payment_ref="pay_2", minutes=1)
    await rows(stack.engine, "UPDATE webhook_events SET provider_ref = 'pay_2' WHERE id = :id RETURNING 1", id=first)
    silent = await stack.put(payment_ref="pay_3", minutes=2)  # says nothing about a payment's state
    await rows(stack.engine, "UPDATE webhook_events SET payment_status = NULL WHERE id = :id RETURNING 1", id=silent)
    assert await listed(stack, payment_ref="pay_2") == texts([matched])
    assert await listed(stack, payment_ref="pay_3") == texts([silent])
    for event_id in (first, matched, silent):
        request = backlog_pb2.ReplayEventsRequest(event_ids=[str(event_id)])
        assert [item.processed async for item in stack.stub(Role.OPERATOR).ReplayEvents(request, timeout=10)] == [1, 1]
    assert await rows(stack.engine, "SELECT payment_ref, count(*) FROM payments GROUP BY 1") == [("pay_1", 1)]
    assert await listed(stack, payment_ref="pay_2") == texts([matched])
    assert await listed(stack, payment_ref="pay_3") == texts([silent])
    assert await listed(stack, payment_ref="pay_1", page_size=1) == texts([matched, first])


async def test_a_span_of_time(stack: Stack) -> None:
    ids = [await stack.put(minutes=minutes) for minutes in range(4)]
    first, last = START + timedelta(minutes=1), START + timedelta(minutes=3)
    assert await listed(stack, receive_time_from=first, receive_time_before=last) == texts([ids[2], ids[1]])
    assert await listed(stack, receive_time_from=last) == texts([ids[3]])
    assert await listed(stack, receive_time_before=first) == texts([ids[0]])


async def test_a_rare_match_is_found_over_pages_that_hold_none(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_list, "MAX_LOOKED_THROUGH", 2)
    rare = await stack.put(provider="stripe")
    for minutes in range(1, 6):
        await stack.put(minutes=minutes)
    request = backlog_pb2.ListEventsRequest(filter=event_filter(provider="stripe"))
    page = await stack.stub(Role.VIEWER).ListEvents(request, timeout=10)
    assert not page.events
    assert page.next_page_token
    assert await listed(stack, provider="stripe") == texts([rare])


async def test_events_are_listed_oldest_first_when_asked(stack: Stack) -> None:
    ids = texts([await stack.put(minutes=minutes, status="unconfirmed") for minutes in range(3)])
    wanted = event_filter(status=common_pb2.EVENT_STATUS_UNCONFIRMED)
    found = await everything(stack.stub(Role.VIEWER), page_size=2, filter=wanted, oldest_first=True)
    assert [event.id for event in found] == ids


async def test_a_token_of_another_query_is_refused(stack: Stack) -> None:
    for minutes in range(3):
        await stack.put(minutes=minutes)
    stub = stack.stub(Role.VIEWER)
    mine = backlog_pb2.ListEventsRequest(page_size=1, filter=event_filter(provider="mock"))
    token = (await stub.ListEvents(mine, timeout=10)).next_page_token
    requests = [
        backlog_pb2.ListEventsRequest(page_size=1, page_token=token, filter=event_filter(**fields))
        for fields in ({}, {"provider": "stripe"}, {"provider": "mock", "failure_code": "x"})
    ]
    requests.append(backlog_pb2.ListEventsRequest(page_size=1, page_token=token, filter=mine.filter, oldest_first=True))
    for request in requests:
        with pytest.raises(aio.AioRpcError) as caught:
            await stub.ListEvents(request, timeout=10)
        assert [item.field for item in violations_of(caught.value)] == ["page_token"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"provider": "nobody"}, "filter.provider"),
        ({"status": 99}, "filter.status"),
        ({"payment_ref": "x" * 201}, "filter.payment_ref"),
        ({"failure_code": "a\0"}, "filter.failure_code"),
        ({"receive_time_from": START.replace(year=1969)}, "filter.receive_time_from"),
        ({"receive_time_before": START.replace(year=9999)}, "filter.receive_time_before"),
    ],
)
async def test_what_is_wrong_is_named(stack: Stack, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await everything(stack.stub(Role.VIEWER), filter=event_filter(**fields))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [item.field for item in violations_of(caught.value)] == [wrong]


async def test_an_event_tells_what_happened_to_it(stack: Stack) -> None:
    event_id = await stack.put_dead_letter(payment_ref="pay_1", failure_message="told to")
    stack.clock.advance(timedelta(minutes=1))
    operator = stack.stub(Role.OPERATOR)
    requeue = backlog_pb2.RequeueDeadLettersRequest(event_ids=[str(event_id)])
    await operator.RequeueDeadLetters(requeue, timeout=10)
    stack.clock.advance(timedelta(minutes=1))
    async for _ in operator.ReplayEvents(backlog_pb2.ReplayEventsRequest(event_ids=[str(event_id)]), timeout=10):
        pass
    request = backlog_pb2.GetEventRequest(event_id=str(event_id))
    found = await stack.stub(Role.VIEWER).GetEvent(request, timeout=10)
    assert (found.event.id, found.event.payment_ref, found.event.attempts) == (str(event_id), "pay_1", 1)
    assert found.event.status == common_pb2.EVENT_STATUS_PROCESSED
    assert [item.what for item in found.timeline][:2] == ["received", "dead_letters.requeue"]
    assert {item.what for item in found.timeline[2:]} == {
        "events.replay", "tried", "applied", "processed", "events.replay_end",
    }  # fmt: skip
    assert found.timeline[1].detail == "by olga"
    assert len(found.payload_sha256) == 64


async def test_each_try_that_failed_has_its_time_and_cause(stack: Stack) -> None:
    event_id = str(await stack.put(document={"directives": {"fail_always": True}}))
    operator = stack.stub(Role.OPERATOR)
    for _ in range(2):
        stack.clock.advance(timedelta(minutes=1))
        async for _ in operator.ReplayEvents(backlog_pb2.ReplayEventsRequest(event_ids=[event_id]), timeout=10):
            pass
    found = await stack.stub(Role.VIEWER).GetEvent(backlog_pb2.GetEventRequest(event_id=event_id), timeout=10)
    tried = [(item.time.ToDatetime(UTC), item.detail) for item in found.timeline if item.what == "tried"]
    assert [time for time, _ in tried] == [START + timedelta(minutes=1), START + timedelta(minutes=2)]
    for number, (_, detail) in enumerate(tried, start=1):
        assert detail.startswith(f"try {number}, failed: told_to_fail; next due 2026-03-01 12:0")


async def test_only_the_last_failed_tries_are_kept(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MAX_FAILED_TRIES", 3)
    event_id = str(await stack.put(document={"directives": {"fail_always": True}}))
    for _ in range(5):
        stack.clock.advance(timedelta(minutes=1))
        request = backlog_pb2.ReplayEventsRequest(event_ids=[event_id])
        async for _ in stack.stub(Role.OPERATOR).ReplayEvents(request, timeout=10):
            pass
    found = await rows(stack.engine, "SELECT jsonb_path_query_array(failed_tries, '$[*].try') FROM webhook_events")
    assert found == [([3, 4, 5],)]


async def test_a_requeue_leaves_no_try_to_tell_of(stack: Stack) -> None:
    ids = texts([await stack.put_dead_letter(), await stack.put_dead_letter()])
    stack.clock.advance(timedelta(minutes=1))
    request = backlog_pb2.RequeueDeadLettersRequest(event_ids=ids)
    await stack.stub(Role.OPERATOR).RequeueDeadLetters(request, timeout=10)
    for event_id in ids:  # the entry is about both
        found = await stack.stub(Role.VIEWER).GetEvent(backlog_pb2.GetEventRequest(event_id=event_id), timeout=10)
        assert {item.what for item in found.timeline} == {"received", "dead_letters.requeue", "due"}


async def test_a_replay_of_several_events_is_told_of_each(stack: Stack) -> None:
    ids = texts([await stack.put(), await stack.put()])
    other = str(await stack.put())
    async for _ in stack.stub(Role.OPERATOR).ReplayEvents(backlog_pb2.ReplayEventsRequest(event_ids=ids), timeout=10):
        pass
    for event_id, told in ((ids[0], True), (ids[1], True), (other, False)):
        found = await stack.stub(Role.VIEWER).GetEvent(backlog_pb2.GetEventRequest(event_id=event_id), timeout=10)
        assert ({"events.replay", "events.replay_end"} <= {item.what for item in found.timeline}) == told


async def test_an_event_that_is_not_there(stack: Stack) -> None:
    request = backlog_pb2.GetEventRequest(event_id=str(UUID(int=1)))
    assert await code_of(stack.stub(Role.VIEWER).GetEvent(request, timeout=10)) is grpc.StatusCode.NOT_FOUND
    wrong = backlog_pb2.GetEventRequest(event_id="x")
    assert await code_of(stack.stub(Role.VIEWER).GetEvent(wrong, timeout=10)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_payload_is_read_by_admins_and_that_is_written_down(stack: Stack, engine: Engine) -> None:
    event_id = await stack.put(document={"card": "4111"})
    request = backlog_pb2.GetPayloadRequest(event_id=str(event_id))
    for role in (Role.VIEWER, Role.OPERATOR):
        assert await code_of(stack.stub(role).GetPayload(request, timeout=10)) is grpc.StatusCode.PERMISSION_DENIED
    assert await rows(engine, AUDIT) == []
    found = await stack.stub(Role.ADMIN).GetPayload(request, timeout=10)
    assert (found.body, found.content_type) == (b'{"card": "4111"}', "application/json")
    assert await rows(engine, AUDIT) == [("ada", "payload.read", f"event/{event_id}", {"bytes": 16})]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DELETE FROM webhook_payloads", Reason.PAYLOAD_PURGED),
        ("UPDATE webhook_payloads SET body = '\\x00'", Reason.PAYLOAD_SEALED),
    ],
)
async def test_a_payload_that_cannot_be_had(stack: Stack, engine: Engine, statement: str, reason: Reason) -> None:
    event_id = await stack.put()
    await rows(engine, f"{statement} RETURNING 1")
    request = backlog_pb2.GetPayloadRequest(event_id=str(event_id))
    with pytest.raises(aio.AioRpcError) as caught:
        await stack.stub(Role.ADMIN).GetPayload(request, timeout=10)
    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
    assert await rows(engine, AUDIT) == []
