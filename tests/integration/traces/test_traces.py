"""What spans a webhook leaves, and how they hang together."""

import asyncio
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, StatusCode

from tests.integration.traces.conftest import SECRET, TracedStack

HTTP = "POST /api/webhooks/{provider}"
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENDERS = {"Traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "Tracestate": "vendor=opaque"}
INGRESS_RPC = "tenrusl.api.ingress.v1.IngressService/AcceptWebhooks"
PROCESSOR_RPC = "tenrusl.api.processor.v1.ProcessorService/ProcessEvents"
ALL_DONE = {"process_events": 1, "hand_off": 1, PROCESSOR_RPC: 1, INGRESS_RPC: 1, "AcceptWebhooks": 1, HTTP: 1}


def context(span: ReadableSpan) -> SpanContext:
    found: SpanContext = span.context
    return found


def named(spans: Sequence[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def ancestors(spans: Sequence[ReadableSpan], span: ReadableSpan) -> list[str]:
    """Names of the spans above it, from the topmost down to itself."""
    by_id = {context(other).span_id: other for other in spans}
    names = [span.name]
    while span.parent is not None and span.parent.span_id in by_id:
        span = by_id[span.parent.span_id]
        names.insert(0, span.name)
    return names


def is_below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    above = span.parent
    return above is not None and (above.trace_id, above.span_id) == (context(parent).trace_id, context(parent).span_id)


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


async def test_one_trace_goes_from_http_through_grpc_to_sql(stack: TracedStack) -> None:
    assert (await stack.send("pay-1", **SENDERS)).status == 202
    spans = await stack.spans(**ALL_DONE)
    (sql,) = named(spans, "SQL store events")
    above = [HTTP, "AcceptWebhooks", INGRESS_RPC, "accept webhook", "judge and store", "SQL store events"]
    assert ancestors(spans, sql) == above
    (http,) = named(spans, HTTP)
    assert http.parent is not None
    assert (f"{http.parent.trace_id:032x}", f"{http.parent.span_id:016x}") == (TRACE_ID, SPAN_ID)
    for name in above:
        (span,) = named(spans, name)
        assert f"{context(span).trace_id:032x}" == TRACE_ID
        assert context(span).trace_state.get("vendor") == "opaque"


async def test_the_processors_span_links_to_the_events_trace(stack: TracedStack) -> None:
    await stack.send("pay-1", **SENDERS)
    spans = await stack.spans(**ALL_DONE)
    (accepted,), (processed,), (handed_off,) = (
        named(spans, name) for name in ("accept webhook", "process events", "hand off")
    )
    assert accepted.attributes is not None
    (link,) = processed.links
    assert link.context.span_id == context(accepted).span_id
    assert link.context.trace_id == context(accepted).trace_id
    assert dict(link.attributes or {}) == {"tenrusl.event_id": accepted.attributes["tenrusl.event_id"]}
    assert linked(handed_off) == {context(accepted).span_id}
    for name in ("SQL claim events", "SQL apply events"):
        (sql,) = named(spans, name)
        assert ancestors(spans, sql) == ["hand off", PROCESSOR_RPC, "process events", name]


async def test_webhooks_of_one_batch_each_keep_their_trace_and_find_the_batch_by_a_link(stack: TracedStack) -> None:
    await asyncio.gather(*(stack.send(f"pay-{number}") for number in range(12)))

    def all_came_back(spans: Sequence[ReadableSpan]) -> bool:
        sizes = [(span.attributes or {})["tenrusl.batch_size"] for span in named(spans, "AcceptWebhooks")]
        return len(named(spans, HTTP)) == sum(map(int, map(str, sizes))) == 12

    spans = await stack.spans_when(all_came_back)
    https = {context(span).trace_id: span for span in named(spans, HTTP)}
    assert len(https) == 12
    accepted = named(spans, "accept webhook")
    assert {context(span).trace_id for span in accepted} == set(https)
    for batch in named(spans, "AcceptWebhooks"):
        (rpc,) = [span for span in named(spans, INGRESS_RPC) if is_below(span, batch)]
        (lead,) = [span for span in accepted if is_below(span, rpc)]
        (work,) = [span for span in named(spans, "judge and store") if is_below(span, lead)]
        others = [span for span in accepted if context(rpc).span_id in linked(span)]
        assert all(is_below(span, https[context(span).trace_id]) for span in others)
        assert linked(work) == {context(span).span_id for span in others}
        assert linked(batch) == {context(https[context(span).trace_id]).span_id for span in others}
        assert batch.attributes is not None
        assert batch.attributes["tenrusl.batch_size"] == len(others) + 1


async def test_spans_say_what_became_of_a_webhook(stack: TracedStack) -> None:
    await stack.send("pay-1", **{"X-Request-ID": "request-1"})
    await stack.send("pay-1")
    await stack.send("pay-2", secret="a-forgers-secret")
    spans = await stack.spans(**{HTTP: 3, "accept_webhook": 3})
    for name in (HTTP, "accept webhook"):
        told = [dict(span.attributes or {}) for span in named(spans, name)]
        assert [item["tenrusl.outcome"] for item in told] == ["accepted", "duplicate", "rejected"]
        assert {item["tenrusl.provider"] for item in told} == {"mock"}
        assert told[0]["tenrusl.event_id"] == told[1]["tenrusl.event_id"]
        assert told[0]["tenrusl.request_id"] == "request-1"
        assert told[2]["tenrusl.reason"] == "SIGNATURE_MISMATCH"
        assert "tenrusl.event_id" not in told[2]
    codes = [(span.attributes or {})["http.response.status_code"] for span in named(spans, HTTP)]
    assert codes == [202, 200, 401]


async def test_spans_hold_nothing_of_body_path_or_signature(stack: TracedStack) -> None:
    await stack.send("pay-in-the-body")
    await stack.send("pay-2", path="/api/webhooks/payoneer/token-in-the-path?token=token-in-the-query")
    await stack.send("pay-3", path="/api/webhooks/secret_instead_of_a_provider")
    spans = await stack.spans(**{HTTP: 3, "process_events": 1})
    text = "".join(span.to_json() for span in spans)
    assert "evt-" not in text
    for secret in (SECRET, "pay-in-the-body", "token-in-the-path", "token-in-the-query", "secret_instead"):
        assert secret not in text


@pytest.mark.parametrize("traceparent", ["nonsense", f"00-{'0' * 32}-{SPAN_ID}-01", f"ff-{TRACE_ID}-{SPAN_ID}-01"])
async def test_a_malformed_traceparent_begins_a_trace(stack: TracedStack, traceparent: str) -> None:
    assert (await stack.send("pay-1", Traceparent=traceparent)).status == 202
    spans = await stack.spans(**ALL_DONE)
    (http,) = named(spans, HTTP)
    assert http.parent is None
    assert len({context(span).trace_id for span in spans}) == 2  # the webhook's, and that of the hand-off


@pytest.mark.parametrize("exported", [{"OTEL_TRACES_SAMPLER": "parentbased_always_off"}], indirect=True)
async def test_only_what_is_sampled_is_kept_and_everything_of_it(stack: TracedStack) -> None:
    await asyncio.gather(*(stack.send(f"pay-{number}") for number in range(8)))
    assert (await stack.send("pay-sampled", **SENDERS)).status == 202
    spans = await stack.spans(**{HTTP: 1, "SQL_store_events": 1, INGRESS_RPC: 1, "accept_webhook": 1})
    assert {f"{context(span).trace_id:032x}" for span in spans} == {TRACE_ID}
    assert [len(named(spans, name)) for name in (HTTP, "accept webhook", "SQL store events")] == [1, 1, 1]


async def test_other_requests_have_a_span_by_their_route(stack: TracedStack) -> None:
    answer = await stack.get("/api/v1/payments/mock/unknown-reference/status")
    assert answer.status == 404
    rpc = "tenrusl.api.processor.v1.PaymentService/GetPaymentByReference"
    spans = await stack.spans(**{"GET /api/v1/payments/{provider}/{ref:path}/status": 1, rpc: 1})
    (sql,) = named(spans, "SQL query")
    assert ancestors(spans, sql) == ["GET /api/v1/payments/{provider}/{ref:path}/status", rpc, "SQL query"]
    assert "unknown-reference" not in "".join(span.to_json() for span in spans)


async def test_probes_have_no_spans(stack: TracedStack) -> None:
    assert (await stack.get("/ready")).status == 200
    await stack.send("pay-1")
    spans = await stack.spans(**ALL_DONE)
    assert not [span for span in spans if "ready" in span.name or "Health" in span.name]


async def test_what_is_not_stored_is_marked(stack: TracedStack) -> None:
    await stack.lose_the_events()
    assert (await stack.send("pay-1")).status == 503
    spans = await stack.spans(**{HTTP: 1, "accept_webhook": 1})
    for name in (HTTP, "accept webhook", "SQL store events"):
        assert {span.status.status_code for span in named(spans, name)} == {StatusCode.ERROR}
        assert not [span.events for span in named(spans, name) if span.events]  # a message may hold anything
