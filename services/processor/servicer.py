"""ProcessorService: proto to domain and back."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from grpc import aio

from services.processor.look_up import look_up
from services.processor.messages import lookup_message
from services.processor.process import SKIPPED, Processor, Result, ResultStatus
from services.processor.retries import Rules
from services.processor.tracing import process_span, tell_results
from services.processor.unconfirmed import UnconfirmedEvents, read_operator
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.backoff import MAX_ATTEMPTS
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.observability import traces
from tenrusl.rpc.backoff_modes import BACKOFF_MODES
from tenrusl.rpc.context import request_id
from tenrusl.store.engine import Engine

MAX_EVENTS = 1000
_Context = aio.ServicerContext[Any, Any]

_STATUSES = {
    status: cast(
        "processor_pb2.EventResultStatus", processor_pb2.EventResultStatus.Value(f"EVENT_RESULT_STATUS_{status.name}")
    )
    for status in ResultStatus
}


class ProcessorServicer(processor_pb2_grpc.ProcessorServiceServicer):
    """Answers for the events: processing, those that wait for confirmation, and how far each is."""

    def __init__(self, processor: Processor, unconfirmed: UnconfirmedEvents, engine: Engine) -> None:
        self._processor = processor
        self._unconfirmed = unconfirmed
        self._engine = engine

    async def ProcessEvents(  # noqa: N802 - the name of the RPC
        self, request: processor_pb2.ProcessEventsRequest, context: _Context
    ) -> processor_pb2.ProcessEventsResponse:
        event_ids = _event_ids(request.event_ids)
        work = self._processor.hand_off if request.hand_off else self._processor.process
        with process_span(request) as span:
            results = await work(_unique(event_ids), force=request.force, rules=_rules(request))
            if traces.enabled():
                tell_results(span, results)
        return processor_pb2.ProcessEventsResponse(results=_results(event_ids, results))

    async def ConfirmEvents(  # noqa: N802 - the name of the RPC
        self, request: processor_pb2.ConfirmEventsRequest, context: _Context
    ) -> processor_pb2.ConfirmEventsResponse:
        event_ids = _event_ids(request.event_ids)
        operator = read_operator("confirmed_by", request.confirmed_by, request.role)
        results = await self._unconfirmed.confirm(_unique(event_ids), by=operator, request_id=request_id.get())
        return processor_pb2.ConfirmEventsResponse(results=_results(event_ids, results))

    async def RefuteEvents(  # noqa: N802 - the name of the RPC
        self, request: processor_pb2.RefuteEventsRequest, context: _Context
    ) -> processor_pb2.RefuteEventsResponse:
        event_ids = _event_ids(request.event_ids)
        operator = read_operator("refuted_by", request.refuted_by, request.role)
        results = await self._unconfirmed.refute(_unique(event_ids), by=operator, request_id=request_id.get())
        return processor_pb2.RefuteEventsResponse(results=_results(event_ids, results))

    async def LookUpEvents(  # noqa: N802 - the name of the RPC
        self, request: processor_pb2.LookUpEventsRequest, context: _Context
    ) -> processor_pb2.LookUpEventsResponse:
        found = await look_up(self._engine, provider=request.provider, event_ids=request.event_ids)
        results = [lookup_message(event_id, found.get(event_id)) for event_id in request.event_ids]
        return processor_pb2.LookUpEventsResponse(results=results)


def _rules(request: processor_pb2.ProcessEventsRequest) -> Rules:
    if not 0 <= request.max_attempts <= MAX_ATTEMPTS:
        raise InvalidFieldError(FieldViolation("max_attempts", f"must be 1 to {MAX_ATTEMPTS}, or 0"))
    if request.mode not in BACKOFF_MODES:
        raise InvalidFieldError(FieldViolation("mode", "is not a BackoffMode"))
    return Rules(mode=BACKOFF_MODES[request.mode], max_attempts=request.max_attempts)


def _event_ids(texts: Sequence[str]) -> list[UUID]:
    if not 1 <= len(texts) <= MAX_EVENTS:
        raise InvalidFieldError(FieldViolation("event_ids", f"must hold 1 to {MAX_EVENTS} ids"))
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise InvalidFieldError(FieldViolation("event_ids", "must hold UUIDs only")) from None


def _unique(event_ids: Sequence[UUID]) -> list[UUID]:
    return list(dict.fromkeys(event_ids))


def _results(event_ids: Sequence[UUID], results: Mapping[UUID, Result]) -> list[processor_pb2.EventResult]:
    return [_result(event_id, results.get(event_id, SKIPPED)) for event_id in event_ids]


def _result(event_id: UUID, result: Result) -> processor_pb2.EventResult:
    return processor_pb2.EventResult(
        event_id=str(event_id), status=_STATUSES[result.status], failure_code=result.failure_code
    )
