"""What operators look at over HTTP, in front of an admin that answers as told."""

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
import structlog

from tenrusl.api.admin.v1 import backlog_pb2, payments_pb2
from tenrusl.api.common.v1.common_pb2 import Event, Payment
from tenrusl.errors import (
    FieldViolation,
    InvalidFieldError,
    PermissionDeniedError,
    Reason,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from tests.integration.gateway.gateway_stack import Stack, gateway_stack

KEY = "viewer-key-" + "v" * 30
PATHS = ("/api/v1/admin/payments", "/api/admin/payments", "/api/v1/admin/events", "/api/v1/admin/backlog")


async def get(stack: Stack, path: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await stack.request("GET", path, headers={"X-Admin-Key": KEY} | named)


def raising(error: Exception) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        raise error

    return answer


@pytest.mark.parametrize("path", PATHS[:2])
async def test_payments_are_listed_by_both_paths(path: str) -> None:
    found = Payment(id="019", provider="stripe", payment_ref="pi_1", status="PAYMENT_STATUS_SUCCEEDED", amount_minor=5)
    async with gateway_stack() as stack:
        stack.admin.answer = lambda request: payments_pb2.ListPaymentsResponse(payments=[found], next_page_token="more")
        answer = await get(stack, f"{path}?page_size=7&page_token=abc&provider=stripe&status=succeeded")
    assert answer.status == 200
    assert answer.json["next_page_token"] == "more"
    (payment,) = answer.json["payments"]
    assert (payment["id"], payment["status"], payment["amount_minor"], payment["currency"]) == (
        "019", "succeeded", 5, None,
    )  # fmt: skip
    assert stack.admin.requests == [
        payments_pb2.ListPaymentsRequest(
            page_size=7, page_token="abc", provider="stripe", status="PAYMENT_STATUS_SUCCEEDED"
        )
    ]


async def test_events_are_listed_by_all_their_filters() -> None:
    event = Event(
        id="019", provider="xendit", event_id="e-1", event_type="paid", status="EVENT_STATUS_DEAD_LETTER", attempts=40
    )
    event.receive_time.FromJsonString("2026-01-02T03:04:05Z")
    filters = {
        "provider": "xendit",
        "status": "dead_letter",
        "payment_ref": "inv/1",
        "failure_code": "payment_unknown",
        "receive_time_from": "2026-01-01T00:00:00Z",
        "receive_time_before": "2026-01-03T07:00:00%2B07:00",
    }
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    async with gateway_stack() as stack:
        stack.admin.answer = lambda request: backlog_pb2.ListEventsResponse(events=[event])
        answer = await get(stack, f"/api/v1/admin/events?{query}&page_size=3&page_token=t")
        (request,) = stack.admin.requests
    assert (answer.status, answer.json["next_page_token"]) == (200, "")
    (shown,) = answer.json["events"]
    assert shown | {"status": "dead_letter", "receive_time": "2026-01-02T03:04:05Z", "attempts": 40} == shown
    assert (shown["payment_status"], shown["amount_minor"], shown["occur_time"]) == (None, None, None)
    assert (request.page_size, request.page_token) == (3, "t")
    wanted = request.filter
    assert (wanted.provider, wanted.payment_ref, wanted.failure_code) == ("xendit", "inv/1", "payment_unknown")
    assert backlog_pb2.EventFilter(status="EVENT_STATUS_DEAD_LETTER").status == wanted.status
    assert wanted.receive_time_from.ToDatetime(UTC) == datetime(2026, 1, 1, tzinfo=UTC)
    assert wanted.receive_time_before.ToDatetime(UTC) == datetime(2026, 1, 3, tzinfo=UTC)


async def test_the_backlog_is_counted() -> None:
    backlog = backlog_pb2.GetBacklogResponse(
        unfinished=2,
        due=1,
        average_attempts=1.5,
        providers=[backlog_pb2.ProviderBacklog(provider="mock", failed=2, due=1, unconfirmed=4)],
        attempts=[backlog_pb2.AttemptsBucket(attempts=1, events=2)],
        dead_letters=[backlog_pb2.DeadLetterGroup(provider="mock", failure_code="x", events=4)],
    )
    backlog.time.FromJsonString("2026-01-02T03:04:05Z")
    async with gateway_stack() as stack:
        stack.admin.answer = lambda request: backlog
        stuck = await get(stack, "/api/v1/admin/backlog")
        backlog.time_to_drain.FromMilliseconds(1500)
        draining = await get(stack, "/api/v1/admin/backlog")
    assert stuck.status == 200
    assert (stuck.json["unfinished"], stuck.json["due"], stuck.json["seconds_to_drain"]) == (2, 1, None)
    assert stuck.json["providers"] == [
        {
            "provider": "mock",
            "received": 0,
            "processing": 0,
            "failed": 2,
            "due": 1,
            "oldest_due_time": None,
            "unconfirmed": 4,
        }
    ]
    assert stuck.json["dead_letters"] == [{"provider": "mock", "failure_code": "x", "events": 4}]
    assert draining.json["seconds_to_drain"] == 1.5


async def test_the_key_the_request_id_and_whom_it_is_for_go_on_to_admin() -> None:
    async with gateway_stack(trusted_proxies=(ip_network("127.0.0.0/8"),), admin_header="X-Operator") as stack:
        stack.admin.answer = lambda request: backlog_pb2.GetBacklogResponse()
        forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        headers = {"X-Operator": KEY, "X-Request-ID": "request-1", "X-Client-Address": "192.0.2.9"} | forwarded
        answer = await stack.request("GET", "/api/v1/admin/backlog", headers=headers)
        renamed = await stack.request("GET", "/api/v1/admin/backlog", headers={"X-Admin-Key": KEY})
        (metadata,) = stack.admin.metadata
    assert (answer.status, renamed.status) == (200, 401)
    assert metadata["x-admin-key"] == KEY
    assert metadata["x-request-id"] == "request-1"
    assert metadata["x-client-address"] == "203.0.113.7"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("", "ADMIN_KEY_MISSING"),
        ("X-Admin-Key: \r\n", "ADMIN_KEY_MISSING"),
        ("Authorization: Bearer abc\r\n", "ADMIN_KEY_MISSING"),
        ("X-Admin-Key: a\r\nX-Admin-Key: b\r\n", "ADMIN_KEY_INVALID"),
        ("X-Admin-Key: schl\xfcssel\r\n", "ADMIN_KEY_INVALID"),
        (f"X-Admin-Key: {'k' * 513}\r\n", "ADMIN_KEY_INVALID"),
    ],
)
async def test_without_a_key_admin_is_not_asked(path: str, lines: str, reason: str) -> None:
    async with gateway_stack() as stack:
        answer = await stack.raw(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode("latin-1")
        )
        assert stack.admin.requests == []
    assert (answer.status, answer.json["reason"]) == (401, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnauthenticatedError(Reason.ADMIN_KEY_INVALID, "the key is not one that is accepted"), 401),
        (PermissionDeniedError("viewer may not do this; it takes admin"), 403),
        (ThrottledError("too many wrong keys from this address; wait a minute"), 429),
        (UnavailableError(Reason.DATABASE_UNAVAILABLE, "the database does not answer"), 503),
        (InvalidFieldError(FieldViolation("page_token", "must be of the same query")), 400),
    ],
)
async def test_what_admin_decides_is_answered(path: str, error: Any, status: int) -> None:
    async with gateway_stack() as stack:
        stack.admin.answer = raising(error)
        answer = await get(stack, path)
    assert (answer.status, answer.json["reason"]) == (status, error.reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" not in answer.headers
    assert ("retry-after" in answer.headers) is (status in (429, 503))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/admin/payments?status=paid", "status"),
        ("/api/v1/admin/payments?page_size=x", "page_size"),
        ("/api/v1/admin/events?status=done", "status"),
        ("/api/v1/admin/events?page_size=-1", "page_size"),
        ("/api/v1/admin/events?receive_time_from=yesterday", "receive_time_from"),
        ("/api/v1/admin/events?receive_time_before=2026-13-01T00:00:00Z", "receive_time_before"),
    ],
)
async def test_a_query_of_the_wrong_form_names_its_field(path: str, field: str) -> None:
    async with gateway_stack() as stack:
        answer = await get(stack, path)
        assert stack.admin.requests == []
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, [field])


async def test_an_admin_that_does_not_answer_is_told_without_its_address() -> None:
    async with gateway_stack(admin_target="dns:///127.0.0.1:1") as stack:
        answer = await get(stack, "/api/v1/admin/backlog")
    assert (answer.status, answer.json["reason"]) == (503, "SERVICE_UNAVAILABLE")
    assert "127.0.0.1" not in answer.body.decode()


async def test_no_key_is_logged() -> None:
    async with gateway_stack() as stack:
        stack.admin.answer = raising(UnauthenticatedError(Reason.ADMIN_KEY_INVALID, "no"))
        with structlog.testing.capture_logs() as logs:
            await get(stack, "/api/v1/admin/events?page_token=a-token")
    assert any(line["event"] == "request" and line["route"] == "list_admin_events" for line in logs)
    assert KEY not in str(logs)


async def test_a_field_of_the_filter_is_named_as_the_query_names_it() -> None:
    async with gateway_stack() as stack:
        stack.admin.answer = raising(InvalidFieldError(FieldViolation("filter.provider", "must be one of mock")))
        answer = await get(stack, "/api/v1/admin/events?provider=nobody")
    assert (answer.status, answer.json["reason"]) == (400, "INVALID_FIELD")
    assert answer.json["errors"] == [{"field": "provider", "description": "must be one of mock"}]


@pytest.mark.parametrize("size", ["000000000000999999999999", "2147483648", "9" * 5000, "-1", "x"])
@pytest.mark.parametrize("path", PATHS[:3])
async def test_a_page_size_that_no_number_can_be_is_named(path: str, size: str) -> None:
    async with gateway_stack() as stack:
        answer = await get(stack, f"{path}?page_size={size}")
    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["page_size"]
