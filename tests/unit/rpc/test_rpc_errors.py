"""Domain error → status → what a client reads from it."""

from datetime import timedelta

import grpc
import pytest
from grpc import aio
from grpc_status import rpc_status

from tenrusl.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidFieldError,
    NotFoundError,
    OverloadedError,
    Reason,
    TenruslError,
    ThrottledError,
    UnavailableError,
)
from tenrusl.rpc.errors import (
    CODES,
    DeadlinePassedError,
    internal_status,
    reason_of,
    retry_after_of,
    status_of,
    violations_of,
)

Code = grpc.StatusCode


def as_client_sees(error: TenruslError) -> aio.AioRpcError:
    status = rpc_status.to_status(status_of(error))
    return aio.AioRpcError(status.code, aio.Metadata(), aio.Metadata(*status.trailing_metadata), status.details)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidFieldError(FieldViolation("a", "b")), Code.INVALID_ARGUMENT, Reason.INVALID_FIELD),
        (NotFoundError(Reason.PAYMENT_NOT_FOUND, "no"), Code.NOT_FOUND, Reason.PAYMENT_NOT_FOUND),
        (AlreadyExistsError(Reason.PAYMENT_EXISTS, "no"), Code.ALREADY_EXISTS, Reason.PAYMENT_EXISTS),
        (
            ConflictError(Reason.IDEMPOTENCY_KEY_REUSED, "no"),
            Code.FAILED_PRECONDITION,
            Reason.IDEMPOTENCY_KEY_REUSED,
        ),
        (ConflictError(Reason.IDEMPOTENCY_KEY_IN_FLIGHT, "no"), Code.ABORTED, Reason.IDEMPOTENCY_KEY_IN_FLIGHT),
        (UnavailableError(Reason.DATABASE_UNAVAILABLE, "no"), Code.UNAVAILABLE, Reason.DATABASE_UNAVAILABLE),
        (UnavailableError(Reason.REDIS_UNAVAILABLE, "no"), Code.UNAVAILABLE, Reason.REDIS_UNAVAILABLE),
        (OverloadedError("no"), Code.RESOURCE_EXHAUSTED, Reason.OVERLOADED),
        (ThrottledError("no"), Code.RESOURCE_EXHAUSTED, Reason.THROTTLED),
        (DeadlinePassedError(), Code.DEADLINE_EXCEEDED, Reason.DEADLINE_PASSED),
        (TenruslError("a class nobody mapped"), Code.INTERNAL, Reason.INTERNAL),
    ],
)
def test_each_error_keeps_its_code_and_reason(error: TenruslError, code: Code, reason: Reason) -> None:
    seen = as_client_sees(error)
    assert seen.code() is code
    assert reason_of(seen) is reason


def test_every_error_class_is_in_the_table() -> None:
    assert {kind for kind in TenruslError.__subclasses__() if kind.__module__.startswith("tenrusl.")} == set(CODES)


def test_an_invalid_request_names_every_field() -> None:
    violations = (FieldViolation("amount_minor", "must be 1 or more"), FieldViolation("currency", "is missing"))
    assert violations_of(as_client_sees(InvalidFieldError(*violations))) == violations


def test_a_retry_is_suggested_only_where_it_helps() -> None:
    assert retry_after_of(as_client_sees(OverloadedError())) == timedelta(seconds=1)
    assert retry_after_of(as_client_sees(NotFoundError(Reason.PAYMENT_NOT_FOUND, "no"))) is None


def test_a_defect_tells_the_caller_nothing() -> None:
    seen = as_client_sees(TenruslError("password=hunter2"))
    assert seen.details() == internal_status().message
    assert "hunter2" not in repr(seen)


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b"", None])
def test_an_error_without_readable_details_has_no_reason(details: bytes | None) -> None:
    trailing = aio.Metadata() if details is None else aio.Metadata(("grpc-status-details-bin", details))
    error = aio.AioRpcError(Code.UNAVAILABLE, aio.Metadata(), trailing, "refused")
    assert reason_of(error) is None
    assert violations_of(error) == ()
    assert retry_after_of(error) is None
