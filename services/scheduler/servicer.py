"""SchedulerService: proto to domain and back."""

from collections.abc import AsyncIterator, Collection
from dataclasses import asdict
from typing import Any
from uuid import UUID

from grpc import aio

from services.scheduler.retry import DEFAULT_LIMIT, MAX_LIMIT, Retry, RetryOrder
from tenrusl.api.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tenrusl.backoff import MAX_ATTEMPTS
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.backoff_modes import BACKOFF_MODES

_Context = aio.ServicerContext[Any, Any]


class SchedulerServicer(scheduler_pb2_grpc.SchedulerServiceServicer):
    """Answers for runs, and for the holds of payloads. providers: the names that are known."""

    def __init__(self, *, retry: Retry, providers: Collection[str]) -> None:
        self._retry = retry
        self._providers = frozenset(providers)

    async def RetryDueEvents(  # noqa: N802 - the name of the RPC
        self, request: scheduler_pb2.RetryDueEventsRequest, context: _Context
    ) -> AsyncIterator[scheduler_pb2.RetryDueEventsResponse]:
        async for progress in self._retry.run(self._retry_order(request)):
            yield scheduler_pb2.RetryDueEventsResponse(**asdict(progress))

    def _retry_order(self, request: scheduler_pb2.RetryDueEventsRequest) -> RetryOrder:
        wrong = self._provider_violations(request.provider)
        event_id = _uuid(request.event_id, wrong) if request.event_id else None
        if not 0 <= request.limit <= MAX_LIMIT:
            wrong.append(FieldViolation("limit", f"must be 1 to {MAX_LIMIT}, or 0 for {DEFAULT_LIMIT}"))
        if not 0 <= request.max_attempts <= MAX_ATTEMPTS:
            wrong.append(FieldViolation("max_attempts", f"must be 1 to {MAX_ATTEMPTS}, or 0 for what is set"))
        if request.mode not in BACKOFF_MODES:
            wrong.append(FieldViolation("mode", "is not a BackoffMode"))
        if wrong:
            raise InvalidFieldError(*wrong)
        return RetryOrder(
            limit=request.limit or DEFAULT_LIMIT,
            max_attempts=request.max_attempts,
            mode=BACKOFF_MODES[request.mode],
            provider=request.provider,
            event_id=event_id,
            force=request.force,
            hand_off=request.hand_off,
        )

    def _provider_violations(self, provider: str) -> list[FieldViolation]:
        if not provider or provider in self._providers:
            return []
        return [FieldViolation("provider", f"must be one of {', '.join(sorted(self._providers))}")]


def _uuid(text: str, wrong: list[FieldViolation]) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        wrong.append(FieldViolation("event_id", "must be a UUID"))
        return None
