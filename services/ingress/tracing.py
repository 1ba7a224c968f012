"""The spans of webhooks in ingress, and which of them each event came with."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

from services.ingress.accept import Outcome
from services.ingress.judge import Delivery, Disposition
from tenrusl.observability import traces

# As many events as may wait for their hand-off, and be under way. Of more, the oldest lose their links.
MAX_EVENTS = 25_000

Accept = Callable[[Sequence[Delivery]], Awaitable[list[Outcome]]]


class EventTraces:
    """Under which span each event was accepted, until it is handed off."""

    def __init__(self) -> None:
        self._contexts: dict[UUID, traces.TraceContext] = {}

    def note(self, event_id: UUID, context: traces.TraceContext) -> None:
        """Remembers it."""
        self._contexts[event_id] = context
        if len(self._contexts) > MAX_EVENTS:
            del self._contexts[next(iter(self._contexts))]

    def take(self, event_ids: Sequence[UUID]) -> list[traces.TraceContext]:
        """Those of these events, in the same order, and forgets them. Empty when none has any."""
        if not self._contexts:
            return []
        return [self._contexts.pop(event_id, traces.NOWHERE) for event_id in event_ids]


async def accept_in_spans(accept: Accept, deliveries: Sequence[Delivery], event_traces: EventTraces) -> list[Outcome]:
    """`accept`, with a span for each webhook and, below that of the one that leads the batch, one for what is done.

    A webhook's span is below the gateway's of the same request and linked to the current one; that of the webhook that
    leads is below the current one, which is in its trace already.
    """
    here = traces.current()
    lead = traces.lead_of([delivery.trace for delivery in deliveries])
    spans = [_span(delivery, here, leads=number == lead) for number, delivery in enumerate(deliveries)]
    contexts = [span.context for span in spans]
    traced = [replace(delivery, trace=context) for delivery, context in zip(deliveries, contexts, strict=True)]
    try:
        with traces.batch_span("judge and store", contexts):
            outcomes = await accept(traced)
        for delivery, span, outcome in zip(traced, spans, outcomes, strict=True):
            _tell(span, delivery, outcome)
            if outcome.disposition is Disposition.ACCEPTED and outcome.event_id is not None:
                # In time: what `accept` has just offered leaves when the event loop has its turn again.
                event_traces.note(outcome.event_id, delivery.trace)
    finally:
        for span in spans:
            span.end()
    return outcomes


def _span(delivery: Delivery, here: traces.TraceContext, *, leads: bool) -> traces.Span:
    """Below the current one, too, without a span of the gateway, as when that traces nothing."""
    in_this_trace = leads and here.traceparent[:35] == delivery.trace.traceparent[:35]  # version and trace id
    is_below_here = in_this_trace or not delivery.trace.traceparent
    return traces.span(
        "accept webhook",
        parent=here if is_below_here else delivery.trace,
        links=() if is_below_here else (traces.Link(here),),
        attributes={"tenrusl.request_id": delivery.request_id},
    )


def _tell(span: traces.Span, delivery: Delivery, outcome: Outcome) -> None:
    attributes = {"tenrusl.outcome": outcome.disposition.value}
    if outcome.disposition is not Disposition.UNKNOWN_PROVIDER:  # then its name may be anything
        attributes["tenrusl.provider"] = delivery.provider
    if outcome.reason is not None:
        attributes["tenrusl.reason"] = outcome.reason.value
    if outcome.event_id is not None:
        attributes["tenrusl.event_id"] = str(outcome.event_id)
    span.set(attributes)
    if outcome.disposition is Disposition.NOT_STORED:
        span.fail()
