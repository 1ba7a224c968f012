"""Asking the processor to process events."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import grpc
from grpc import aio

from services.scheduler.retry import Handled, ProcessEvents, RetryOrder
from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.errors import OverloadedError, Reason, UnavailableError
from tenrusl.rpc.backoff_modes import BACKOFF_MODES
from tenrusl.rpc.errors import reason_of

TIMEOUT_SECONDS = 45.0  # longer than any batch takes
_MODES = {mode: number for number, mode in BACKOFF_MODES.items()}
_FIELDS = {
    processor_pb2.EVENT_RESULT_STATUS_PROCESSED: "processed",
    processor_pb2.EVENT_RESULT_STATUS_FAILED: "failed",
    processor_pb2.EVENT_RESULT_STATUS_DEAD_LETTER: "dead_letters",
    processor_pb2.EVENT_RESULT_STATUS_UNCONFIRMED: "unconfirmed",
    processor_pb2.EVENT_RESULT_STATUS_SKIPPED: "skipped",
    processor_pb2.EVENT_RESULT_STATUS_CLAIMED: "handed_off",
}


def process_events_by(stub: processor_pb2_grpc.ProcessorServiceStub) -> ProcessEvents:
    """What Retry needs, by a stub of the processor."""

    async def process_events(event_ids: Sequence[UUID], order: RetryOrder) -> Handled:
        request = processor_pb2.ProcessEventsRequest(
            event_ids=[str(event_id) for event_id in event_ids],
            force=order.force,
            max_attempts=order.max_attempts,
            mode=_MODES.get(order.mode, common_pb2.BACKOFF_MODE_UNSPECIFIED),
            hand_off=order.hand_off,
        )
        try:
            answer = await stub.ProcessEvents(request, timeout=TIMEOUT_SECONDS)
        except aio.AioRpcError as exc:
            if exc.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise OverloadedError("the processor is full") from exc
            reason = reason_of(exc)
            if reason is Reason.DATABASE_UNAVAILABLE:
                raise UnavailableError(reason, "the database does not answer the processor") from exc
            raise UnavailableError(
                Reason.SERVICE_UNAVAILABLE, f"the processor does not answer: {exc.code().name}"
            ) from exc
        return Handled(**Counter(_FIELDS[result.status] for result in answer.results))

    return process_events
