"""Asking the processor."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.errors import OverloadedError, Reason, UnavailableError
from tenrusl.operators import Operator
from tenrusl.rpc.context import outgoing_metadata
from tenrusl.rpc.errors import reason_of
from tenrusl.rpc.server import READINESS

TIMEOUT_SECONDS = 45.0  # longer than any batch takes
HEALTH_TIMEOUT_SECONDS = 2.0
_FIELDS = {
    processor_pb2.EVENT_RESULT_STATUS_PROCESSED: "processed",
    processor_pb2.EVENT_RESULT_STATUS_FAILED: "failed",
    processor_pb2.EVENT_RESULT_STATUS_DEAD_LETTER: "dead_letters",
    processor_pb2.EVENT_RESULT_STATUS_UNCONFIRMED: "unconfirmed",
    processor_pb2.EVENT_RESULT_STATUS_SKIPPED: "skipped",
}
# What became of events, by id: processed, failed, dead_letters, unconfirmed, skipped.
Outcomes = Mapping[str, str]
# How many events became what.
Results = Counter[str]


class ProcessorClient:
    """The calls that operators need. All but `answers_in` raise OverloadedError, UnavailableError."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = processor_pb2_grpc.ProcessorServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)

    async def process(self, event_ids: Sequence[UUID]) -> Results:
        """Has events processed now, whether they are due or not."""
        request = processor_pb2.ProcessEventsRequest(event_ids=_texts(event_ids), force=True)
        return Counter((await self._ask(self._stub.ProcessEvents, request)).values())

    async def confirm(self, event_ids: Sequence[UUID], *, by: Operator) -> Outcomes:
        """Confirms events, and has them processed. The processor writes the audit log where it confirms.

        After an OverloadedError they are confirmed and due; after an UnavailableError they may be.
        """
        request = processor_pb2.ConfirmEventsRequest(
            event_ids=_texts(event_ids), confirmed_by=by.name, role=by.role.value
        )
        return await self._ask(self._stub.ConfirmEvents, request)

    async def refute(self, event_ids: Sequence[UUID], *, by: Operator) -> Outcomes:
        """Refutes events. The processor writes the audit log where it refutes."""
        request = processor_pb2.RefuteEventsRequest(event_ids=_texts(event_ids), refuted_by=by.name, role=by.role.value)
        return await self._ask(self._stub.RefuteEvents, request)

    async def answers_in(self) -> float | None:
        """After how many seconds it says that it is ready; None when it does not."""
        began = time.monotonic()
        try:
            answer = await self._health.Check(
                health_pb2.HealthCheckRequest(service=READINESS), timeout=HEALTH_TIMEOUT_SECONDS
            )
        except aio.AioRpcError:
            return None
        ready = answer.status == health_pb2.HealthCheckResponse.SERVING
        return time.monotonic() - began if ready else None

    async def _ask(self, method: aio.UnaryUnaryMultiCallable[Any, Any], request: object) -> Outcomes:
        try:
            answer = await method(request, timeout=TIMEOUT_SECONDS, metadata=outgoing_metadata())
        except aio.AioRpcError as exc:
            if exc.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise OverloadedError("the processor is full") from exc
            reason = reason_of(exc)
            if reason is Reason.DATABASE_UNAVAILABLE:
                raise UnavailableError(reason, "the database does not answer the processor") from exc
            raise UnavailableError(
                Reason.SERVICE_UNAVAILABLE, f"the processor does not answer: {exc.code().name}"
            ) from exc
        return {result.event_id: _FIELDS[result.status] for result in answer.results}


def _texts(event_ids: Sequence[UUID]) -> list[str]:
    return [str(event_id) for event_id in event_ids]
