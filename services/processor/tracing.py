"""The span of a batch of events."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from services.processor.process import Result, ResultStatus
from tenrusl.api.processor.v1 import processor_pb2
from tenrusl.observability import traces

_UNREMARKABLE = frozenset({ResultStatus.PROCESSED, ResultStatus.CLAIMED, ResultStatus.SKIPPED})


def process_span(request: processor_pb2.ProcessEventsRequest) -> traces.Span:
    """Linked to where each event was accepted, where the caller knows that. With hand_off, of the claim alone."""
    if not traces.enabled():
        return traces.NO_SPAN
    links = [
        traces.Link(traces.TraceContext(traceparent), {"tenrusl.event_id": event_id})
        for event_id, traceparent in zip(request.event_ids, request.traceparents, strict=False)
    ]
    attributes = {"tenrusl.batch_size": len(request.event_ids), "tenrusl.force": request.force}
    return traces.span("process events", links=links, attributes=attributes)


def tell_results(span: traces.Span, results: Mapping[UUID, Result]) -> None:
    """How many events had which result, and which ones did not go well."""
    counts = Counter(result.status for result in results.values())
    span.set({f"tenrusl.{status.value}": number for status, number in counts.items()})
    for event_id, result in results.items():
        if result.status not in _UNREMARKABLE:
            attributes = {"tenrusl.event_id": str(event_id), "tenrusl.failure_code": result.failure_code}
            span.add_event(result.status.value, attributes)
