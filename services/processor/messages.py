"""Events as messages of the processor."""

from tenrusl.api.processor.v1 import processor_pb2
from tenrusl.rpc.statuses import EVENT_STATUS_NUMBERS
from tenrusl.store.lookup import FoundEvent


def lookup_message(event_id: str, found: FoundEvent | None) -> processor_pb2.EventLookup:
    """How far an event is; None: it is not stored."""
    if found is None:
        return processor_pb2.EventLookup(event_id=event_id, missing=True)
    return processor_pb2.EventLookup(
        event_id=event_id,
        id=str(found.id),
        status=EVENT_STATUS_NUMBERS[found.status],
        attempts=found.attempts,
        deliveries=found.deliveries,
        unauthenticated_body=found.unauthenticated_body,
    )
