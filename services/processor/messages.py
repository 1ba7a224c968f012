"""Values of the domain as the messages of common/v1."""

from datetime import datetime
from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.processor.v1 import processor_pb2
from tenrusl.payments import PaymentStatus
from tenrusl.store.lookup import FoundEvent
from tenrusl.store.payments import Payment
from tenrusl.store.tables import EVENT_STATUSES
from tenrusl.store.unconfirmed import WaitingEvent

STATUSES = {
    status: cast("common_pb2.PaymentStatus", common_pb2.PaymentStatus.Value(f"PAYMENT_STATUS_{status.name}"))
    for status in PaymentStatus
}
_EVENT_STATUSES = {
    status: cast("common_pb2.EventStatus", common_pb2.EventStatus.Value(f"EVENT_STATUS_{status.upper()}"))
    for status in EVENT_STATUSES
}


def payment_message(payment: Payment) -> common_pb2.Payment:
    """A payment."""
    message = common_pb2.Payment(
        id=str(payment.id),
        provider=payment.provider,
        payment_ref=payment.payment_ref,
        merchant_ref=payment.merchant_ref or "",
        provider_ref=payment.provider_ref or "",
        status=STATUSES[payment.status],
        currency=payment.currency or "",
        create_time=_timestamp(payment.created_at),
        update_time=_timestamp(payment.updated_at),
    )
    if payment.amount_minor is not None:
        message.amount_minor = payment.amount_minor
    return message


def waiting_message(event: WaitingEvent) -> common_pb2.Event:
    """An event that waits for confirmation."""
    message = common_pb2.Event(
        id=str(event.id),
        provider=event.provider,
        event_id=event.event_id,
        event_type=event.event_type,
        status=common_pb2.EVENT_STATUS_UNCONFIRMED,
        payment_status=STATUSES[event.payment_status],
        payment_ref=event.payment_ref or "",
        provider_ref=event.provider_ref or "",
        merchant_ref=event.merchant_ref or "",
        currency=event.currency or "",
        receive_time=_timestamp(event.received_at),
        attempts=event.attempts,
        deliveries=event.deliveries,
        unauthenticated_body=True,
    )
    if event.amount_minor is not None:
        message.amount_minor = event.amount_minor
    if event.occurred_at is not None:
        message.occur_time.FromDatetime(event.occurred_at)
    return message


def lookup_message(event_id: str, found: FoundEvent | None) -> processor_pb2.EventLookup:
    """How far an event is; None: it is not stored."""
    if found is None:
        return processor_pb2.EventLookup(event_id=event_id, missing=True)
    return processor_pb2.EventLookup(
        event_id=event_id,
        id=str(found.id),
        status=_EVENT_STATUSES[found.status],
        attempts=found.attempts,
        deliveries=found.deliveries,
        unauthenticated_body=found.unauthenticated_body,
    )


def _timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message
