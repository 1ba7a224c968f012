"""The gateway's spans of HTTP requests, by OpenTelemetry's names. While tracing is off, all of them are NO_SPAN."""

from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from services.gateway.batching import Outcome
from services.gateway.headers import RawHeaders
from tenrusl.api.common.v1.common_pb2 import ErrorReason
from tenrusl.api.ingress.v1.ingress_pb2 import WebhookDisposition
from tenrusl.observability import traces

# What stands where a provider's name should, may be anything.
OTHER_PROVIDER = "other"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
# With `get`: an ingress that is newer than this gateway may know more.
_DISPOSITIONS = {value: name.removeprefix("WEBHOOK_DISPOSITION_").lower() for name, value in WebhookDisposition.items()}
_REASONS = {value: name.removeprefix("ERROR_REASON_") for name, value in ErrorReason.items()}
_NAMES = (b"traceparent", b"tracestate")


def server_span(scope: MutableMapping[str, Any], route: str, request_id: str) -> traces.Span:
    """The span of a request, below the one that its sender names. route: its pattern, empty when not known yet."""
    if not traces.enabled():
        return traces.NO_SPAN
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    attributes = {"http.request.method": method, "tenrusl.request_id": request_id}
    return traces.span(
        f"{method} {route}" if route else method,
        kind=traces.Kind.SERVER,
        parent=_parent(scope["headers"]),
        attributes={**attributes, "http.route": route} if route else attributes,
    )


def rename_after_route(span: traces.Span, scope: MutableMapping[str, Any]) -> None:
    """Names a span by the pattern that Starlette has found."""
    pattern = getattr(scope.get("route"), "path", "")
    if pattern:
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span.rename(f"{method} {pattern}")
        span.set({"http.route": pattern})


def tell_status(span: traces.Span, status: int) -> None:
    """The answer's status; 0: none was sent."""
    if status:
        span.set({"http.response.status_code": status})
    if not status or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail()


def tell_outcome(span: traces.Span, provider: str, outcome: Outcome | None) -> None:
    """What became of a webhook. None: it was not stored, and nobody knows more."""
    attributes = {"tenrusl.provider": provider, "tenrusl.outcome": "not_stored"}
    if outcome is not None:
        attributes["tenrusl.outcome"] = _DISPOSITIONS.get(outcome.disposition, "unknown")
        if outcome.reason:
            attributes["tenrusl.reason"] = _REASONS.get(outcome.reason, "unknown")
        if outcome.event_id:
            attributes["tenrusl.event_id"] = outcome.event_id
    span.set(attributes)


def _parent(headers: RawHeaders) -> traces.TraceContext:
    return traces.context_from((name.decode(), value.decode("latin-1")) for name, value in headers if name in _NAMES)
