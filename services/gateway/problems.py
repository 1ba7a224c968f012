"""Errors as application/problem+json (RFC 9457), and the only table from gRPC status to HTTP status."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc
from grpc import aio

from tenrusl.errors import FieldViolation, Reason
from tenrusl.rpc.errors import reason_of, retry_after_of, violations_of

CONTENT_TYPE = b"application/problem+json"

HTTP_STATUS: Mapping[grpc.StatusCode, HTTPStatus] = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
# Reasons whose status is not that of their gRPC status: this caller came too often, the server is not full.
_STATUS_BY_REASON = {Reason.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS}
_RETRIED = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})

# In turn, so that those who were refused together do not come back together.
_retry_after_seconds = itertools.cycle(range(1, 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error answer. `reason`, `errors` and `request_id` are extension members; empty ones are left out."""

    status: HTTPStatus
    detail: str
    reason: Reason | None = None
    errors: Sequence[FieldViolation] = ()
    headers: Sequence[tuple[bytes, bytes]] = field(default=())

    def body(self, request_id: str = "") -> bytes:
        """The JSON document, with the request id when one is given."""
        document: dict[str, Any] = {
            "type": "about:blank",  # RFC 9457, section 4.2.1: the status says what kind of problem it is
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.reason is not None:
            document["reason"] = self.reason.value
        if self.errors:
            document["errors"] = [{"field": e.field, "description": e.description} for e in self.errors]
        if request_id:
            document["request_id"] = request_id
        return json.dumps(document).encode()


CLOSE = (b"connection", b"close")
TOO_LARGE = Problem(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail="the body is larger than allowed")
# The rest of the body is not wanted, so the connection cannot be used again (RFC 9110, section 15.5.9).
TOO_SLOW = Problem(status=HTTPStatus.REQUEST_TIMEOUT, detail="the body took too long", headers=(CLOSE,))
HEADERS_TOO_LARGE = Problem(
    status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail="there are more headers than allowed"
)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def invalid(*errors: FieldViolation) -> Problem:
    """400, naming every field that is wrong."""
    return Problem(
        status=HTTPStatus.BAD_REQUEST, detail="the request is wrong", reason=Reason.INVALID_FIELD, errors=errors
    )


def unavailable(detail: str, reason: Reason | None = None, retry_after_seconds: int | None = None) -> Problem:
    """503 with Retry-After: as given, else 1 to 5 seconds in turn."""
    return Problem(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        detail=detail,
        reason=reason,
        headers=(retry_after(retry_after_seconds),),
    )


def retry_after(seconds: int | None = None) -> tuple[bytes, bytes]:
    """The header Retry-After."""
    return (b"retry-after", str(next(_retry_after_seconds) if seconds is None else seconds).encode())


def from_rpc(error: aio.AioRpcError) -> Problem:
    """What the caller is told about a failed call. Texts of gRPC itself name internal addresses and stay inside."""
    reason = reason_of(error)
    status = HTTP_STATUS.get(error.code(), HTTPStatus.INTERNAL_SERVER_ERROR)
    if reason in _STATUS_BY_REASON:
        status = _STATUS_BY_REASON[reason]
    detail = error.details() or "" if reason else ""
    delay = retry_after_of(error)
    headers = (retry_after(max(1, round(delay.total_seconds())) if delay else None),)
    if status in _RETRIED and reason is None:
        reason, detail = Reason.SERVICE_UNAVAILABLE, "a service behind this one does not answer"
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        reason, detail = Reason.INTERNAL, "internal error"
    return Problem(
        status=status,
        detail=detail or status.phrase,
        reason=reason,
        errors=violations_of(error),
        headers=headers if delay or status in _RETRIED else (),
    )
