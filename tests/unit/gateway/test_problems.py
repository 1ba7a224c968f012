"""gRPC status → HTTP status, and what a caller reads."""

import json
from http import HTTPStatus

import grpc
import pytest
from grpc import aio
from grpc_status import rpc_status

from services.gateway.problems import from_rpc, invalid
from tenrusl.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidFieldError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    Reason,
    TenruslError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from tenrusl.rpc.errors import status_of


def as_rpc_error(error: TenruslError) -> aio.AioRpcError:
    status = rpc_status.to_status(status_of(error))
    return aio.AioRpcError(status.code, aio.Metadata(), aio.Metadata(*status.trailing_metadata), status.details)


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (InvalidFieldError(FieldViolation("a", "b")), 400, None),
        (UnauthenticatedError(Reason.ADMIN_KEY_INVALID, "no key"), 401, None),
        (PermissionDeniedError("not your role"), 403, None),
        (NotFoundError(Reason.PAYMENT_NOT_FOUND, "no such payment"), 404, None),
        (AlreadyExistsError(Reason.PAYMENT_EXISTS, "it exists"), 409, None),
        (ConflictError(Reason.IDEMPOTENCY_KEY_REUSED, "used"), 409, None),
        (ConflictError(Reason.IDEMPOTENCY_KEY_IN_FLIGHT, "in flight"), 409, b"1"),
        (UnavailableError(Reason.REDIS_UNAVAILABLE, "no Redis"), 503, b"5"),
        (UnavailableError(Reason.DATABASE_UNAVAILABLE, "no database"), 503, b"5"),
        (OverloadedError("full"), 503, b"1"),
        (ThrottledError("too many wrong keys"), 429, b"60"),
        (TenruslError("secret detail"), 500, None),
    ],
)
def test_a_domain_error_has_its_status_reason_and_retry(
    error: TenruslError, status: int, retry_after: bytes | None
) -> None:
    problem = from_rpc(as_rpc_error(error))
    assert problem.status == status
    assert problem.reason is error.reason
    assert dict(problem.headers).get(b"retry-after") == retry_after
    assert "secret" not in problem.detail


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, HTTPStatus.GATEWAY_TIMEOUT),
        (grpc.StatusCode.UNKNOWN, HTTPStatus.INTERNAL_SERVER_ERROR),
        (grpc.StatusCode.UNIMPLEMENTED, HTTPStatus.INTERNAL_SERVER_ERROR),
    ],
)
def test_what_grpc_itself_says_stays_inside(code: grpc.StatusCode, status: HTTPStatus) -> None:
    error = aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), "ipv4:10.1.2.3:50051: Connection refused")
    problem = from_rpc(error)
    assert problem.status is status
    assert "10.1.2.3" not in problem.body().decode()


def test_a_problem_names_the_fields_and_the_request() -> None:
    document = json.loads(invalid(FieldViolation("currency", "is missing")).body("request-1"))
    assert document == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "the request is wrong",
        "reason": "INVALID_FIELD",
        "errors": [{"field": "currency", "description": "is missing"}],
        "request_id": "request-1",
    }
