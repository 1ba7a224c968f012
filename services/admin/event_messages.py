"""Events and the backlog as messages of the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from services.admin.backlog import BacklogState, ProviderState
from services.admin.events import Happening
from services.admin.findings import Finding
from tenrusl.api.admin.v1 import backlog_pb2
from tenrusl.api.common.v1 import common_pb2
from tenrusl.rpc.statuses import EVENT_STATUS_NUMBERS
from tenrusl.store.event_details import EventDetails


def backlog_message(state: BacklogState) -> backlog_pb2.GetBacklogResponse:
    """The backlog."""
    message = backlog_pb2.GetBacklogResponse(
        time=_timestamp(state.time),
        providers=[_provider_message(item) for item in state.providers],
        unfinished=state.unfinished,
        due=state.due,
        oldest_due_time=_timestamp(state.oldest_due),
        unconfirmed=state.unconfirmed,
        attempts=[
            backlog_pb2.AttemptsBucket(attempts=tries, events=number)
            for tries, number in sorted(state.attempts.items())
        ],
        average_attempts=state.average_attempts,
        dead_letters=[backlog_pb2.DeadLetterGroup(**group._asdict()) for group in state.dead_letters],
        arrivals_per_second=state.arrivals_per_second,
        settled_per_second=state.settled_per_second,
        capped=state.capped,
    )
    if state.time_to_drain is not None:
        message.time_to_drain.FromTimedelta(state.time_to_drain)
    return message


def finding_message(finding: Finding) -> backlog_pb2.Finding:
    """A finding."""
    return backlog_pb2.Finding(
        check=finding.check,
        severity=cast("backlog_pb2.Severity", finding.severity.value),
        evidence=finding.evidence,
        command=finding.command,
    )


def event_message(event: EventDetails) -> common_pb2.Event:
    """An event."""
    payment_status = f"PAYMENT_STATUS_{(event.payment_status or 'unspecified').upper()}"
    message = common_pb2.Event(
        id=str(event.id),
        provider=event.provider,
        event_id=event.event_id,
        event_type=event.event_type,
        status=EVENT_STATUS_NUMBERS[event.status],
        payment_status=cast("common_pb2.PaymentStatus", common_pb2.PaymentStatus.Value(payment_status)),
        payment_ref=event.payment_ref or "",
        provider_ref=event.provider_ref or "",
        merchant_ref=event.merchant_ref or "",
        currency=event.currency or "",
        attempts=event.attempts,
        deliveries=event.deliveries,
        occur_time=_timestamp(event.occurred_at),
        receive_time=_timestamp(event.received_at),
        next_retry_time=_timestamp(event.next_retry_at),
        failure_code=event.failure_code or "",
        unauthenticated_body=event.unauthenticated_body,
    )
    if event.amount_minor is not None:
        message.amount_minor = event.amount_minor
    return message


def details_message(event: EventDetails, happened: Sequence[Happening]) -> backlog_pb2.GetEventResponse:
    """An event with all that is known about it."""
    return backlog_pb2.GetEventResponse(
        event=event_message(event),
        failure_message=event.failure_message or "",
        request_id=event.request_id,
        source_ip=event.source_ip,
        headers={name: str(value) for name, value in event.headers.items()},
        signature_version=event.signature_version,
        payload_sha256=bytes(event.payload_sha256).hex(),
        payload_bytes=event.payload_bytes,
        payload_content_type=event.payload_content_type or "",
        timeline=[
            backlog_pb2.TimelineEntry(time=_timestamp(item.at), what=item.what, detail=item.detail) for item in happened
        ],
    )


def _provider_message(state: ProviderState) -> backlog_pb2.ProviderBacklog:
    return backlog_pb2.ProviderBacklog(
        provider=state.provider,
        received=state.by_status["received"],
        processing=state.by_status["processing"],
        failed=state.by_status["failed"],
        unconfirmed=state.unconfirmed,
        due=state.due,
        oldest_due_time=_timestamp(state.oldest_due),
    )


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message
