"""The gateway's metrics and access log."""

import contextlib
from collections import Counter as Tally
from collections.abc import Callable, Sequence

import grpc
import structlog
from grpc import aio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.gateway.batching import Outcome, ReceivedWebhook
from tenrusl.api.common.v1.common_pb2 import ErrorReason
from tenrusl.api.ingress.v1.ingress_pb2 import WebhookDisposition
from tenrusl.rpc.errors import reason_of

_log = structlog.get_logger("gateway")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_DISPOSITIONS = {value: name.removeprefix("WEBHOOK_DISPOSITION_").lower() for name, value in WebhookDisposition.items()}
_REJECTED = WebhookDisposition.WEBHOOK_DISPOSITION_REJECTED
# Failures of a whole batch that a provider's next try mends. Any other is a defect.
_TRANSIENT = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)


class GatewayMetrics:
    """Counts requests and batches, and logs one line per batch. One per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "tenrusl_http_requests", "HTTP requests by route and status", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "tenrusl_http_request_seconds",
            "time from the request's headers to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._refused_bodies = Counter(
            "tenrusl_http_bodies_refused",
            "bodies refused: too_large, too_slow, client_gone",
            ["why"],
            registry=registry,
        )
        self._throttled = Counter(
            "tenrusl_throttled_webhooks",
            "webhooks answered 429, by the limit that refused them: provider, source",
            ["limit", "provider"],
            registry=registry,
        )
        self._throttle = Gauge(
            "tenrusl_throttle_per_second",
            "webhooks that this gateway takes a second; no value without a limit",
            ["provider"],
            registry=registry,
        )
        self._limits_read = Counter(
            "tenrusl_throttle_reads", "times that the limits were asked for: ok, failed", ["result"], registry=registry
        )
        self._batch_size = Histogram(
            "tenrusl_gateway_batch_webhooks", "webhooks in a batch", buckets=_BATCH_SIZES, registry=registry
        )
        self._batch_seconds = Histogram(
            "tenrusl_gateway_batch_seconds", "time of one AcceptWebhooks call", buckets=_SECONDS, registry=registry
        )
        self._batches = Counter("tenrusl_gateway_batches", "batches by gRPC code", ["code"], registry=registry)
        self._waiting = Gauge("tenrusl_gateway_waiting_webhooks", "webhooks waiting for a batch", registry=registry)
        # `labels` takes a lock and builds strings; routes and statuses are few.
        self._request_cells: dict[tuple[str, int], Counter] = {}
        self._seconds_cells: dict[str, Histogram] = {}

    def watch_waiting(self, waiting: Callable[[], int]) -> None:
        """Reads the number of waiting webhooks whenever metrics are scraped."""
        self._waiting.set_function(waiting)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One request was answered. `route` is a route's name, never a path."""
        cell = self._request_cells.get((route, status))
        if cell is None:
            cell = self._request_cells[route, status] = self._requests.labels(route, str(status))
        cell.inc()
        timer = self._seconds_cells.get(route)
        if timer is None:
            timer = self._seconds_cells[route] = self._seconds.labels(route)
        timer.observe(seconds)

    def body_refused(self, why: str) -> None:
        """A body was too_large or too_slow, or its client_gone."""
        self._refused_bodies.labels(why).inc()

    def throttled(self, limit: str, provider: str) -> None:
        """A webhook was over a limit: provider or source. `provider` is one that is known, or "other"."""
        self._throttled.labels(limit, provider).inc()

    def throttle_set(self, provider: str, per_second: float | None) -> None:
        """This many webhooks of a provider are taken from now on; None: all."""
        if per_second is None:
            with contextlib.suppress(KeyError):
                self._throttle.remove(provider)
        else:
            self._throttle.labels(provider).set(per_second)

    def limits_read(self, *, ok: bool) -> None:
        """The limits were asked for."""
        self._limits_read.labels("ok" if ok else "failed").inc()

    def batch_done(
        self,
        webhooks: Sequence[ReceivedWebhook],
        outcomes: Sequence[Outcome] | None,
        error: aio.AioRpcError | None,
        seconds: float,
    ) -> None:
        """See BatchObserver."""
        self._batch_size.observe(len(webhooks))
        self._batch_seconds.observe(seconds)
        self._batches.labels(error.code().name if error else "OK" if outcomes else "WRONG_ANSWER").inc()
        request_ids = [webhook.request_id for webhook in webhooks]
        duration_ms = round(seconds * 1000, 1)
        if outcomes is None:
            _log_failed_batch(request_ids, error, duration_ms)
            return
        counts = Tally(_DISPOSITIONS.get(outcome.disposition, "unknown") for outcome in outcomes)
        _log.info("webhooks", **counts, duration_ms=duration_ms, request_ids=request_ids)
        for webhook, outcome in zip(webhooks, outcomes, strict=True):
            if outcome.disposition == _REJECTED:
                _log.warning(
                    "webhook rejected",
                    request_id=webhook.request_id,
                    provider=webhook.provider,
                    reason=ErrorReason.Name(outcome.reason).removeprefix("ERROR_REASON_"),
                    source_ip=webhook.source_ip,
                )


def _log_failed_batch(request_ids: Sequence[str], error: aio.AioRpcError | None, duration_ms: float) -> None:
    if error is None:
        _log.error("ingress answered a batch with another number of outcomes", request_ids=request_ids)
        return
    write = _log.warning if error.code() in _TRANSIENT else _log.error
    write(
        "webhooks not stored",
        code=error.code().name,
        reason=reason_of(error),
        details=error.details(),
        duration_ms=duration_ms,
        request_ids=request_ids,
    )
