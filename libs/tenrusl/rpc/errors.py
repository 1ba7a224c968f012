"""Domain error → gRPC status with google.rpc details, and back. The only such table.

Details (https://google.aip.dev/193): ErrorInfo always (reason from common/v1, domain "tenrusl"), BadRequest for
fields, RetryInfo where a retry helps.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

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

DOMAIN = "tenrusl"
_DETAILS_KEY = "grpc-status-details-bin"  # https://grpc.io/docs/guides/error/#richer-error-model


class DeadlinePassedError(TenruslError):
    """The call's deadline had passed before work began."""

    reason = Reason.DEADLINE_PASSED


CODES: Mapping[type[TenruslError], grpc.StatusCode] = {
    InvalidFieldError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    ConflictError: grpc.StatusCode.FAILED_PRECONDITION,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ThrottledError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlinePassedError: grpc.StatusCode.DEADLINE_EXCEEDED,
}
# Reasons whose status is not that of their class: this conflict ends by itself.
_CODES_BY_REASON = {Reason.IDEMPOTENCY_KEY_IN_FLIGHT: grpc.StatusCode.ABORTED}

# What RetryInfo says. Overload and a request in flight pass quickly, a dependency takes longer to come back.
RETRY_AFTER: Mapping[Reason, timedelta] = {
    Reason.OVERLOADED: timedelta(seconds=1),
    Reason.IDEMPOTENCY_KEY_IN_FLIGHT: timedelta(seconds=1),
    Reason.THROTTLED: timedelta(seconds=60),  # as long as wrong keys count, see tenrusl.rpc.operators
    Reason.DATABASE_UNAVAILABLE: timedelta(seconds=5),
    Reason.REDIS_UNAVAILABLE: timedelta(seconds=5),
    Reason.SERVICE_UNAVAILABLE: timedelta(seconds=5),
}


def status_of(error: TenruslError) -> status_pb2.Status:
    """The status that tells a caller about a domain error. A class that is not in the table is INTERNAL."""
    kind = next((kind for kind in type(error).__mro__ if kind in CODES), None)
    if kind is None:
        return internal_status()
    code = _CODES_BY_REASON.get(error.reason, CODES[kind])
    status = _status(code, str(error) or error.reason.value, error.reason)
    if isinstance(error, InvalidFieldError):
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(field=violation.field, description=violation.description)
        status.details.add().Pack(bad_request)
    if retry_after := RETRY_AFTER.get(error.reason):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(retry_after)
        status.details.add().Pack(retry)
    return status


def internal_status() -> status_pb2.Status:
    """What a caller is told about a defect: nothing but that it is one."""
    return _status(grpc.StatusCode.INTERNAL, "internal error; the log has the details", Reason.INTERNAL)


def reason_of(error: aio.AioRpcError) -> Reason | None:
    """The reason in an error's ErrorInfo. None when it has none of ours, e.g. when no server was reached."""
    for info in _details(error, error_details_pb2.ErrorInfo):
        if info.domain == DOMAIN and info.reason in Reason.__members__:
            return Reason(info.reason)
    return None


def violations_of(error: aio.AioRpcError) -> tuple[FieldViolation, ...]:
    """The fields that an INVALID_ARGUMENT names. Empty when it names none."""
    return tuple(
        FieldViolation(violation.field, violation.description)
        for bad_request in _details(error, error_details_pb2.BadRequest)
        for violation in bad_request.field_violations
    )


def retry_after_of(error: aio.AioRpcError) -> timedelta | None:
    """After how long a retry may help. None when the server does not say."""
    for retry in _details(error, error_details_pb2.RetryInfo):
        delay: timedelta = retry.retry_delay.ToTimedelta()
        return delay
    return None


def _status(code: grpc.StatusCode, message: str, reason: Reason) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason.value, domain=DOMAIN))
    return status


def _details(error: aio.AioRpcError, kind: type[Any]) -> Iterator[Any]:
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY:
            continue
        try:
            details = status_pb2.Status.FromString(value).details
        except DecodeError:
            return  # some other server's bytes; the status code still stands
        for detail in details:
            if detail.Is(kind.DESCRIPTOR):
                message = kind()
                detail.Unpack(message)
                yield message
