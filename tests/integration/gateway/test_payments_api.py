"""The payments API over HTTP, in front of a payment service that answers as told."""

import json
from datetime import timedelta
from typing import Any

import pytest
import structlog

from services.gateway.payments import MAX_BODY_BYTES
from tenrusl.api.common.v1.common_pb2 import Payment
from tenrusl.api.processor.v1 import payment_pb2
from tenrusl.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidFieldError,
    NotFoundError,
    Reason,
    TenruslError,
    UnavailableError,
)
from tests.integration.gateway.gateway_stack import Answer, Stack, gateway_stack

JSON = {"Content-Type": "application/json"}
NEW: dict[str, Any] = {"provider": "stripe", "amount_minor": 1500, "currency": "USD"}


def payment(**more: Any) -> Payment:
    made = Payment(id="019", provider="stripe", payment_ref="pi_1", status="PAYMENT_STATUS_PENDING", **more)
    made.create_time.FromJsonString("2026-01-02T03:04:05.678Z")
    made.update_time.FromJsonString("2026-01-02T03:04:06Z")
    return made


async def create(stack: Stack, document: Any, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await stack.request("POST", "/api/v1/payments", body, JSON | named)


def raising(error: Exception) -> Any:
    def answer(request: Any) -> Any:
        raise error

    return answer


async def test_a_payment_is_created() -> None:
    async with gateway_stack() as stack:
        stack.payments.answer = lambda request: payment_pb2.CreatePaymentResponse(
            payment=payment(amount_minor=1500, currency="USD", merchant_ref="INV-1")
        )
        answer = await create(stack, NEW | {"payment_ref": "pi_1", "merchant_ref": "INV-1"}, X_Request_ID="request-1")
        (request,) = stack.payments.requests
        (metadata,) = stack.payments.metadata
    assert answer.status == 201
    assert answer.headers["location"] == "/api/v1/payments/019"
    assert "idempotency-replayed" not in answer.headers
    assert answer.headers["x-request-id"] == metadata["x-request-id"] == "request-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json == {
        "id": "019",
        "provider": "stripe",
        "payment_ref": "pi_1",
        "merchant_ref": "INV-1",
        "provider_ref": None,
        "status": "pending",
        "amount_minor": 1500,
        "currency": "USD",
        "create_time": "2026-01-02T03:04:05.678Z",
        "update_time": "2026-01-02T03:04:06Z",
    }
    assert request == payment_pb2.CreatePaymentRequest(
        provider="stripe", payment_ref="pi_1", amount_minor=1500, currency="USD", merchant_ref="INV-1"
    )


async def test_an_idempotency_key_is_passed_on_and_a_replay_is_told() -> None:
    async with gateway_stack() as stack:
        stack.payments.answer = lambda request: payment_pb2.CreatePaymentResponse(payment=payment(), replayed=True)
        answer = await create(stack, NEW, Idempotency_Key="order 17")
        (request,) = stack.payments.requests
    assert request.idempotency_key == "order 17"
    assert (answer.status, answer.headers["idempotency-replayed"]) == (201, "true")


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ([], {"body"}),
        ("text", {"body"}),
        ({}, {"amount_minor"}),
        (NEW | {"amount_minor": "15"}, {"amount_minor"}),
        (NEW | {"amount_minor": True}, {"amount_minor"}),
        (NEW | {"amount_minor": 1.5}, {"amount_minor"}),
        (NEW | {"amount_minor": 2**63}, {"amount_minor"}),
        (NEW | {"amount_minor": None}, {"amount_minor"}),
        (NEW | {"provider": 1, "currency": None}, {"provider", "currency"}),
        (NEW | {"amount": 3, "state": "x"}, {"amount", "state"}),
    ],
)
async def test_a_body_of_the_wrong_form_names_its_fields(document: Any, fields: set[str]) -> None:
    async with gateway_stack() as stack:
        answer = await create(stack, document)
        assert stack.payments.requests == []
    assert (answer.status, answer.json["reason"]) == (400, "INVALID_FIELD")
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["field"] for error in answer.json["errors"]} == fields
    assert answer.json["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "BODY_MALFORMED"),
        (b"{", "BODY_MALFORMED"),
        (b"\xff\xfe{}", "BODY_MALFORMED"),
        (b'{"a": NaN}', "BODY_MALFORMED"),
        (b"[" * 100 + b"]" * 100, "BODY_TOO_DEEP"),
        (b'{"provider": "\\ud800"}', "BODY_TEXT_INVALID"),
        (b'{"provider": "a\\u0000"}', "BODY_TEXT_INVALID"),
    ],
)
async def test_a_body_that_is_no_json_is_refused(body: bytes, reason: str) -> None:
    async with gateway_stack() as stack:
        answer = await create(stack, body)
        assert stack.payments.requests == []
    assert (answer.status, answer.json["reason"]) == (400, reason)


async def test_another_content_type_a_large_and_a_slow_body_are_refused() -> None:
    async with gateway_stack(max_body_bytes=1024, body_timeout=timedelta(seconds=0.2)) as stack:
        typed = await create(stack, NEW, Content_Type="text/plain")
        large = await create(stack, b" " * 1025)
        slow = await stack.raw(
            b"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{"
        )
        assert stack.payments.requests == []
    assert [typed.status, large.status, slow.status] == [415, 413, 408]
    assert slow.headers["connection"] == "close"


@pytest.mark.parametrize("lines", ["Idempotency-Key: \r\n", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"])
async def test_an_idempotency_key_must_stand_once(lines: str) -> None:
    body = json.dumps(NEW)
    async with gateway_stack() as stack:
        answer = await stack.raw(
            f"POST /api/v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        assert stack.payments.requests == []
    assert answer.status == 400
    assert answer.json["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("error", "status", "reason", "retries"),
    [
        (InvalidFieldError(FieldViolation("currency", "is unknown")), 400, "INVALID_FIELD", False),
        (AlreadyExistsError(Reason.PAYMENT_EXISTS, "it exists"), 409, "PAYMENT_EXISTS", False),
        (ConflictError(Reason.IDEMPOTENCY_KEY_REUSED, "used"), 409, "IDEMPOTENCY_KEY_REUSED", False),
        (ConflictError(Reason.IDEMPOTENCY_KEY_IN_FLIGHT, "wait"), 409, "IDEMPOTENCY_KEY_IN_FLIGHT", True),
        (UnavailableError(Reason.REDIS_UNAVAILABLE, "no Redis"), 503, "REDIS_UNAVAILABLE", True),
        (KeyError("a defect"), 500, "INTERNAL", False),
    ],
)
async def test_each_error_of_the_processor_has_its_answer(
    error: TenruslError, status: int, reason: str, retries: bool
) -> None:
    async with gateway_stack() as stack:
        stack.payments.answer = raising(error)
        answer = await create(stack, NEW)
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert ("retry-after" in answer.headers) is retries
    assert "defect" not in answer.body.decode()


async def test_without_the_processor_the_api_is_unavailable() -> None:
    async with gateway_stack(processor_target="dns:///127.0.0.1:1") as stack:
        answer = await stack.request("GET", "/api/v1/payments/019")
    assert (answer.status, answer.json["reason"]) == (503, "SERVICE_UNAVAILABLE")
    assert "127.0.0.1" not in answer.body.decode()


async def test_a_payment_is_found_by_id() -> None:
    async with gateway_stack() as stack:
        stack.payments.answer = lambda request: payment_pb2.GetPaymentResponse(payment=payment())
        answer = await stack.request("GET", "/api/v1/payments/019")
        stack.payments.answer = raising(NotFoundError(Reason.PAYMENT_NOT_FOUND, "no such payment"))
        missing = await stack.request("GET", "/api/v1/payments/020")
        assert [request.payment_id for request in stack.payments.requests] == ["019", "020"]
    assert (answer.status, answer.json["amount_minor"], answer.json["currency"]) == (200, None, None)
    assert (missing.status, missing.json["reason"]) == (404, "PAYMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "ref"), [("INV-1", "INV-1"), ("INV%2F2026%2F1", "INV/2026/1"), ("a/status", "a/status")]
)
async def test_the_state_is_found_by_reference(path: str, ref: str) -> None:
    async with gateway_stack() as stack:
        stack.payments.answer = lambda request: payment_pb2.GetPaymentByReferenceResponse(payment=payment())
        answer = await stack.request("GET", f"/api/v1/payments/stripe/{path}/status")
        (request,) = stack.payments.requests
    assert request == payment_pb2.GetPaymentByReferenceRequest(provider="stripe", reference=ref)
    assert answer.json == {
        "id": "019",
        "provider": "stripe",
        "payment_ref": "pi_1",
        "status": "pending",
        "update_time": "2026-01-02T03:04:06Z",
    }


async def test_payments_are_listed_in_pages() -> None:
    async with gateway_stack() as stack:
        stack.payments.answer = lambda request: payment_pb2.ListPaymentsResponse(
            payments=[payment()], next_page_token="more"
        )
        answer = await stack.request(
            "GET", "/api/v1/payments?page_size=2&page_token=t&provider=stripe&status=partially_refunded"
        )
        await stack.request("GET", "/api/v1/payments")
        full, bare = stack.payments.requests
    assert answer.json["next_page_token"] == "more"
    assert [item["id"] for item in answer.json["payments"]] == ["019"]
    assert full == payment_pb2.ListPaymentsRequest(
        page_size=2, page_token="t", provider="stripe", status="PAYMENT_STATUS_PARTIALLY_REFUNDED"
    )
    assert bare == payment_pb2.ListPaymentsRequest()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=x", "page_size"),
        ("page_size=-1", "page_size"),
        ("page_size=99999999999999999999", "page_size"),
        ("page_size=%C2%B2", "page_size"),
        ("status=paid", "status"),
        ("status=unspecified", "status"),
        ("status=PENDING", "status"),
    ],
)
async def test_a_query_of_the_wrong_form_names_its_field(query: str, field: str) -> None:
    async with gateway_stack() as stack:
        answer = await stack.request("GET", f"/api/v1/payments?{query}")
        assert stack.payments.requests == []
    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/api/v1/payments/", 404, None),
        ("GET", "/api/v1/payments/a/b", 404, None),
        ("POST", "/api/webhooks", 404, None),
        ("DELETE", "/api/v1/payments/019", 405, {"GET", "HEAD"}),
        ("POST", "/up", 405, {"GET", "HEAD"}),
    ],
)
async def test_what_is_not_there_is_a_problem_too(method: str, path: str, status: int, allow: set[str] | None) -> None:
    async with gateway_stack() as stack:
        answer = await stack.request(method, path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert allow is None or set(answer.headers["allow"].split(", ")) == allow


async def test_a_request_is_one_log_line() -> None:
    async with gateway_stack() as stack:
        with structlog.testing.capture_logs() as lines:
            await stack.request("GET", "/api/v1/payments?page_size=x&secret=hunter2")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["route"], line["status"], line["path"]) == ("list_payments", 400, "/api/v1/payments")


async def test_a_body_is_bounded_though_webhooks_may_be_larger() -> None:
    async with gateway_stack() as stack:
        answer = await create(stack, json.dumps(NEW).encode().ljust(MAX_BODY_BYTES + 1))
        assert stack.payments.requests == []
    assert answer.status == 413
