"""IngressService: proto to domain and back."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from grpc import aio

from services.ingress.accept import Acceptor, Outcome
from services.ingress.handoff import ProcessEvents
from services.ingress.judge import Delivery, Disposition
from services.ingress.tracing import EventTraces, accept_in_spans
from tenrusl.api.common.v1 import common_pb2
from tenrusl.api.ingress.v1 import ingress_pb2, ingress_pb2_grpc
from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.errors import FieldViolation, InvalidFieldError, Reason
from tenrusl.observability import traces
from tenrusl.providers.types import Headers, Webhook

MAX_WEBHOOKS = 512

_DISPOSITIONS = {
    item: cast(
        "ingress_pb2.WebhookDisposition", ingress_pb2.WebhookDisposition.Value(f"WEBHOOK_DISPOSITION_{item.name}")
    )
    for item in Disposition
}
_REASONS = {
    reason: cast("common_pb2.ErrorReason", common_pb2.ErrorReason.Value(f"ERROR_REASON_{reason.name}"))
    for reason in Reason
}


class IngressServicer(ingress_pb2_grpc.IngressServiceServicer):
    """Answers AcceptWebhooks. event_traces: told of each event that will be handed off, while tracing is on."""

    def __init__(self, acceptor: Acceptor, event_traces: EventTraces | None = None) -> None:
        self._acceptor = acceptor
        self._event_traces = event_traces or EventTraces()

    async def AcceptWebhooks(  # noqa: N802 - the name of the RPC
        self, request: ingress_pb2.AcceptWebhooksRequest, context: aio.ServicerContext[Any, Any]
    ) -> ingress_pb2.AcceptWebhooksResponse:
        if not 1 <= len(request.webhooks) <= MAX_WEBHOOKS:
            raise InvalidFieldError(FieldViolation("webhooks", f"must hold 1 to {MAX_WEBHOOKS} webhooks"))
        deliveries = [to_delivery(webhook) for webhook in request.webhooks]
        if traces.enabled():
            outcomes = await accept_in_spans(self._acceptor.accept, deliveries, self._event_traces)
        else:
            outcomes = await self._acceptor.accept(deliveries)
        return ingress_pb2.AcceptWebhooksResponse(outcomes=[_outcome(outcome) for outcome in outcomes])


def process_events_by(stub: processor_pb2_grpc.ProcessorServiceStub, event_traces: EventTraces) -> ProcessEvents:
    """The hand-off as a call of the processor, which is told the traces of the events."""

    async def process(event_ids: Sequence[UUID], timeout_seconds: float) -> None:
        contexts = event_traces.take(event_ids)
        request = processor_pb2.ProcessEventsRequest(
            event_ids=[str(event_id) for event_id in event_ids],
            traceparents=[context.traceparent for context in contexts],
        )
        with traces.span("hand off", kind=traces.Kind.CLIENT, links=[traces.Link(context) for context in contexts]):
            # A processor that is just starting is waited for: what is handed over late need not wait for its due time.
            await stub.ProcessEvents(request, timeout=timeout_seconds, wait_for_ready=True)

    return process


def to_message(delivery: Delivery) -> ingress_pb2.Webhook:
    """The webhook as the gateway passed it on."""
    webhook = delivery.webhook
    return ingress_pb2.Webhook(
        provider=delivery.provider,
        method=webhook.method,
        path=webhook.path,
        query=webhook.query,
        headers=[ingress_pb2.Header(name=name, value=value) for name, value in webhook.headers.items()],
        body=webhook.body,
        source_ip=webhook.source_ip,
        request_id=delivery.request_id,
    )


def to_delivery(webhook: ingress_pb2.Webhook) -> Delivery:
    """The webhook as ingress judges it."""
    return Delivery(
        provider=webhook.provider,
        webhook=Webhook(
            method=webhook.method,
            path=webhook.path,
            query=webhook.query,
            headers=Headers([(header.name, header.value) for header in webhook.headers]),
            body=webhook.body,
            source_ip=webhook.source_ip,
        ),
        request_id=webhook.request_id,
        trace=traces.TraceContext(webhook.traceparent, webhook.tracestate) if webhook.traceparent else traces.NOWHERE,
    )


def _outcome(outcome: Outcome) -> ingress_pb2.WebhookOutcome:
    message = ingress_pb2.WebhookOutcome(
        disposition=_DISPOSITIONS[outcome.disposition],
        reason=_REASONS[outcome.reason] if outcome.reason else common_pb2.ERROR_REASON_UNSPECIFIED,
        event_id=str(outcome.event_id) if outcome.event_id else "",
    )
    if reply := outcome.reply:
        message.reply.status = reply.status
        message.reply.content_type = reply.content_type or ""
        message.reply.body = reply.body
    return message
