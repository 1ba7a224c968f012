"""What the processor counts."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.processor.batch_histogram import BatchHistogram
from tenrusl.observability.labels import LabelLimit

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 21600)
# More than there are; what is not a code of ours never becomes many labels.
_MAX_FAILURE_CODES = 30


class ProcessorMetrics:
    """Counters and histograms of the processor in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._settled = Counter(
            "tenrusl_events_settled", "Tries by what became of the event", ("provider", "status"), registry=registry
        )
        self._batch = Histogram(
            "tenrusl_process_batch_events",
            "Events claimed by a ProcessEvents call",
            buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
            registry=registry,
        )
        self._latency = BatchHistogram(
            "tenrusl_event_latency_seconds",
            "From the receipt of an event to its effect",
            buckets=_SECONDS,
            registry=registry,
        )
        self._attempts = BatchHistogram(
            "tenrusl_event_attempts",
            "Tries that events took until they were processed or set aside",
            label="status",
            buckets=(1, 2, 3, 5, 8, 13, 21),
            registry=registry,
        )
        self._failures = Counter(
            "tenrusl_event_failures",
            "Tries that failed, by cause",
            ("provider", "failure_code"),
            registry=registry,
        )
        self._dead_letters = Counter(
            "tenrusl_dead_letters",
            "Events that failed for the last time, by cause",
            ("provider", "failure_code"),
            registry=registry,
        )
        self._failure_code = LabelLimit(_MAX_FAILURE_CODES)

    def observe_batch(self, size: int) -> None:
        """Records one ProcessEvents call."""
        self._batch.observe(size)

    def count(self, provider: str, status: str, number: int) -> None:
        """Counts tries of a provider's events that ended in `status`."""
        self._settled.labels(provider, status).inc(number)

    def count_failures(self, provider: str, failure_code: str, number: int, *, final: bool) -> None:
        """Counts tries that failed. final: the events are dead letters now."""
        code = self._failure_code(failure_code)
        self._failures.labels(provider, code).inc(number)
        if final:
            self._dead_letters.labels(provider, code).inc(number)

    def observe_attempts(self, status: str, attempts: Iterable[int]) -> None:
        """Records how many tries events took that ended in `status`."""
        self._attempts.observe(attempts, status)

    def observe_latency(self, seconds: Iterable[float]) -> None:
        """Records how long events took from receipt to effect."""
        self._latency.observe(seconds)
