"""ProcessorService: proto to domain and back."""

from typing import Any, cast
from uuid import UUID

from grpc import aio

from services.processor.process import SKIPPED, Processor, Result, ResultStatus
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.errors import FieldViolation, InvalidFieldError

MAX_EVENTS = 1000

_STATUSES = {
    status: cast(
        "processor_pb2.EventResultStatus", processor_pb2.EventResultStatus.Value(f"EVENT_RESULT_STATUS_{status.name}")
    )
    for status in ResultStatus
}


class ProcessorServicer(processor_pb2_grpc.ProcessorServiceServicer):
    """Answers ProcessEvents."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor

    async def ProcessEvents(  # noqa: N802 - the name of the RPC
        self, request: processor_pb2.ProcessEventsRequest, context: aio.ServicerContext[Any, Any]
    ) -> processor_pb2.ProcessEventsResponse:
        event_ids = _event_ids(request)
        results = await self._processor.process(list(dict.fromkeys(event_ids)), force=request.force)
        return processor_pb2.ProcessEventsResponse(
            results=[_result(event_id, results.get(event_id, SKIPPED)) for event_id in event_ids]
        )


def _event_ids(request: processor_pb2.ProcessEventsRequest) -> list[UUID]:
    if not 1 <= len(request.event_ids) <= MAX_EVENTS:
        raise InvalidFieldError(FieldViolation("event_ids", f"must hold 1 to {MAX_EVENTS} ids"))
    try:
        return [UUID(text) for text in request.event_ids]
    except ValueError:
        raise InvalidFieldError(FieldViolation("event_ids", "must hold UUIDs only")) from None


def _result(event_id: UUID, result: Result) -> processor_pb2.EventResult:
    return processor_pb2.EventResult(
        event_id=str(event_id), status=_STATUSES[result.status], failure_code=result.failure_code
    )
