"""SchedulerService: proto to domain and back."""

from collections.abc import AsyncIterator, Collection
from contextlib import aclosing
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from grpc import aio

from services.scheduler.holds import Holds
from services.scheduler.maintain import Maintenance, MaintenanceProgress
from services.scheduler.purge import Purge, PurgeOrder
from services.scheduler.retry import DEFAULT_LIMIT, MAX_LIMIT, Retry, RetryOrder
from services.scheduler.run_notes import RunNotes, purge_facts, purge_target, retry_facts, retry_target
from tenrusl.api.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tenrusl.backoff import MAX_ATTEMPTS
from tenrusl.caller import current_caller
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.backoff_modes import BACKOFF_MODES

_Context = aio.ServicerContext[Any, Any]


class SchedulerServicer(scheduler_pb2_grpc.SchedulerServiceServicer):
    """Answers for runs, and for the holds of payloads. providers: the names that are known."""

    def __init__(
        self,
        *,
        retry: Retry,
        purge: Purge,
        maintenance: Maintenance,
        holds: Holds,
        notes: RunNotes,
        providers: Collection[str],
    ) -> None:
        self._retry = retry
        self._purge = purge
        self._maintenance = maintenance
        self._holds = holds
        self._notes = notes
        self._providers = frozenset(providers)

    async def RetryDueEvents(  # noqa: N802 - the name of the RPC
        self, request: scheduler_pb2.RetryDueEventsRequest, context: _Context
    ) -> AsyncIterator[scheduler_pb2.RetryDueEventsResponse]:
        order = self._retry_order(request)
        noted = self._notes.around(
            self._retry.run(order), current_caller(), "webhooks.retry", retry_target(order), retry_facts(order)
        )
        async with aclosing(noted) as run:
            async for progress in run:
                yield scheduler_pb2.RetryDueEventsResponse(**asdict(progress))

    async def PurgePayloads(  # noqa: N802 - the name of the RPC
        self, request: scheduler_pb2.PurgePayloadsRequest, context: _Context
    ) -> AsyncIterator[scheduler_pb2.PurgePayloadsResponse]:
        order = PurgeOrder(
            older_than=_age(request.older_than) if request.HasField("older_than") else None,
            provider=request.provider,
            dry_run=request.dry_run,
        )
        purge = self._purge.run(order)
        if not order.dry_run:
            purge = self._notes.around(
                purge, current_caller(), "payloads.purge", purge_target(order), purge_facts(order)
            )
        async with aclosing(purge) as run:
            async for progress in run:
                yield scheduler_pb2.PurgePayloadsResponse(**asdict(progress))

    async def RunMaintenance(  # noqa: N802 - the name of the RPC
        self, request: scheduler_pb2.RunMaintenanceRequest, context: _Context
    ) -> AsyncIterator[scheduler_pb2.RunMaintenanceResponse]:
        noted = self._notes.around(self._maintenance.run(), current_caller(), "maintenance.run", "maintenance", {})
        async with aclosing(noted) as run:
            async for progress in run:
                if progress.done:
                    yield _maintenance_message(progress)

    async def HoldPayload(  # noqa: N802 - the name of the RPC
        self, request: scheduler_pb2.HoldPayloadRequest, context: _Context
    ) -> scheduler_pb2.HoldPayloadResponse:
        hold = await self._holds.hold(
            _id(request.event_id), current_caller(), reason=request.reason, held_by=request.held_by
        )
        answer = scheduler_pb2.HoldPayloadResponse(reason=hold.reason)
        answer.hold_time.FromDatetime(hold.held_at)
        return answer

    async def ReleasePayload(  # noqa: N802 - the name of the RPC
        self, request: scheduler_pb2.ReleasePayloadRequest, context: _Context
    ) -> scheduler_pb2.ReleasePayloadResponse:
        was_held = await self._holds.release(
            _id(request.event_id), current_caller(), reason=request.reason, released_by=request.released_by
        )
        return scheduler_pb2.ReleasePayloadResponse(was_held=was_held)

    def _retry_order(self, request: scheduler_pb2.RetryDueEventsRequest) -> RetryOrder:
        wrong = self._provider_violations(request.provider)
        event_id = _uuid(request.event_id, wrong) if request.event_id else None
        limit = request.limit if request.HasField("limit") else DEFAULT_LIMIT
        if not 1 <= limit <= MAX_LIMIT:
            wrong.append(FieldViolation("limit", f"must be 1 to {MAX_LIMIT}"))
        if not 0 <= request.max_attempts <= MAX_ATTEMPTS:
            wrong.append(FieldViolation("max_attempts", f"must be 1 to {MAX_ATTEMPTS}, or 0 for what is set"))
        if request.mode not in BACKOFF_MODES:
            wrong.append(FieldViolation("mode", "is not a BackoffMode"))
        if wrong:
            raise InvalidFieldError(*wrong)
        return RetryOrder(
            limit=limit,
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


def _id(text: str) -> UUID:
    wrong: list[FieldViolation] = []
    found = _uuid(text, wrong)
    if found is None:
        raise InvalidFieldError(*wrong)
    return found


def _age(duration: Duration) -> timedelta:
    """Of one that no timedelta holds, one that is out of range all the same."""
    try:
        return duration.ToTimedelta()
    except (OverflowError, ValueError):
        return timedelta.max


def _maintenance_message(progress: MaintenanceProgress) -> scheduler_pb2.RunMaintenanceResponse:
    answer = scheduler_pb2.RunMaintenanceResponse(**{**asdict(progress), "stranded_events": ()})
    for event in progress.stranded_events:
        item = answer.stranded_events.add(
            event_id=str(event.id), provider=event.provider, status=f"EVENT_STATUS_{event.status.upper()}"
        )
        item.next_retry_time.FromDatetime(event.next_retry_at)
    return answer


def _uuid(text: str, wrong: list[FieldViolation]) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        wrong.append(FieldViolation("event_id", "must be a UUID"))
        return None
