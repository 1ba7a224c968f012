"""What operators look at over HTTP: passed through to admin, which judges the key and the role."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.gateway.admin_json import EVENT_STATUSES, backlog_json, event_json
from services.gateway.headers import SourceAddress
from services.gateway.payments import PAYMENT_STATUSES, payment_json, read_page_size, read_word
from services.gateway.problems import Problem, ProblemError, from_rpc, invalid
from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc, payments_pb2, payments_pb2_grpc
from tenrusl.errors import FieldViolation, Reason
from tenrusl.rpc.context import outgoing_metadata
from tenrusl.rpc.operators import ADMIN_KEY, CLIENT_ADDRESS, MAX_CLIENT_ADDRESS

MAX_KEY_CHARACTERS = 512
_FILTER_PREFIX = "filter."


class AdminApi:
    """The four routes. header: the name of the one that holds the key.

    Errors: ProblemError for requests that cannot be translated, AioRpcError as admin gives it.
    """

    def __init__(
        self, channel: aio.Channel, *, header: str, source_address: SourceAddress, timeout_seconds: float
    ) -> None:
        # Any: protoc writes no types for the methods.
        self._backlog: Any = backlog_pb2_grpc.BacklogServiceStub(channel)
        self._payments: Any = payments_pb2_grpc.PaymentsServiceStub(channel)
        self._header = header
        self._source_address = source_address
        self._timeout_seconds = timeout_seconds

    def routes(self) -> list[Route]:
        """The one without a version stays for older clients."""
        return [
            Route("/api/v1/admin/payments", self.list_admin_payments, methods=["GET"]),
            Route("/api/admin/payments", self.list_admin_payments, methods=["GET"]),
            Route("/api/v1/admin/events", self.list_admin_events, methods=["GET"]),
            Route("/api/v1/admin/backlog", self.get_admin_backlog, methods=["GET"]),
        ]

    async def list_admin_payments(self, request: Request) -> JSONResponse:
        """GET /api/v1/admin/payments."""
        metadata = self._metadata(request)
        query = request.query_params
        message = payments_pb2.ListPaymentsRequest(
            page_size=read_page_size(query.get("page_size", "")),
            page_token=query.get("page_token", ""),
            provider=query.get("provider", ""),
            status=read_word("status", query.get("status", ""), PAYMENT_STATUSES),
        )
        response = await self._payments.ListPayments(message, timeout=self._timeout_seconds, metadata=metadata)
        payments = [payment_json(payment) for payment in response.payments]
        return JSONResponse({"payments": payments, "next_page_token": response.next_page_token})

    async def list_admin_events(self, request: Request) -> JSONResponse:
        """GET /api/v1/admin/events."""
        metadata = self._metadata(request)
        query = request.query_params
        wanted = backlog_pb2.EventFilter(
            provider=query.get("provider", ""),
            status=read_word("status", query.get("status", ""), EVENT_STATUSES),
            payment_ref=query.get("payment_ref", ""),
            failure_code=query.get("failure_code", ""),
            receive_time_from=_time("receive_time_from", query.get("receive_time_from", "")),
            receive_time_before=_time("receive_time_before", query.get("receive_time_before", "")),
        )
        message = backlog_pb2.ListEventsRequest(
            page_size=read_page_size(query.get("page_size", "")),
            page_token=query.get("page_token", ""),
            filter=wanted,
        )
        try:
            response = await self._backlog.ListEvents(message, timeout=self._timeout_seconds, metadata=metadata)
        except aio.AioRpcError as exc:
            raise ProblemError(_of_query(from_rpc(exc))) from exc
        events = [event_json(event) for event in response.events]
        return JSONResponse({"events": events, "next_page_token": response.next_page_token})

    async def get_admin_backlog(self, request: Request) -> JSONResponse:
        """GET /api/v1/admin/backlog."""
        metadata = self._metadata(request)
        message = backlog_pb2.GetBacklogRequest()
        response = await self._backlog.GetBacklog(message, timeout=self._timeout_seconds, metadata=metadata)
        return JSONResponse(backlog_json(response))

    def _metadata(self, request: Request) -> tuple[tuple[str, str], ...]:
        """The key and whom the call is for. Raises ProblemError without a key that metadata can hold."""
        keys = request.headers.getlist(self._header)
        if not any(keys):
            raise ProblemError(_unauthorized(Reason.ADMIN_KEY_MISSING, f"the request needs a key in {self._header}"))
        key = keys[0]
        # Metadata is printable ASCII (gRPC over HTTP/2), so nothing else can be a key.
        if len(keys) > 1 or len(key) > MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
            raise ProblemError(_unauthorized(Reason.ADMIN_KEY_INVALID, "the key is not one that is accepted"))
        peer = request.client.host if request.client else ""
        client = self._source_address.find(peer, request.scope["headers"])
        # An IPv6 zone may hold anything.
        named = client[:MAX_CLIENT_ADDRESS] if client.isascii() and client.isprintable() else "unknown"
        return (*outgoing_metadata(), (ADMIN_KEY, key), (CLIENT_ADDRESS, named or "unknown"))


def _unauthorized(reason: Reason, detail: str) -> Problem:
    return Problem(status=HTTPStatus.UNAUTHORIZED, detail=detail, reason=reason)


def _of_query(problem: Problem) -> Problem:
    """The same, naming the query's own fields: there they are not part of a filter."""
    errors = [replace(error, field=error.field.removeprefix(_FILTER_PREFIX)) for error in problem.errors]
    return replace(problem, errors=errors)


def _time(field: str, text: str) -> Timestamp | None:
    if not text:
        return None
    time = Timestamp()
    try:
        time.FromJsonString(text)
    except ValueError:
        violation = FieldViolation(field, "must be a time of RFC 3339, e.g. 2026-01-31T12:00:00Z")
        raise ProblemError(invalid(violation)) from None
    return time
