"""Events and the backlog as JSON: names as in the protos, words in small letters, null for what is not known."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.api.common.v1.common_pb2 import Event, EventStatus, PaymentStatus

_EVENT_PREFIX = "EVENT_STATUS_"
_PAYMENT_PREFIX = "PAYMENT_STATUS_"
EVENT_STATUSES = {name.removeprefix(_EVENT_PREFIX).lower(): name for name, number in EventStatus.items() if number}


def event_json(event: Event) -> dict[str, Any]:
    """An event, without its payload."""
    return {
        "id": event.id,
        "provider": event.provider,
        "event_id": event.event_id,
        "event_type": event.event_type,
        "status": EventStatus.Name(event.status).removeprefix(_EVENT_PREFIX).lower(),
        "payment_status": PaymentStatus.Name(event.payment_status).removeprefix(_PAYMENT_PREFIX).lower()
        if event.payment_status
        else None,
        "payment_ref": event.payment_ref or None,
        "provider_ref": event.provider_ref or None,
        "merchant_ref": event.merchant_ref or None,
        "amount_minor": event.amount_minor if event.HasField("amount_minor") else None,
        "currency": event.currency or None,
        "attempts": event.attempts,
        "deliveries": event.deliveries,
        "occur_time": _time(event, "occur_time"),
        "receive_time": _time(event, "receive_time"),
        "next_retry_time": _time(event, "next_retry_time"),
        "failure_code": event.failure_code or None,
        "unauthenticated_body": event.unauthenticated_body,
    }


def backlog_json(backlog: backlog_pb2.GetBacklogResponse) -> dict[str, Any]:
    """The backlog."""
    drains = backlog.HasField("time_to_drain")
    return {
        "time": _time(backlog, "time"),
        "unfinished": backlog.unfinished,
        "due": backlog.due,
        "oldest_due_time": _time(backlog, "oldest_due_time"),
        "unconfirmed": backlog.unconfirmed,
        "average_attempts": backlog.average_attempts,
        "arrivals_per_second": backlog.arrivals_per_second,
        "settled_per_second": backlog.settled_per_second,
        "seconds_to_drain": backlog.time_to_drain.ToTimedelta().total_seconds() if drains else None,
        "capped": backlog.capped,
        "providers": [
            {
                "provider": item.provider,
                "received": item.received,
                "processing": item.processing,
                "failed": item.failed,
                "due": item.due,
                "oldest_due_time": _time(item, "oldest_due_time"),
                "unconfirmed": item.unconfirmed,
            }
            for item in backlog.providers
        ],
        "attempts": [{"attempts": item.attempts, "events": item.events} for item in backlog.attempts],
        "dead_letters": [
            {"provider": item.provider, "failure_code": item.failure_code, "events": item.events}
            for item in backlog.dead_letters
        ],
    }


def _time(message: Any, field: str) -> str | None:
    time: Timestamp = getattr(message, field)
    return time.ToJsonString() if message.HasField(field) else None
